/* endpoint: it takes one peer, also when there is no descriptor for it yet. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervisor/plugin/endpoint.h"

TestSuite(endpoint, .timeout = 20);

static int peer_fd = -1;

static void
on_peer(struct endpoint *e, int fd)
{
	peer_fd = fd;
	ev_break(e->loop, EVBREAK_ALL);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer, (void)events;
	ev_break(loop, EVBREAK_ALL);
}

/* Turns the loop until a peer came or the time is over. */
static void
turn(struct ev_loop *loop, double seconds)
{
	ev_timer deadline;

	ev_timer_init(&deadline, on_deadline, seconds, 0);
	ev_now_update(loop);
	ev_timer_start(loop, &deadline);
	ev_run(loop, 0);
	ev_timer_stop(loop, &deadline);
}

static int
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(address.sun_path, path, strlen(path) + 1);
	cr_assert_eq(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

Test(endpoint, waits_for_a_descriptor_without_spinning)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct endpoint e;
	struct error err;
	struct rlimit usual, full;
	char dir[] = "/tmp/endpoint-XXXXXX";
	char folder[64];
	unsigned turns;
	int client, next;

	cr_assert(mkdtemp(dir));
	cr_assert_eq(endpoint_open(&e, loop, dir, 1, on_peer, &err), 0, "%s",
		err.text);
	turn(loop, 0); /* libev's own descriptors are there now */
	client = connect_to(e.path);
	next = dup(client);
	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
	full = usual;
	full.rlim_cur = (rlim_t)next; /* what is open stays open */
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &full), 0);
	turns = ev_iteration(loop);
	turn(loop, 0.5);
	cr_expect_lt(peer_fd, 0);
	cr_expect_lt(ev_iteration(loop) - turns, 50, "%u turns",
		ev_iteration(loop) - turns);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
	turn(loop, 5);
	cr_expect_geq(peer_fd, 0);
	close(peer_fd);
	close(client);
	endpoint_close(&e);
	ev_loop_destroy(loop);
	snprintf(folder, sizeof(folder), "%s/w", dir);
	cr_expect_eq(rmdir(folder), 0);
	cr_expect_eq(rmdir(dir), 0);
}
