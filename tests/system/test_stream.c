/* Bodies in pieces on the built programs: under credit both ways, given up on
 * either side, answered early, cut at a deadline. With BODY_MIB the big one is
 * of that size. */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(stream, .fini = run_fini, .timeout = 600);

#define KIB 1024
#define MIB (1024 * KIB)
#define PIECE_BYTES (64 * KIB)

#define GROWTH_MAX_KIB (6 * KIB)

static struct gateway_run *
start_streams(const char *defaults)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-stream", "stream");
	run_plugin(g, "stream", "use: stream");
	if (defaults)
		run_defaults(g, defaults);
	run_start(g);
	return g;
}

static struct client
begin(struct gateway_run *g, const char *head)
{
	struct client c;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "%s\r\nHost: x\r\n\r\n", head));
	return c;
}

/* A number that the plugin counts. */
static long
plugin_counts(struct gateway_run *g, const char *key)
{
	struct answer a = http_get(g->http, "/stream");
	char *quoted = memory_format("\"%s\": ", key);
	long count;

	cr_assert_eq(a.status, 200);
	count = answer_number(&a, quoted);
	answer_finish(&a);
	free(quoted);
	return count;
}

static void
await_count(struct gateway_run *g, const char *key, long count)
{
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;

	while (plugin_counts(g, key) != count)
		cr_assert_lt(clock_ms(), until, "%s is never %ld", key, count);
}

/* ---- a big body to a slow reader ---- */

struct upload {
	struct client *client;
	size_t pieces;
	bool sent;
};

/* Its own thread: the client that reads is slow, this one is not. */
static void *
send_pieces(void *user)
{
	struct upload *u = user;
	char *piece = memory_alloc(PIECE_BYTES + 2);

	memset(piece, 'u', PIECE_BYTES);
	memcpy(piece + PIECE_BYTES, "\r\n", 2);
	for (size_t i = 0; i < u->pieces; i++)
		if (!client_say(u->client, "%x\r\n", PIECE_BYTES) ||
			!client_send(u->client, piece, PIECE_BYTES + 2))
			break;
	u->sent = client_say(u->client, "0\r\n\r\n");
	free(piece);
	return NULL;
}

/* Counts the bytes of a chunked body as they come. */
struct count {
	uint64_t bytes, left;
	int state; /* 0 a digit, 1 a LF, 2 data, 3 CR LF after it, 4 over */
};

static void
count_chunks(struct count *n, const char *at, size_t size)
{
	for (; size && n->state != 4; at++, size--) {
		if (n->state == 0 && *at != '\r') {
			n->left = n->left * 16 +
				  (uint64_t)(*at <= '9' ? *at - '0'
							: *at - 'a' + 10);
		} else if (n->state == 0) {
			n->state = 1;
		} else if (n->state == 1) {
			n->state = n->left ? 2 : 4;
		} else if (n->state == 2) {
			size_t take = n->left < size ? (size_t)n->left : size;

			n->bytes += take;
			n->left -= take;
			at += take - 1;
			size -= take - 1;
			n->state = n->left ? 2 : 3;
		} else if (*at == '\n') {
			n->state = 0;
		}
	}
}

/* Between any two reads of the slow one another client is served, so its pace
 * is theirs. Returns the most that supd and worker grew. */
static long
read_slowly(struct gateway_run *g, struct client *slow, uint64_t bytes)
{
	static char piece[PIECE_BYTES];
	struct pollfd readable = {.fd = slow->fd, .events = POLLIN};
	struct count count = {0};
	struct client other;
	long worker = plugin_counts(g, "pid"), before, most = 0;
	struct answer a;

	cr_assert(client_open(&other, g->http));
	before = process_rss_kib(g->pid) + process_rss_kib((pid_t)worker);
	for (unsigned i = 0; count.state != 4; i++) {
		uint64_t began = clock_ms();
		ssize_t n;

		cr_assert(client_get(&other, "/stream", &a), "other client");
		cr_expect_eq(a.status, 200);
		cr_expect_lt(clock_ms() - began, 2000);
		answer_finish(&a);
		if (i % 64 == 0) {
			long now = process_rss_kib(g->pid) +
				   process_rss_kib((pid_t)worker);

			most = now - before > most ? now - before : most;
		}
		if (i < 200) /* at first the reader does not read at all */
			continue;
		cr_assert_eq(poll(&readable, 1, HTTP_DEADLINE_MS), 1);
		n = recv(slow->fd, piece, sizeof(piece), 0);
		cr_assert_gt(n, 0, "the stream ends after %llu bytes",
			(unsigned long long)count.bytes);
		count_chunks(&count, piece, (size_t)n);
	}
	cr_expect_eq(count.bytes, bytes);
	client_close(&other);
	return most;
}

Test(stream, a_big_body_to_a_slow_reader_takes_little_memory_and_delays_nobody)
{
	const char *mib = getenv("BODY_MIB");
	size_t pieces = (mib ? (size_t)atoi(mib) : 64) * (MIB / PIECE_BYTES);
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "POST /stream/echo HTTP/1.1\r\n"
				   "Transfer-Encoding: chunked");
	struct upload upload = {.client = &c, .pieces = pieces};
	struct buffer head = {0};
	pthread_t thread;
	char byte;
	long grown;

	pthread_create(&thread, NULL, send_pieces, &upload);
	while (buffer_length(&head) < 4 ||
		memcmp(buffer_bytes(&head) + buffer_length(&head) - 4,
			"\r\n\r\n", 4)) {
		cr_assert_eq(recv(c.fd, &byte, 1, 0), 1);
		buffer_append(&head, &byte, 1);
	}
	grown = read_slowly(g, &c, (uint64_t)pieces * PIECE_BYTES);
	pthread_join(thread, NULL);
	cr_expect(upload.sent);
	cr_expect_leq(grown, process_growth_max_kib(GROWTH_MAX_KIB),
		"memory grew by %ld KiB", grown);
	buffer_finish(&head);
	client_close(&c);
	run_end(g);
}

/* ---- what a streamed answer is ---- */

Test(stream, an_answer_goes_on_whatever_its_first_piece_is)
{
	struct gateway_run *g = start_streams(NULL);

	for (int i = 0; i < 2; i++) {
		char path[32];
		struct answer a;

		snprintf(path, sizeof(path), "/stream/shape?%d", i);
		a = http_get(g->http, path);
		cr_expect_eq(a.status, 200);
		cr_expect_str_eq(a.body, "hello", "%d: %s", i, a.body);
		answer_finish(&a);
	}
	run_end(g);
}

Test(stream, the_result_of_a_tool_never_goes_on)
{
	struct gateway_run *g = start_streams(NULL);

	ctl_destroy(ctl_run(g, "call", "stream.shape", NULL));
	cr_expect_eq(ctl_status_number(g, "stream", "inFlight"), 0);
	run_end(g);
}

/* ---- who breaks the rules of credit ---- */

Test(stream, a_worker_that_grants_much_and_reads_nothing_is_bounded)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "POST /stream/greedy HTTP/1.1\r\n"
				   "Content-Length: 1073741824");
	char *piece = memory_alloc(MIB);
	long before = process_rss_kib(g->pid);
	struct pollfd writable = {.fd = c.fd, .events = POLLOUT};
	size_t sent = 0;

	/* Until nothing is taken for a second. */
	while (sent < 64 * MIB && poll(&writable, 1, 1000) == 1) {
		ssize_t n = send(c.fd, piece, MIB, MSG_DONTWAIT | MSG_NOSIGNAL);

		cr_assert_gt(n, 0);
		sent += (size_t)n;
	}
	cr_expect_lt(sent, 64 * MIB, "all was taken");
	cr_expect_leq(process_rss_kib(g->pid) - before,
		process_growth_max_kib(GROWTH_MAX_KIB));
	client_close(&c);
	free(piece);
	run_end(g);
}

Test(stream, a_worker_that_sends_without_credit_is_cut_and_others_served)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "GET /stream/flood HTTP/1.1");
	struct answer a = {0};

	await_count(g, "cancelled", 1);
	cr_expect_not(client_read(&c, &a, false, HTTP_DEADLINE_MS),
		"it looks complete");
	answer_finish(&a);
	client_close(&c);
	ctl_await_state(g, "stream", "serving");
	run_end(g);
}

/* ---- event streams ---- */

Test(stream, an_event_is_there_as_soon_as_it_is_sent)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "GET /stream/events HTTP/1.1");
	struct buffer all = {0};
	struct answer a;

	cr_expect(client_read_until(&c, &all, ": hello\n\n"));
	for (int i = 0; i < 20; i++) {
		char *event = memory_format("event %d;", i);

		a = http_post(g->http, "/stream/emit", event);
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
		buffer_clear(&all);
		cr_expect(client_read_until(&c, &all, event), "%s", event);
		free(event);
	}
	a = http_post(g->http, "/stream/finish", "");
	answer_finish(&a);
	buffer_clear(&all);
	cr_expect(client_read_until(&c, &all, "0\r\n\r\n"));
	/* The connection goes on. */
	cr_assert(client_get(&c, "/stream", &a));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	buffer_finish(&all);
	client_close(&c);
	run_end(g);
}

Test(stream, an_event_stream_that_is_cut_says_so)
{
	static const char *const heads[] = {
		"GET /stream/events HTTP/1.1", "GET /stream/events HTTP/1.0"};

	for (int i = 0; i < 2; i++) {
		struct gateway_run *g = start_streams(
			"drain_timeout: 100ms, stream_drain: 200ms");
		struct client c = begin(g, heads[i]);
		struct buffer all = {0};

		cr_expect(client_read_until(&c, &all, ": hello\n\n"));
		ctl_destroy(ctl_expect(g, 0, "reload", "stream", NULL));
		cr_expect(client_read_until(&c, &all, "event: truncated\n"),
			"%s", heads[i]);
		buffer_finish(&all);
		client_close(&c);
		run_end(g);
	}
}

/* ---- cut at a deadline ---- */

Test(stream, other_answers_that_are_cut_are_not_complete)
{
	struct gateway_run *g =
		start_streams("drain_timeout: 100ms, stream_drain: 200ms");
	struct client c = begin(g, "POST /stream/echo HTTP/1.1\r\n"
				   "Content-Length: 2000000");
	char *body = memory_alloc(200000);
	struct buffer all = {0};

	cr_assert(client_send(&c, body, 200000));
	cr_expect(client_read_until(&c, &all, "\r\n\r\n"));
	ctl_destroy(ctl_expect(g, 0, "reload", "stream", NULL));
	cr_expect_not(client_read_until(&c, &all, "\r\n0\r\n\r\n"));
	free(body);
	buffer_finish(&all);
	client_close(&c);
	run_end(g);
}

Test(stream, without_a_head_it_is_504)
{
	struct gateway_run *g = start_streams("request_timeout: 300ms");
	struct client c = begin(g, "POST /stream/stall HTTP/1.1\r\n"
				   "Content-Length: 200000");
	char *body = memory_alloc(200000);
	struct answer a;

	cr_assert(client_send(&c, body, 200000));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 504, "%d %s", a.status, a.body);
	answer_finish(&a);
	await_count(g, "cancelled", 1);
	await_count(g, "streams", 0);
	free(body);
	client_close(&c);
	run_end(g);
}

/* ---- early answers ---- */

Test(stream, an_early_answer_leaves_the_connection_to_the_next_request)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "POST /stream/early HTTP/1.1\r\n"
				   "Content-Length: 100000");
	char *body = memory_alloc(100000);
	struct answer a;

	cr_assert(client_send(&c, body, 70000));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "early\n");
	cr_expect_not(a.closes);
	answer_finish(&a);
	cr_assert(client_send(&c, body, 30000));
	cr_assert(client_get(&c, "/stream", &a));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	free(body);
	client_close(&c);
	run_end(g);
}

Test(stream, an_early_answer_to_too_large_a_rest_closes_the_connection)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "POST /stream/early HTTP/1.1\r\n"
				   "Content-Length: 8000000");
	char *body = memory_alloc(70000);
	struct answer a;

	cr_assert(client_send(&c, body, 70000));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "early\n");
	cr_expect(a.closes);
	answer_finish(&a);
	cr_expect(client_sees_close(&c, HTTP_DEADLINE_MS));
	free(body);
	client_close(&c);
	run_end(g);
}

/* ---- clients that leave ---- */

Test(stream, a_client_that_leaves_during_its_body_cancels)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "POST /stream/stall HTTP/1.1\r\n"
				   "Content-Length: 2000000");
	char *body = memory_alloc(100000);

	cr_assert(client_send(&c, body, 100000));
	await_count(g, "streams", 1);
	client_close(&c);
	await_count(g, "cancelled", 1);
	await_count(g, "streams", 0);
	ctl_await_number(g, "stream", "inFlight", 0);
	free(body);
	run_end(g);
}

Test(stream, a_client_that_leaves_while_nothing_of_its_body_is_taken_cancels)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "POST /stream/stall HTTP/1.1\r\n"
				   "Content-Length: 2000000");
	struct pollfd writable = {.fd = c.fd, .events = POLLOUT};
	char *body = memory_alloc(100000);

	while (poll(&writable, 1, 300) == 1)
		cr_assert_gt(
			send(c.fd, body, 100000, MSG_DONTWAIT | MSG_NOSIGNAL),
			0);
	client_close(&c);
	await_count(g, "cancelled", 1);
	free(body);
	run_end(g);
}

Test(stream, a_client_that_leaves_during_the_answer_cancels)
{
	static const char *const heads[] = {
		"GET /stream/endless HTTP/1.1", "GET /stream/events HTTP/1.1"};
	struct gateway_run *g = start_streams(NULL);

	for (int i = 0; i < 2; i++) {
		struct client c = begin(g, heads[i]);
		struct buffer all = {0};

		cr_expect(client_read_until(&c, &all, "\r\n\r\n"));
		client_close(&c);
		await_count(g, "cancelled", i + 1);
		buffer_finish(&all);
	}
	await_count(g, "streams", 0);
	ctl_await_number(g, "stream", "inFlight", 0);
	run_end(g);
}

Test(stream, head_of_an_endless_answer_is_its_head_alone)
{
	struct gateway_run *g = start_streams(NULL);
	struct client c = begin(g, "HEAD /stream/endless HTTP/1.1");
	struct answer a;

	cr_assert(client_read(&c, &a, true, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	await_count(g, "cancelled", 1);
	cr_assert(client_get(&c, "/stream", &a));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* ---- expectations ---- */

Test(stream, a_body_is_asked_for_only_when_somebody_takes_it)
{
	static const struct {
		const char *path, *expect;
		int status;
	} rows[] = {{"/stream/echo", "100-continue", 100},
		{"/nothing", "100-continue", 404},
		{"/stream", "100-continue", 405},
		{"/api/plugins/reload", "100-continue", 401},
		{"/stream/echo", "tea", 417}};
	struct gateway_run *g = start_streams(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *head = memory_format("POST %s HTTP/1.1\r\n"
					   "Content-Length: 4\r\n"
					   "Expect: %s",
			rows[i].path, rows[i].expect);
		struct client c = begin(g, head);
		struct buffer all = {0};
		int status;

		cr_expect(client_read_until(&c, &all, "\r\n\r\n"));
		status = atoi((char *)buffer_bytes(&all) + 9);
		cr_expect_eq(
			status, rows[i].status, "%s: %d", rows[i].path, status);
		if (status == 100) {
			cr_assert(client_say(&c, "body"));
			cr_expect(client_read_until(&c, &all, "0\r\n\r\n"));
		}
		buffer_finish(&all);
		client_close(&c);
		free(head);
	}
	ctl_destroy(ctl_expect(g, 0, "stop", "stream", NULL));
	{
		struct client c = begin(g, "POST /stream/echo HTTP/1.1\r\n"
					   "Content-Length: 4\r\n"
					   "Expect: 100-continue");
		struct answer a;

		cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
		cr_expect_eq(a.status, 503);
		answer_finish(&a);
		client_close(&c);
	}
	run_end(g);
}
