/* WebSocket paths of plugins on the built programs: credit and limits both
 * ways, messages that a plugin may not send, and how a connection ends. Reloads
 * are test_ws_moves.c. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/run.h"
#include "tests/system/harness/ws.h"

TestSuite(ws_paths, .fini = run_fini, .timeout = 180);

#define CREDIT_BYTES (256 * 1024)
#define MANY_BYTES (5 * 64000) /* the last is beyond the credit */

static struct gateway_run *
start(const char *defaults)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-ws", "raw-ws");
	run_plugin(g, "it", "use: raw-ws");
	if (defaults)
		run_defaults(g, defaults);
	run_start(g);
	return g;
}

static long
taken(struct gateway_run *g)
{
	struct answer a = http_get(g->http, "/taken");
	long bytes = atol(a.body);

	answer_finish(&a);
	return bytes;
}

static void
await_taken(struct gateway_run *g, long bytes)
{
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;

	while (taken(g) < bytes)
		cr_assert_lt(clock_ms(), until, "%ld of %ld", taken(g), bytes);
}

static long
counter(struct gateway_run *g, const char *name)
{
	struct ctl *c = ctl_expect(g, 0, "show", "it", NULL);
	char *path = memory_format("counters.%s", name);
	long number = ctl_number(c, path);

	free(path);
	ctl_destroy(c);
	return number;
}

static void
await_counter(struct gateway_run *g, const char *name, long number)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long seen;

	while ((seen = counter(g, name)) != number)
		cr_assert_lt(clock_ms(), until, "%s is %ld, not %ld", name,
			seen, number);
}

/* ---- handshakes ---- */

Test(ws_paths, what_is_no_handshake_is_refused)
{
	struct gateway_run *g = start(NULL);
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /echo HTTP/1.1\r\nHost: x\r\n"
				 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
				 "Sec-WebSocket-Version: 8\r\n\r\n"));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 426);
	cr_expect_str_eq(answer_header(&a, "Sec-WebSocket-Version"), "13");
	answer_finish(&a);
	client_close(&c);
	a = http_get(g->http, "/echo");
	cr_expect_eq(a.status, 426);
	cr_expect_str_eq(answer_header(&a, "Upgrade"), "websocket");
	answer_finish(&a);
	a = http_post(g->http, "/echo", "");
	cr_expect_eq(a.status, 405);
	answer_finish(&a);
	run_end(g);
}

Test(ws_paths, connections_of_a_plugin_have_a_limit)
{
	struct gateway_run *g = start("max_websockets: 2");
	struct ws one, two, three;

	ws_open(&one, g->http, "/echo");
	ws_open(&two, g->http, "/echo");
	ws_ask(&three, g->http, "/echo", NULL);
	cr_expect_eq(three.status, 503);
	cr_expect(strstr(three.head, "Retry-After: 1\r\n"), "%s", three.head);
	ws_leave(&three);
	ws_close(&one);
	await_counter(g, "websocketsOpened", 2);
	ctl_await_number(g, "it", "websockets", 1);
	ws_open(&three, g->http, "/echo");
	ws_close(&two);
	ws_close(&three);
	run_end(g);
}

/* ---- messages ---- */

Test(ws_paths, a_worker_that_gives_no_credit_stops_its_client_alone)
{
	struct gateway_run *g = start(NULL);
	struct ws slow, quick;

	ws_open(&slow, g->http, "/sink");
	for (int i = 0; i < 5; i++)
		cr_assert(ws_say(&slow, "82*64000"));
	await_taken(g, 4 * 64000);
	ws_open(&quick, g->http, "/echo");
	ws_say(&quick, "81:hello");
	ws_expect(&quick, "T(hello)");
	ws_close(&quick);
	cr_expect_leq(taken(g), CREDIT_BYTES + (long)strlen("hello"));
	while (taken(g) < MANY_BYTES)
		cr_assert_eq(http_status(g->http, "/give"), 200);
	ws_close(&slow);
	run_end(g);
}

/* A stopped process reads nothing: what all clients say at once is bounded, and
 * reaches it when it goes on. */
Test(ws_paths, a_worker_that_does_not_read_stops_its_clients)
{
	struct gateway_run *g = start(NULL);
	pid_t pid = (pid_t)ctl_status_number(g, "it", "pid");
	struct ws all[16];
	long sent = 0;

	for (int i = 0; i < 16; i++)
		ws_open(&all[i], g->http, "/echo");
	cr_assert(!kill(pid, SIGSTOP));
	for (int n = 0; n < 2; n++)
		for (int i = 0; i < 16; i++, sent += 64000)
			cr_assert(ws_say(&all[i], "82*64000"));
	ctl_await_number(g, "it", "websockets", 16);
	cr_assert(!kill(pid, SIGCONT));
	await_taken(g, sent);
	for (int i = 0; i < 16; i++) {
		ws_expect(&all[i], "B[64000] B[64000]");
		ws_close(&all[i]);
	}
	run_end(g);
}

Test(ws_paths, a_client_that_does_not_read_stops_its_writer_alone)
{
	struct gateway_run *g = start(NULL);
	struct ws slow, quick;

	ws_open(&slow, g->http, "/echo");
	ws_say(&slow, "81:N4000000");
	ws_open(&quick, g->http, "/echo");
	for (int i = 0; i < 20; i++) {
		ws_say(&quick, "81:hello");
		ws_expect(&quick, "T(hello)");
	}
	ws_close(&quick);
	/* and then it reads all */
	for (int left = 4000000; left > 0;) {
		const char *frame = ws_next(&slow);

		cr_assert(*frame, "%d bytes did not come", left);
		left -= atoi(strchr(frame, '[') ? strchr(frame, '[') + 1 : "0");
	}
	ws_close(&slow);
	run_end(g);
}

Test(ws_paths, a_worker_that_exceeds_its_credit_loses_the_connection)
{
	struct gateway_run *g = start(NULL);
	struct ws w;
	const char *frame;

	ws_open(&w, g->http, "/flood");
	ws_say(&w, "81:8000000");
	await_counter(g, "websocketExcesses", 1);
	do
		frame = ws_next(&w);
	while (frame[0] == 'B');
	cr_expect_str_eq(
		frame, "close(1011 the plugin sent more than it had credit)");
	ws_leave(&w);
	run_end(g);
}

Test(ws_paths, messages_about_no_connection_are_counted_and_ignored)
{
	struct gateway_run *g = start(NULL);
	struct ws w;

	ws_open(&w, g->http, "/stray");
	ws_say(&w, "81:x");
	ws_expect(&w, "T(ok)");
	cr_expect_eq(counter(g, "websocketStrays"), 5);
	ws_close(&w);
	run_end(g);
}

/* ---- ends ---- */

Test(ws_paths, a_client_that_closes_or_leaves_is_reported)
{
	struct gateway_run *g = start(NULL);
	struct ws w;
	struct answer a;

	ws_open(&w, g->http, "/echo");
	ws_say(&w, "88:%0f%a1bye");
	ws_expect(&w, "close(4001 bye)");
	ws_leave(&w);
	ws_open(&w, g->http, "/echo");
	ws_leave(&w);
	ws_open(&w, g->http, "/echo");
	ws_say(&w, "81:%ff");
	ws_expect(&w, "close(1007 the text is not UTF-8)");
	ws_leave(&w);
	ctl_await_number(g, "it", "websockets", 0);
	a = http_get(g->http, "/closed");
	cr_expect_str_eq(a.body, "4001 1006 1007");
	answer_finish(&a);
	run_end(g);
}

Test(ws_paths, a_stopped_plugin_closes_its_connections)
{
	struct gateway_run *g = start(NULL);
	struct ws w, pinned;

	ws_open(&w, g->http, "/echo");
	ws_open(&pinned, g->http, "/pinned");
	ctl_destroy(ctl_expect(g, 0, "stop", "it", NULL));
	cr_expect(!strncmp(ws_next(&w), "close(1012", 10));
	cr_expect(!strncmp(ws_next(&pinned), "close(1012", 10));
	ws_leave(&w);
	ws_leave(&pinned);
	ws_ask(&w, g->http, "/echo", NULL);
	cr_expect_eq(w.status, 503);
	ws_leave(&w);
	run_end(g);
}

Test(ws_paths, a_disabled_plugin_closes_its_connections)
{
	struct gateway_run *g = start(NULL);
	struct ws w;

	ws_open(&w, g->http, "/echo");
	ctl_destroy(ctl_expect(g, 0, "disable", "it", NULL));
	cr_expect(!strncmp(ws_next(&w), "close(1012", 10));
	ws_leave(&w);
	run_end(g);
}

Test(ws_paths, a_stop_of_supd_says_that_it_goes_away)
{
	struct gateway_run *g = start(NULL);
	struct ws w;

	ws_open(&w, g->http, "/echo");
	run_signal(g, SIGTERM);
	cr_expect(!strncmp(ws_next(&w), "close(1001", 10));
	ws_say(&w, "88:%03%e9");
	ws_leave(&w);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}
