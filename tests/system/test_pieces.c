/* Bodies in pieces through a C plugin behind the built programs: in little
 * memory, answered early, given up. With BODY_MIB the big one is of that size.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(pieces, .fini = run_fini, .timeout = 600);

#define MIB ((size_t)1024 * 1024)
#define PIECE_BYTES ((size_t)64 * 1024)

/* Of both processes: windows of up to 1 MiB each way in each, and copies. */
#define GROWTH_MAX_KIB (8 * 1024)

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "pieces", "pieces");
	run_plugin(g, "pieces", "use: pieces");
	run_start(g);
	return g;
}

static struct client
begin(struct gateway_run *g, const char *path, size_t length)
{
	struct client c;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
		path, length));
	return c;
}

/* ---- a big echo ---- */

struct upload {
	struct client *client;
	size_t bytes;
	bool sent;
};

static void *
send_all(void *user)
{
	struct upload *u = user;
	char *piece = memory_alloc(PIECE_BYTES);

	u->sent = true;
	for (size_t i = 0; u->sent && i < u->bytes / PIECE_BYTES; i++)
		u->sent = client_send(u->client, piece, PIECE_BYTES);
	free(piece);
	return NULL;
}

/* The answer's bytes; others are served meanwhile, and at first it does not
 * read at all. Returns the most that supd and worker grew. */
static long
read_echo(struct gateway_run *g, struct client *c, size_t bytes)
{
	static char piece[PIECE_BYTES];
	struct pollfd readable = {.fd = c->fd, .events = POLLIN};
	pid_t worker = (pid_t)ctl_status_number(g, "pieces", "pid");
	long before = process_rss_kib(g->pid) + process_rss_kib(worker),
	     most = 0, now;
	size_t got = 0;
	struct client other;
	struct answer a;

	cr_assert(client_open(&other, g->http));
	for (unsigned i = 0; got < bytes; i++) {
		if (i < 200 || i % 64 == 0) {
			cr_assert(client_post(
				&other, "/pieces/count", "abc", &a));
			cr_expect_eq(a.status, 200);
			answer_finish(&a);
			now = process_rss_kib(g->pid) + process_rss_kib(worker);
			most = now - before > most ? now - before : most;
		}
		if (i < 200)
			continue;
		cr_assert_eq(poll(&readable, 1, HTTP_DEADLINE_MS), 1);
		now = recv(c->fd, piece, sizeof(piece), 0);
		cr_assert_gt(now, 0, "it ends after %zu bytes", got);
		got += (size_t)now;
	}
	client_close(&other);
	return most;
}

Test(pieces, a_big_echo_to_a_slow_reader_takes_little_memory)
{
	const char *mib = getenv("BODY_MIB");
	size_t bytes = (mib ? (size_t)atoi(mib) : 64) * MIB;
	struct gateway_run *g = start();
	struct answer a = http_post(g->http, "/pieces/count", "abc");
	struct client c;
	struct upload upload = {.client = &c, .bytes = bytes};
	pthread_t thread;
	long grown;

	answer_finish(&a);
	c = begin(g, "/pieces/echo", bytes);
	pthread_create(&thread, NULL, send_all, &upload);
	grown = read_echo(g, &c, bytes);
	pthread_join(thread, NULL);
	cr_expect(upload.sent);
	cr_expect_leq(grown, process_worker_growth_max_kib(GROWTH_MAX_KIB),
		"memory grew by %ld KiB", grown);
	client_close(&c);
	run_end(g);
}

/* ---- the other ways that it goes ---- */

Test(pieces, a_piece_is_there_before_the_next_is_sent)
{
	struct gateway_run *g = start();
	struct client c = begin(g, "/pieces/echo", 3);
	char answer[4096] = "";
	size_t length = 0;

	for (int i = 0; i < 3; i++) {
		char letter = (char)('x' + i);

		cr_assert(client_send(&c, &letter, 1));
		while (!length || answer[length - 1] != letter) {
			struct pollfd there = {.fd = c.fd, .events = POLLIN};
			ssize_t n;

			cr_assert_eq(poll(&there, 1, HTTP_DEADLINE_MS), 1);
			n = recv(c.fd, answer + length,
				sizeof(answer) - 1 - length, 0);
			cr_assert_gt(n, 0);
			length += (size_t)n;
		}
	}
	cr_expect(strstr(answer, "\r\n\r\nxyz"), "%s", answer);
	client_close(&c);
	run_end(g);
}

Test(pieces, small_and_large_bodies_are_counted_whole)
{
	struct gateway_run *g = start();
	char *body = memory_alloc(3 * MIB + 1);
	struct answer a;

	memset(body, 'b', 3 * MIB);
	a = http_post(g->http, "/pieces/count", body);
	cr_expect(strstr(a.body, "{\"bytes\":3145728,"), "%s", a.body);
	answer_finish(&a);
	body[5] = 0;
	a = http_post(g->http, "/pieces/later", body);
	cr_expect(strstr(a.body, "{\"bytes\":5,"), "%s", a.body);
	answer_finish(&a);
	a = http_post(g->http, "/pieces/count", "");
	cr_expect(strstr(a.body, "{\"bytes\":0,\"pieces\":1,"), "%s", a.body);
	answer_finish(&a);
	free(body);
	run_end(g);
}

static void
expect_early(const char *path, int status)
{
	struct gateway_run *g = start();
	struct client c = begin(g, path, 1024 * MIB);
	struct answer a;

	cr_assert(client_send(&c, "begun", 5));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, status);
	answer_finish(&a);
	client_close(&c);
	ctl_await_number(g, "pieces", "inFlight", 0);
	run_end(g);
}

Test(pieces, an_answer_may_come_before_the_body_has)
{
	expect_early("/pieces/early", 200);
	expect_early("/pieces/enough", 413);
}

Test(pieces, a_client_that_leaves_cancels)
{
	struct gateway_run *g = start();
	struct client c = begin(g, "/pieces/echo", MIB);
	char byte;

	cr_assert(client_send(&c, "abc", 3));
	cr_assert_eq(recv(c.fd, &byte, 1, 0), 1);
	client_close(&c);
	run_await_log(g, 0, "the echo was cancelled");
	c = begin(g, "/pieces/count", MIB);
	ctl_await_number(g, "pieces", "inFlight", 1);
	client_close(&c);
	run_await_log(g, 0, "a body was lost");
	ctl_await_number(g, "pieces", "inFlight", 0);
	run_end(g);
}

Test(pieces, a_reload_lets_a_stream_under_way_finish)
{
	struct gateway_run *g = start();
	struct client c = begin(g, "/pieces/count", 6);
	struct answer a;

	cr_assert(client_send(&c, "abc", 3));
	ctl_await_number(g, "pieces", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "pieces", NULL));
	cr_assert(client_send(&c, "def", 3));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect(strstr(a.body, "{\"bytes\":6,"), "%s", a.body);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* ---- what is not paid for, and what the wire cannot carry ---- */

Test(pieces, a_writer_without_a_handler_for_cancels_is_told_by_its_own)
{
	struct gateway_run *g = start();
	struct client c;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /pieces/flood HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "pieces", "inFlight", 1);
	client_close(&c);
	run_await_log(g, 0, "the flood ended");
	ctl_await_number(g, "pieces", "inFlight", 0);
	run_end(g);
}

static void
expect_call(struct gateway_run *g, const char *tool, unsigned depth,
	const char *answer)
{
	char json[128] = "", *args;
	struct ctl *c;

	memset(json, '[', depth);
	memset(json + depth, ']', depth);
	args = memory_format("{\"data\": \"%s\"}", json);
	c = ctl_run(g, "call", "tool", tool, args, NULL);
	cr_expect(strstr(c->out, answer) || strstr(c->err, answer),
		"%s of %u: %s%s", tool, depth, c->out, c->err);
	ctl_destroy(c);
	free(args);
}

Test(pieces, what_is_nested_too_deeply_is_refused_before_it_is_sent)
{
	struct gateway_run *g = start();
	long pid = ctl_status_number(g, "pieces", "pid");

	expect_call(g, "value", 28, "[[");
	expect_call(g, "value", 29, "nested");
	expect_call(g, "value", 32, "nested");
	expect_call(g, "value", 60, "nested");
	expect_call(g, "format", 1, "nested");
	expect_call(g, "emit", 30, "0");
	expect_call(g, "emit", 31, "-1");
	expect_call(g, "ask", 31, "-1");
	cr_expect_eq(ctl_status_number(g, "pieces", "pid"), pid);
	run_end(g);
}

Test(pieces, the_text_of_an_error_arrives_whatever_bytes_it_has)
{
	struct gateway_run *g = start();

	expect_call(g, "fail-badly", 1, "not \xef\xbf\xbd text, but ");
	run_end(g);
}
