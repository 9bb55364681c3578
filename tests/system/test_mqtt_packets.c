/* The package mqtt with a broker that a test plays, byte by byte, in MQTT
 * 3.1.1: what mosquitto never does. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/mqtt.h"

TestSuite(mqtt_packets, .fini = run_fini, .timeout = 180);

#define SETTINGS                                                               \
	TOPICS ", protocol: \"3.1.1\", client_id: supd-m, connect_timeout: 2s"

enum packet {
	CONNECT = 0x10,
	PUBLISH = 0x30,
	PUBACK = 0x40,
	SUBSCRIBE = 0x80,
	DISCONNECT = 0xe0
};

/* A run whose broker is a socket of the test. */
struct stage {
	struct broker *b; /* not started: only its port */
	struct sockaddr_in address;
	int listener, fd;
	unsigned char got[512]; /* the last packet, without its head */
};

static struct stage
stage_create(const char *settings)
{
	struct stage s = {.b = mqtt_create(settings), .fd = -1};
	int on = 1;

	s.address = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)s.b->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	s.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(s.listener, (struct sockaddr *)&s.address,
			     sizeof(s.address)),
		0);
	return s;
}

static struct stage
stage_open(const char *settings)
{
	struct stage s = stage_create(settings);

	cr_assert_eq(listen(s.listener, 8), 0);
	run_start(s.b->run);
	return s;
}

static void
await_readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	cr_assert_eq(poll(&p, 1, RUN_DEADLINE_MS), 1, "nothing comes");
}

static void
say(struct stage *s, const void *bytes, size_t size)
{
	cr_assert_eq(send(s->fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void
read_bytes(struct stage *s, unsigned char *to, size_t size)
{
	while (size) {
		ssize_t got;

		await_readable(s->fd);
		got = recv(s->fd, to, size, 0);
		cr_assert_gt(got, 0, "the client has closed");
		to += got;
		size -= (size_t)got;
	}
}

/* The next packet, which must be of that kind; its size without the head.
 * PINGREQs are passed over. */
static size_t
expect(struct stage *s, enum packet kind)
{
	unsigned char head[2];

	do {
		read_bytes(s, head, 2);
		cr_assert_lt(head[1], 0x80);
		read_bytes(s, s->got, head[1]);
	} while (head[0] == 0xc0);
	cr_assert_eq(head[0] & 0xf0, kind, "%02x, not %02x", head[0], kind);
	return head[1];
}

/* Takes the next connection, and says that it has a session or not. */
static void
accept_client(struct stage *s, bool has_session)
{
	const unsigned char accepted[] = {0x20, 2, has_session, 0};

	if (s->fd >= 0)
		close(s->fd);
	await_readable(s->listener);
	s->fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	expect(s, CONNECT);
	say(s, accepted, sizeof(accepted));
	if (!has_session) {
		unsigned char granted[] = {0x90, 3, 0, 0, 1};

		expect(s, SUBSCRIBE);
		memcpy(granted + 2, s->got, 2);
		say(s, granted, sizeof(granted));
	}
	ctl_await_shown(s->b->run, "m", "channels.0.state", "up");
}

static void
publish(struct stage *s, unsigned packet, bool is_duplicate, const char *topic,
	const char *text)
{
	size_t topic_bytes = strlen(topic), text_bytes = strlen(text);
	unsigned char out[128] = {
		(unsigned char)(PUBLISH | 2 | (is_duplicate ? 8 : 0)),
		(unsigned char)(4 + topic_bytes + text_bytes), 0,
		(unsigned char)topic_bytes};

	memcpy(out + 4, topic, topic_bytes);
	out[5 + topic_bytes] = (unsigned char)packet;
	memcpy(out + 6 + topic_bytes, text, text_bytes);
	say(s, out, 6 + topic_bytes + text_bytes);
}

static void
expect_puback(struct stage *s, unsigned packet)
{
	expect(s, PUBACK);
	cr_expect_eq(s->got[1], packet);
}

static void
stage_end(struct stage *s)
{
	struct gateway_run *g = s->b->run;

	broker_end(s->b);
	/* A stop waits 2 s for the broker to close; this one does. */
	if (s->fd >= 0)
		close(s->fd);
	close(s->listener);
	run_end(g);
}

Test(mqtt_packets, a_packet_id_that_is_given_anew_means_another_message)
{
	struct stage s = stage_open(SETTINGS);

	accept_client(&s, false);
	publish(&s, 1, false, "in/a", "on");
	expect_puback(&s, 1);
	publish(&s, 1, false, "in/a", "on");
	expect_puback(&s, 1);
	mqtt_await_heard(s.b, " on\n", 2);
	stage_end(&s);
}

Test(mqtt_packets, a_duplicate_is_the_message_that_it_repeats)
{
	struct stage s = stage_open(SETTINGS);

	accept_client(&s, false);
	publish(&s, 1, false, "in/a", "on");
	publish(&s, 2, false, "in/a", "off");
	expect_puback(&s, 1);
	expect_puback(&s, 2);
	accept_client(&s, true); /* the acknowledgements were lost */
	publish(&s, 1, true, "in/a", "on");
	publish(&s, 2, true, "in/a", "off");
	expect_puback(&s, 1);
	expect_puback(&s, 2);
	publish(&s, 2, true, "in/a", "on"); /* other content */
	expect_puback(&s, 2);
	publish(&s, 3, true, "in/a", "off"); /* another packet id */
	expect_puback(&s, 3);
	mqtt_await_heard(s.b, " off\n", 2);
	cr_expect_eq(chat_count(s.b->run, "m", "heard", " on\n"), 2);
	stage_end(&s);
}

Test(mqtt_packets, a_new_session_has_no_duplicates)
{
	struct stage s = stage_open(SETTINGS);

	accept_client(&s, false);
	publish(&s, 1, false, "in/a", "on");
	expect_puback(&s, 1);
	accept_client(&s, false);
	run_await_log(s.b->run, 0, "the broker has no session of this client");
	publish(&s, 1, true, "in/a", "on");
	expect_puback(&s, 1);
	mqtt_await_heard(s.b, " on\n", 2);
	stage_end(&s);
}

/* The store stands still, so the client notices only by its keep-alive that the
 * connection is gone. The answer belongs to the connection on which the message
 * is repeated. */
Test(mqtt_packets, what_is_repeated_before_its_answer_is_acknowledged_once)
{
	struct stage s = stage_open(SETTINGS ", keepalive: 5s");
	pid_t store;

	accept_client(&s, false);
	publish(&s, 1, false, "in/a", "first");
	expect_puback(&s, 1);
	store = mqtt_store(s.b);
	kill(store, SIGSTOP);
	publish(&s, 2, false, "in/a", "second");
	accept_client(&s, true);
	publish(&s, 2, true, "in/a", "second");
	publish(&s, 2, true, "in/a", "second");
	kill(store, SIGCONT);
	expect_puback(&s, 2);
	expect_puback(&s, 2);
	publish(&s, 3, false, "in/a", "third");
	expect_puback(&s, 3);
	mqtt_await_heard(s.b, " third\n", 1);
	cr_expect_eq(chat_count(s.b->run, "m", "heard", " second\n"), 1);
	stage_end(&s);
}

Test(mqtt_packets, what_was_sent_and_not_confirmed_is_unknown)
{
	const char *const arguments[] = {"send", "chat", "out/x", "y", NULL};
	struct stage s = stage_open(SETTINGS);
	struct ctl *c;

	accept_client(&s, false);
	c = ctl_begin(s.b->run, 0, arguments);
	expect(&s, PUBLISH);
	accept_client(&s, true);
	ctl_wait(c);
	cr_expect_str_eq(ctl_text(c, "state"), "unknown", "%s", c->out);
	ctl_destroy(c);
	publish(&s, 1, false, "in/a", "next"); /* it is not sent again */
	expect_puback(&s, 1);
	stage_end(&s);
}

static void
try_bad(const void *bytes, size_t size)
{
	struct stage s = stage_open(SETTINGS);

	accept_client(&s, false);
	say(&s, bytes, size);
	await_readable(s.fd); /* the end */
	accept_client(&s, true);
	publish(&s, 1, false, "in/a", "alive");
	expect_puback(&s, 1);
	mqtt_await_heard(s.b, " alive\n", 1);
	cr_expect_eq(ctl_status_number(s.b->run, "m", "generation"), 1);
	stage_end(&s);
}

Test(mqtt_packets, what_is_no_mqtt_ends_the_connection_only)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{"\x32\x02\x00\x09", 4},		 /* a cut topic */
		{"\x32\x04\x00\x00\x00\x01", 6},	 /* no topic */
		{"\x32\x06\x00\x02\xc3\x28\x00\x01", 8}, /* no UTF-8 */
		{"\x32\x06\x00\x02z\x01\x00\x01", 8},	 /* controls */
		{"\x36\x06\x00\x01z\x00\x01x", 8},	 /* QoS 3 */
		{"\x32\xff\xff\xff\xff\x7f", 6},	 /* too long */
		{"\xf0\x00", 2},			 /* AUTH */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		try_bad(bad[i].bytes, bad[i].size);
}

/* Its queue is full, so the kernel drops what asks for a connection. */
Test(mqtt_packets, a_server_that_does_not_accept_takes_four_threads)
{
	struct stage s = stage_create(
		TOPICS ", client_id: supd-m, connect_timeout: 100ms");
	int fds[8];

	cr_assert_eq(listen(s.listener, 0), 0);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		fds[i] = socket(
			AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		connect(fds[i], (struct sockaddr *)&s.address,
			sizeof(s.address));
	}
	run_start(s.b->run);
	run_await_log(s.b->run, 0, "nobody answers within connect_timeout");
	run_await_log(
		s.b->run, 0, "4 earlier tries to connect have not ended yet");
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close(fds[i]);
	stage_end(&s);
}

Test(mqtt_packets, a_broker_that_says_nothing_is_given_up_and_tried_again)
{
	struct stage s = stage_open(SETTINGS);

	run_await_log(s.b->run, 0,
		"the broker does not answer within connect_timeout");
	ctl_await_shown(s.b->run, "m", "channels.0.state", "waiting");
	/* Those that were given up wait in the queue of the socket. */
	for (;;) {
		unsigned char byte;
		struct pollfd p;

		await_readable(s.listener);
		s.fd = accept4(s.listener, NULL, NULL, SOCK_CLOEXEC);
		p = (struct pollfd){.fd = s.fd, .events = POLLRDHUP};
		if (poll(&p, 1, 0) == 0 && recv(s.fd, &byte, 1, MSG_PEEK) == 1)
			break;
		close(s.fd);
	}
	stage_end(&s);
}
