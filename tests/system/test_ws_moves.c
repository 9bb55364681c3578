/* Open WebSocket connections over reloads, crashes and restarts. */
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

TestSuite(ws_moves, .fini = run_fini, .timeout = 300);

#define MANY 200
#define RELOADS 20

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-ws", "raw-ws");
	run_plugin(g, "it", "use: raw-ws, settings: {%s}", settings);
	run_start(g);
	return g;
}

static void
reload(struct gateway_run *g)
{
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
}

static void
expect_close(struct ws *w, const char *code)
{
	const char *frame = ws_next(w);

	cr_expect(!strncmp(frame, code, strlen(code)), "%s", frame);
	ws_leave(w);
}

static void
kill_worker(struct gateway_run *g)
{
	cr_assert(!kill((pid_t)ctl_status_number(g, "it", "pid"), SIGKILL));
}

/* ---- moves ---- */

/* Says a number in each frame without waiting for the answers, reloads in
 * between, and counts what comes back. */
Test(ws_moves, no_message_is_lost_or_doubled_over_twenty_reloads)
{
	struct gateway_run *g = start("");
	unsigned said = 0, heard = 0, moves = 0;
	struct ws w;
	char text[32];

	ws_open(&w, g->http, "/echo");
	for (int i = 0; i < RELOADS; i++) {
		static const char *const reload_it[] = {"reload", "it", NULL};
		struct ctl *c;

		for (int n = 0; n < 20; n++) {
			snprintf(text, sizeof(text), "81:m%u", said++);
			ws_say(&w, text);
		}
		c = ctl_begin(g, 0, reload_it);
		for (int n = 0; n < 20; n++) {
			snprintf(text, sizeof(text), "81:m%u", said++);
			ws_say(&w, text);
		}
		ctl_wait(c);
		cr_assert_eq(c->exit_code, 0, "%s", c->err);
		ctl_destroy(c);
	}
	while (heard < said) {
		const char *frame = ws_next(&w);

		snprintf(text, sizeof(text), "T(m%u)", heard);
		if (!strncmp(frame, "T(moved move ", 13)) {
			/* each worker has echoed what its blob says */
			cr_assert_eq(
				(unsigned)atoi(frame + 13), heard, "%s", frame);
			moves++;
		} else {
			cr_assert_str_eq(frame, text);
			heard++;
		}
	}
	cr_expect_gt(moves, 0);
	ws_say(&w, "88:%03%e8"); /* the last move may still be under way */
	while (ws_next(&w)[0] == 'T')
		;
	ws_leave(&w);
	run_end(g);
}

Test(ws_moves, many_connections_move_together)
{
	struct gateway_run *g = start("");
	struct ws *all = memory_alloc(MANY * sizeof(*all));

	for (int i = 0; i < MANY; i++)
		ws_open(&all[i], g->http, "/echo");
	reload(g);
	for (int i = 0; i < MANY; i++) {
		ws_say(&all[i], "81:gen");
		ws_expect(&all[i], "T(moved move 0) T(2)");
	}
	ctl_await_number(g, "it", "websockets", MANY);
	for (int i = 0; i < MANY; i++)
		ws_close(&all[i]);
	free(all);
	run_end(g);
}

Test(ws_moves, a_worker_that_does_not_answer_hands_over_nothing)
{
	struct gateway_run *g = start("move: hang, until: 1");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	reload(g);
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(moved move -) T(2)");
	ws_close(&w);
	run_end(g);
}

Test(ws_moves, what_is_too_large_or_an_error_is_not_handed_over)
{
	static const char *const settings[] = {
		"move: large", "move: error", "move: nil"};

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		struct gateway_run *g = start(settings[i]);
		struct ws w;

		ws_open(&w, g->http, "/echo");
		reload(g);
		ws_expect(&w, "T(moved move -)");
		ws_close(&w);
		run_end(g);
	}
}

Test(ws_moves, a_refusal_by_the_new_version_closes)
{
	struct gateway_run *g = start("open: refuse");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	reload(g);
	expect_close(&w, "close(1012");
	run_end(g);
}

Test(ws_moves, a_route_that_is_gone_closes)
{
	struct gateway_run *g = start("without: true, from: 2");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	reload(g);
	expect_close(&w, "close(1012");
	cr_expect_eq(http_status(g->http, "/echo"), 404);
	run_end(g);
}

/* Until the worker has taken a part of a message. */
static void
await_half(struct gateway_run *g)
{
	bool some = false;

	while (!some) {
		struct answer a = http_get(g->http, "/taken");

		cr_assert_eq(a.status, 200);
		some = atol(a.body) > 0;
		answer_finish(&a);
	}
}

Test(ws_moves, half_a_message_closes)
{
	struct gateway_run *g = start("move: half");
	struct ws from_client, from_worker;

	ws_open(&from_client, g->http, "/echo");
	ws_open(&from_worker, g->http, "/echo");
	ws_say(&from_client, "01*100000");
	ws_say(&from_worker, "01:half");
	await_half(g);
	reload(g);
	expect_close(&from_client, "close(1012 a message was cut by a reload)");
	ws_expect(&from_worker, "T+(half)");
	expect_close(&from_worker, "close(1012 a message was cut by a reload)");
	run_end(g);
}

/* A message that is short enough to be kept until it is whole. */
Test(ws_moves, fragments_that_were_not_passed_on_go_to_the_new_worker)
{
	struct gateway_run *g = start("");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	ws_say(&w, "01:one");
	ws_say(&w, "89:there");
	ws_expect(&w, "pong(there)");
	reload(g);
	ws_say(&w, "80:two");
	ws_expect(&w, "T(moved move 0) T(onetwo)");
	ws_close(&w);
	run_end(g);
}

/* ---- pinned ---- */

Test(ws_moves, a_pinned_connection_ends_with_stream_drain)
{
	struct gateway_run *g = run_create();
	struct ws w;

	run_package(g, "raw-ws", "raw-ws");
	run_plugin(g, "it", "use: raw-ws");
	run_defaults(g, "drain_timeout: 100ms, stream_drain: 1s");
	run_start(g);
	ws_open(&w, g->http, "/pinned");
	reload(g);
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(1)");
	expect_close(&w, "close(1012");
	run_end(g);
}

Test(ws_moves, the_old_worker_is_kept_for_a_pinned_connection)
{
	struct gateway_run *g = start("");
	struct ws w;
	struct ctl *c;

	ws_open(&w, g->http, "/pinned");
	reload(g);
	reload(g);
	c = ctl_expect(g, 0, "show", "it", NULL);
	cr_expect_eq(ctl_number(c, "websockets"), 1, "%s", c->out);
	ctl_destroy(c);
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(1)");
	ws_close(&w);
	ctl_await_number(g, "it", "websockets", 0);
	run_end(g);
}

Test(ws_moves, too_many_old_workers_end_the_oldest_connections)
{
	struct gateway_run *g = run_create();
	struct ws first, second;

	run_package(g, "raw-ws", "raw-ws");
	run_plugin(g, "it", "use: raw-ws");
	run_defaults(g, "max_retiring: 1");
	run_start(g);
	ws_open(&first, g->http, "/pinned");
	reload(g);
	ws_open(&second, g->http, "/pinned");
	reload(g);
	expect_close(&first, "close(1012 the worker that has it is stopped)");
	ws_say(&second, "81:gen");
	ws_expect(&second, "T(2)");
	ws_close(&second);
	run_end(g);
}

/* ---- crashes ---- */

Test(ws_moves, after_a_crash_the_successor_opens_it)
{
	struct gateway_run *g = start("");
	struct ws w, pinned;

	ws_open(&w, g->http, "/echo");
	ws_open(&pinned, g->http, "/pinned");
	kill_worker(g);
	ws_expect(&w, "T(moved crash -)");
	ws_expect(&pinned, "T(moved crash -)");
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(2)");
	ws_close(&w);
	ws_close(&pinned);
	run_end(g);
}

Test(ws_moves, after_a_crash_half_a_message_closes)
{
	struct gateway_run *g = start("");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	ws_say(&w, "01*100000");
	await_half(g);
	kill_worker(g);
	expect_close(
		&w, "close(1012 a message was cut by the end of its worker)");
	run_end(g);
}

Test(ws_moves, a_worker_that_dies_while_it_is_asked_has_crashed)
{
	struct gateway_run *g = start("move: die");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	reload(g);
	ws_expect(&w, "T(moved crash -)");
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(2)");
	ws_close(&w);
	run_end(g);
}

Test(ws_moves, a_new_worker_that_dies_at_it_is_reverted)
{
	struct gateway_run *g = start("open: die, from: 2");
	struct ws w;

	ws_open(&w, g->http, "/echo");
	reload(g);
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(moved move 0) T(1)");
	ws_close(&w);
	run_end(g);
}

Test(ws_moves, a_revert_brings_it_back)
{
	struct gateway_run *g = run_create();
	struct ws w;

	run_package(g, "raw-ws", "raw-ws");
	run_plugin(g, "it", "use: raw-ws, probation: 60s");
	run_start(g);
	ws_open(&w, g->http, "/echo");
	reload(g);
	ws_expect(&w, "T(moved move 0)");
	kill_worker(g);
	ws_expect(&w, "T(moved crash -)");
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(1)");
	ws_close(&w);
	run_end(g);
}

Test(ws_moves, a_restart_moves_it)
{
	struct gateway_run *g = start("");
	struct ws w, pinned;

	ws_open(&w, g->http, "/echo");
	ws_open(&pinned, g->http, "/pinned");
	ctl_destroy(ctl_expect(g, 0, "restart", "it", NULL));
	ws_say(&w, "81:gen");
	ws_expect(&w, "T(moved move 0) T(2)");
	expect_close(&pinned, "close(1012");
	ws_close(&w);
	run_end(g);
}

Test(ws_moves, a_connection_waits_no_longer_than_hold_timeout)
{
	struct gateway_run *g = run_create();
	struct ws w;

	run_package(g, "raw-ws", "raw-ws");
	run_plugin(g, "it", "use: raw-ws, settings: {ready: never, from: 2}");
	run_defaults(g, "hold_timeout: 500ms");
	run_start(g);
	ws_open(&w, g->http, "/echo");
	kill_worker(g);
	expect_close(&w, "close(1012");
	run_end(g);
}

/* The plugin is given up: nobody will have them. */
Test(ws_moves, nobody_is_kept_waiting_for_a_plugin_that_failed)
{
	struct gateway_run *g = start("open: die");
	struct ws w;

	run_announce(g, "plugin failed");
	ws_open(&w, g->http, "/echo");
	kill_worker(g);
	expect_close(&w, "close(1012");
	run_end(g);
}
