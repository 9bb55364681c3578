/* interop: peer against libnng's pair0, in both directions. The nng side runs
 * in a thread with timeouts on everything; the peer on a loop in the test.
 * (What lies unread in the kernel when we close, libnng 1.5.2 throws away; no
 * test expects it.)
 * Linked with nanomsg first: Criterion needs its nn_* and nng has them too. */
#include <criterion/criterion.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/pubsub0/pub.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/peer.h"

#define WAIT_MS 10000

static struct ev_loop *loop;
static struct peer_group group;
static struct peer peer;
static ev_timer deadline;
static char folder[] = "/tmp/supd-interop-XXXXXX", path[64], url[80];

/* What the peer saw. */
static unsigned messages, closes, enough;
static uint32_t next_id;
static uint64_t bytes;
static char reason[200];

/* The nng side. */
static nng_socket nng;
static pthread_t thread;
static sem_t pipe_gone;
static bool nng_sends_back;
static unsigned nng_messages, nng_stop_after;
static size_t nng_bytes;

static void
on_deadline(struct ev_loop *l, ev_timer *w, int events)
{
	cr_assert_fail("nothing happened for %d ms", WAIT_MS);
}

static void
on_message(struct peer *p, const struct message *m)
{
	cr_assert_eq(m->kind, MESSAGE_RESPONSE);
	cr_expect_eq(m->id, next_id);
	next_id = m->id + 1;
	bytes += codec_bytes(m->result).length;
	if (++messages == enough)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_close(struct peer *p, const char *why)
{
	closes++;
	snprintf(reason, sizeof(reason), "%s", why ? why : "");
	ev_break(loop, EVBREAK_ALL);
}

static const struct peer_ops ops = {
	.on_message = on_message, .on_close = on_close};

static void
start(void)
{
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(url, sizeof(url), "ipc://%s", path);
	loop = ev_loop_new(EVFLAG_AUTO);
	peer_group_init(&group, loop);
	ev_timer_init(&deadline, on_deadline, WAIT_MS / 1000., 0);
	ev_timer_start(loop, &deadline);
}

static void
finish(void)
{
	peer_finish(&peer);
	peer_group_finish(&group);
	ev_loop_destroy(loop);
	unlink(path);
	rmdir(folder);
}

TestSuite(interop, .init = start, .fini = finish);

/* Receives until the other side is gone or it has had enough. */
static void *
nng_run(void *unused)
{
	nng_msg *msg;

	while (nng_recvmsg(nng, &msg, 0) == 0) {
		nng_messages++;
		nng_bytes += nng_msg_len(msg);
		if (!nng_sends_back || nng_sendmsg(nng, msg, 0) != 0)
			nng_msg_free(msg);
		if (nng_messages == nng_stop_after)
			break;
	}
	return NULL;
}

static void
on_pipe_gone(nng_pipe pipe, nng_pipe_ev event, void *unused)
{
	sem_post(&pipe_gone);
}

static void
expect_pipe_gone(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	cr_expect_eq(sem_timedwait(&pipe_gone, &until), 0);
}

static void
nng_start(bool sends_back)
{
	cr_assert_eq(nng_pair0_open(&nng), 0);
	nng_socket_set_ms(nng, NNG_OPT_RECVTIMEO, WAIT_MS);
	nng_socket_set_ms(nng, NNG_OPT_SENDTIMEO, WAIT_MS);
	sem_init(&pipe_gone, 0, 0);
	nng_pipe_notify(nng, NNG_PIPE_EV_REM_POST, on_pipe_gone, NULL);
	nng_sends_back = sends_back;
}

static int
unix_socket(struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(address->sun_path, path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
listen_here(void)
{
	struct timeval timeout = {.tv_sec = WAIT_MS / 1000};
	struct sockaddr_un address;
	int fd = unix_socket(&address);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

/* nng dials us, as a worker does. */
static void
connect_nng_to_us(void)
{
	int listener = listen_here(), fd;

	cr_assert_eq(nng_dial(nng, url, NULL, NNG_FLAG_NONBLOCK), 0);
	fd = accept(listener, NULL, NULL);
	cr_assert_geq(fd, 0);
	close(listener);
	peer_init(&peer, &group, fd, &ops, NULL);
}

/* We dial nng, as the native link and supctl would. */
static void
connect_us_to_nng(void)
{
	struct sockaddr_un address;
	int fd = unix_socket(&address);

	cr_assert_eq(nng_listen(nng, url, NULL, 0), 0);
	cr_assert_eq(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	peer_init(&peer, &group, fd, &ops, NULL);
}

static void
send_one(uint32_t id, size_t size)
{
	static char zeros[WIRE_MESSAGE_MAX];
	msgpack_packer *p = peer_begin(&peer);

	codec_result(p, id);
	codec_bin(p, (struct bytes){zeros, size});
	cr_expect_eq(peer_end(&peer), 0);
}

static void
nng_stop(void)
{
	nng_close(nng); /* ends a recv that still waits */
	pthread_join(thread, NULL);
}

static void
echo_batches(void)
{
	enough = 5000;
	pthread_create(&thread, NULL, nng_run, NULL);
	for (uint32_t i = 0; i < enough; i++)
		send_one(i, i % 400);
	ev_run(loop, 0);
	cr_expect_eq(messages, enough);
	cr_expect_eq(bytes,
		(uint64_t)enough / 400 * (399 * 400 / 2) + 199 * 200 / 2);
	peer_close(&peer);
	expect_pipe_gone();
	nng_stop();
	cr_expect_lt(nng_messages, 100, "objects travel in batches");
	cr_expect_eq(closes, 0);
}

Test(interop, batches_are_echoed_by_an_nng_that_dials)
{
	nng_start(true);
	connect_nng_to_us();
	echo_batches();
}

Test(interop, batches_are_echoed_by_an_nng_that_listens)
{
	nng_start(true);
	connect_us_to_nng();
	echo_batches();
}

Test(interop, messages_of_the_full_size_pass_both_ways)
{
	enough = 3;
	nng_stop_after = 3;
	nng_start(true);
	connect_nng_to_us();
	pthread_create(&thread, NULL, nng_run, NULL);
	for (uint32_t i = 0; i < 3; i++)
		send_one(i, WIRE_MESSAGE_MAX - 9); /* 9: what is around it */
	ev_run(loop, 0);
	cr_expect_eq(messages, 3);
	pthread_join(thread, NULL);
	nng_close(nng);
	cr_expect_eq(nng_bytes, 3 * WIRE_MESSAGE_MAX);
}

Test(interop, we_hear_it_once_when_nng_closes)
{
	nng_start(true);
	connect_us_to_nng();
	nng_stop_after = 1;
	enough = 1;
	send_one(0, 100);
	pthread_create(&thread, NULL, nng_run, NULL);
	ev_run(loop, 0);
	cr_expect_eq(messages, 1);
	pthread_join(thread, NULL);
	nng_close(nng);
	ev_run(loop, 0);
	cr_expect_eq(closes, 1);
	cr_expect_str_eq(reason, "");
}

Test(interop, another_protocol_of_nng_is_refused_by_name)
{
	cr_assert_eq(nng_pub0_open(&nng), 0);
	connect_nng_to_us();
	ev_run(loop, 0);
	cr_expect_eq(closes, 1);
	cr_expect(strstr(reason, "SP protocol 0x0020"), "%s", reason);
	nng_close(nng);
}
