/* Requests in flight on the built programs: at a swap, at a crash, when there
 * is no worker, when there are too many. Each is answered exactly once. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/deadline.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/run.h"

TestSuite(flight, .fini = run_fini, .timeout = 200);

#define IN_FLIGHT 10

static struct gateway_run *
start_fault(const char *mode, const char *settings, const char *defaults)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_fault(g, "fault", mode, settings);
	if (defaults)
		run_defaults(g, defaults);
	run_start(g);
	return g;
}

static void
ask_all(struct gateway_run *g, struct client *clients, int count,
	const char *path)
{
	for (int i = 0; i < count; i++) {
		cr_assert(client_open(&clients[i], g->http));
		cr_assert(client_say(&clients[i],
			"GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path));
	}
}

static struct answer
read_one(struct client *c)
{
	struct answer a;

	cr_assert(client_read(c, &a, false, HTTP_DEADLINE_MS), "no answer");
	return a;
}

static bool
has_input(struct client *c)
{
	struct pollfd readable = {.fd = c->fd, .events = POLLIN};

	return poll(&readable, 1, 0) > 0;
}

/* ---- at a swap ---- */

Test(flight, requests_at_the_swap_are_answered_by_the_generation_that_took_them)
{
	struct gateway_run *g = start_fault("", "", NULL);
	struct client clients[IN_FLIGHT];
	int old = http_pid(g->http, "/fault");
	char *slow = memory_format("/fault/slow?%d", DEADLINE_MS(1500));
	struct ctl *c;

	ask_all(g, clients, IN_FLIGHT, slow);
	ctl_await_number(g, "fault", "inFlight", IN_FLIGHT);
	c = ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL);
	cr_expect_eq(ctl_number(c, "drained"), IN_FLIGHT);
	cr_expect_eq(ctl_number(c, "aborted"), 0);
	for (int i = 0; i < IN_FLIGHT; i++) {
		struct answer a = read_one(&clients[i]);

		cr_expect_eq(a.status, 200);
		cr_expect_eq(answer_pid(&a), old);
		answer_finish(&a);
		/* The connection outlives the generation. */
		cr_expect(client_get(&clients[i], "/fault", &a));
		cr_expect_eq(answer_pid(&a), ctl_number(c, "pid"));
		answer_finish(&a);
		client_close(&clients[i]);
	}
	ctl_destroy(c);
	free(slow);
	run_end(g);
}

Test(flight, clients_that_leave_are_not_counted_as_aborted_nor_streams_that_end)
{
	static const char *const args[] = {
		"reload", "--wait", "settled", "fault", NULL};
	struct gateway_run *g = start_fault("", "", NULL);
	struct client clients[3], stream;
	size_t mark = capture_length(&g->log);
	struct answer a;
	struct ctl *c;

	ask_all(g, clients, 3, "/fault/slow?6000");
	ask_all(g, &stream, 1, "/fault/stream?4096");
	ctl_await_number(g, "fault", "inFlight", 4);
	c = ctl_begin(g, 0, args);
	run_await_log(g, mark, "->draining");
	client_close(&clients[0]);
	a = read_one(&stream);
	cr_expect_eq(a.body_bytes, 4096 * 1024);
	answer_finish(&a);
	client_close(&stream);
	for (int i = 1; i < 3; i++) {
		a = read_one(&clients[i]);
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
		client_close(&clients[i]);
	}
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0);
	cr_expect_eq(ctl_number(c, "drained"), 3, "%s", c->out);
	cr_expect_eq(ctl_number(c, "aborted"), 0, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* Each of them takes what its kernel takes, and no more. */
Test(flight, clients_that_do_not_read_take_no_place_from_others)
{
	enum { READERS = 8 };
	struct gateway_run *g = start_fault(
		"", "", "max_in_flight: 2, hold_max: 100, hold_timeout: 20s");
	struct client clients[READERS];
	struct answer a;

	ask_all(g, clients, READERS, "/fault/stream?16384");
	ctl_await_number(g, "fault", "inFlight", READERS);
	for (int i = 0; i < 20; i++)
		cr_expect_eq(http_status(g->http, "/fault"), 200);
	/* They lost nothing by it. */
	a = read_one(&clients[READERS - 1]);
	cr_expect_eq(a.body_bytes, 16384 * 1024);
	answer_finish(&a);
	for (int i = 0; i < READERS; i++)
		client_close(&clients[i]);
	run_end(g);
}

Test(flight, a_long_request_does_not_delay_another_plugins_reload)
{
	struct gateway_run *g = run_create();
	struct client client;
	struct answer a;

	run_add_bench(g);
	run_add_fault(g);
	run_start(g);
	ask_all(g, &client, 1, "/fault/slow?3000");
	ctl_await_number(g, "fault", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "bench", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect(!has_input(&client), "the long one was not let be");
	a = read_one(&client);
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	client_close(&client);
	run_end(g);
}

Test(flight, force_ends_them_with_a_notice)
{
	struct gateway_run *g = start_fault("", "", "probation: 100ms");
	struct client clients[3];
	struct ctl *c;

	ask_all(g, clients, 3, "/fault/slow?60000");
	ctl_await_number(g, "fault", "inFlight", 3);
	c = ctl_expect(
		g, 0, "reload", "--force", "--wait", "settled", "fault", NULL);
	cr_expect_eq(ctl_number(c, "aborted"), 3);
	cr_expect_eq(ctl_number(c, "drained"), 0);
	ctl_destroy(c);
	for (int i = 0; i < 3; i++) {
		struct answer a = read_one(&clients[i]);

		cr_expect_eq(a.status, 504);
		cr_expect(strstr(a.body, "forced reload"), "%s", a.body);
		answer_finish(&a);
		client_close(&clients[i]);
	}
	run_end(g);
}

Test(flight, the_drain_deadline_ends_what_is_left)
{
	struct gateway_run *g =
		start_fault("", "", "probation: 100ms, drain_timeout: 400ms");
	struct client client;
	struct answer a;
	struct ctl *c;

	ask_all(g, &client, 1, "/fault/slow?60000");
	ctl_await_number(g, "fault", "inFlight", 1);
	c = ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL);
	cr_expect_eq(ctl_number(c, "aborted"), 1);
	ctl_destroy(c);
	a = read_one(&client);
	cr_expect_eq(a.status, 504);
	answer_finish(&a);
	client_close(&client);
	run_end(g);
}

Test(flight, a_plugin_that_asks_for_its_own_reload_gets_its_answer)
{
	struct gateway_run *g = start_fault("", "", NULL);

	for (int i = 0; i < 3; i++) {
		int old = http_pid(g->http, "/fault");
		struct answer a = http_get(g->http, "/fault/reload");

		cr_expect_eq(a.status, 200, "%s", a.body);
		cr_expect(strstr(a.body, "\"success\":"), "%s", a.body);
		cr_expect_eq(answer_number(&a, "\"previousPid\":"), old);
		cr_expect_neq(http_pid(g->http, "/fault"), old);
		answer_finish(&a);
	}
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 4);
	run_end(g);
}

/* ---- when the new one goes down in its probation ---- */

Test(flight, exit_after_swap_goes_back_to_the_old_pid_without_a_lost_get)
{
	struct gateway_run *g = start_fault("", "", "probation: 20s");
	struct load load = {0};
	int old = http_pid(g->http, "/fault");
	struct ctl *c;
	char *state;
	size_t mark = capture_length(&g->log);

	load_start(&load, g->http, "/fault", NULL);
	run_fault(g, "fault", "exit_after_swap", "exit_after_ms: 400");
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	cr_expect_neq(ctl_number(c, "pid"), old);
	ctl_destroy(c);
	run_await_log(g, mark, " reverted: ");
	load_await(&load, 20);
	cr_expect_eq(http_pid(g->http, "/fault"), old);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 2);
	state = ctl_status_text(g, "fault", "lastReload.state");
	cr_expect_str_eq(state, "reverted");
	free(state);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	/* The same command works once the cause is gone. */
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_neq(http_pid(g->http, "/fault"), old);
	g->may_grow = true; /* the probation is a long one */
	run_end(g);
}

/* What is left of the old one then only ends its streams. */
Test(flight, a_crash_after_the_probation_is_no_revert_though_the_old_one_drains)
{
	struct gateway_run *g = start_fault("", "", "probation: 0s");
	size_t mark = capture_length(&g->log);
	int old = http_pid(g->http, "/fault");
	struct client stream;
	struct ctl *c;

	ask_all(g, &stream, 1, "/fault/stream?65536"); /* and never reads */
	ctl_await_number(g, "fault", "inFlight", 1);
	c = ctl_expect(g, 0, "reload", "fault", NULL);
	run_await_log(g, mark, "settling->retiring");
	cr_assert(!kill((pid_t)ctl_number(c, "pid"), SIGKILL));
	ctl_destroy(c);
	ctl_await_number(g, "fault", "restarts", 1);
	ctl_await_number(g, "fault", "generation", 3);
	cr_expect_neq(http_pid(g->http, "/fault"), old);
	cr_expect(!run_log_has(g, mark, " reverted: "));
	client_close(&stream);
	g->may_grow = true; /* the old worker ends when it likes */
	run_end(g);
}

Test(flight, a_caller_that_waits_for_settled_hears_of_the_revert)
{
	struct gateway_run *g = start_fault("", "", "probation: 20s");
	int old = http_pid(g->http, "/fault");
	struct ctl *c;

	run_fault(g, "fault", "exit_after_swap", "exit_after_ms: 200");
	c = ctl_expect(g, 1, "reload", "--wait", "settled", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "reverted");
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect_eq(ctl_number(c, "pid"), old);
	cr_expect(strstr(ctl_text(c, "error"), "probation"), "%s",
		ctl_text(c, "error"));
	ctl_destroy(c);
	run_end(g);
}

/* ---- at a crash ---- */

Test(flight, kill_9_replays_gets_and_posts_get_502)
{
	struct gateway_run *g = start_fault("", "", NULL);
	struct client get, post;
	int old = http_pid(g->http, "/fault");
	struct answer a;

	/* It blocks the worker, so the POST waits behind it. */
	ask_all(g, &get, 1, "/fault/hang?1500");
	ctl_await_number(g, "fault", "inFlight", 1);
	cr_assert(client_open(&post, g->http));
	cr_assert(
		client_say(&post, "POST /fault/echo HTTP/1.1\r\nHost: test\r\n"
				  "Content-Length: 4\r\n\r\nbody"));
	ctl_await_number(g, "fault", "inFlight", 2);
	kill(old, SIGKILL);
	a = read_one(&post);
	cr_expect_eq(a.status, 502);
	cr_expect(strstr(a.body, "worker died"), "%s", a.body);
	answer_finish(&a);
	a = read_one(&get);
	cr_expect_eq(a.status, 200, "%d %s", a.status, a.body);
	cr_expect_neq(answer_pid(&a), old);
	answer_finish(&a);
	client_close(&get);
	client_close(&post);
	cr_expect_eq(ctl_status_number(g, "fault", "restarts"), 1);
	run_end(g);
}

static void
kill_under_load(const char *link, int times)
{
	struct gateway_run *g = run_create();
	struct load load = {0};

	run_package(g, "bench", "bench");
	run_plugin(g, "bench", "%s", link);
	run_start(g);
	load_start(&load, g->http, "/hello", NULL);
	for (int i = 0; i < times; i++) {
		uint64_t until = clock_ms() + 1000;

		do
			load_await(&load, 10);
		while (clock_ms() < until);
		kill(http_pid(g->http, "/hello"), SIGKILL);
		load_await(&load, 20);
	}
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, (unsigned)times + 1);
	cr_expect_eq(ctl_status_number(g, "bench", "restarts"), times);
	run_end(g);
}

Test(flight, kill_9_under_load_loses_no_get_on_link_nng)
{
	kill_under_load("link: nng", 3);
}

Test(flight, kill_9_under_load_loses_no_get_on_link_native)
{
	kill_under_load("link: native", 3);
}

Test(flight, a_request_that_kills_its_worker_is_sent_twice_at_most)
{
	struct gateway_run *g = start_fault("crash_on_request", "", NULL);
	struct answer a = http_get(g->http, "/fault");

	cr_expect_eq(a.status, 502, "%d %s", a.status, a.body);
	answer_finish(&a);
	ctl_await_state(g, "fault", "serving");
	cr_expect_eq(ctl_status_number(g, "fault", "restarts"), 2);
	a = http_post(g->http, "/fault/echo", "still here");
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(a.body, "still here");
	answer_finish(&a);
	run_end(g);
}

Test(flight, a_plugin_that_dies_early_too_often_has_failed_until_a_reload)
{
	struct gateway_run *g = run_create();
	struct answer a;
	char *failure;

	run_add_fault(g);
	run_defaults(g, "probation: 100ms, crash: {early_max: 3, within: 1m}");
	run_announce(g, "plugin failed: crashed 3 times");
	run_fault(g, "fault", "", "crash_after_ms: 30");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: crashed 3 times");
	g->may_grow = true; /* there was no worker to count from */
	ctl_await_state(g, "fault", "failed");
	failure = ctl_status_text(g, "fault", "failure");
	cr_expect(strstr(failure, "the worker"), "%s", failure);
	free(failure);
	a = http_get(g->http, "/fault");
	cr_expect_eq(a.status, 503);
	cr_expect_null(answer_header(&a, "Retry-After"));
	answer_finish(&a);
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

Test(flight, a_hung_worker_is_killed_when_it_misses_its_ping)
{
	struct gateway_run *g =
		start_fault("", "", "probation: 100ms, ping_timeout: 700ms");
	int old = http_pid(g->http, "/fault");
	struct answer a = http_get(g->http, "/fault/hang?60000");

	cr_expect_eq(a.status, 502, "%d %s", a.status, a.body);
	answer_finish(&a);
	ctl_await_state(g, "fault", "serving");
	cr_expect_neq(http_pid(g->http, "/fault"), old);
	run_end(g);
}

/* ---- when there is no worker ---- */

/* A restart whose new worker takes its time; returns once it is starting. */
static struct ctl *
begin_slow_restart(struct gateway_run *g, const char *settings)
{
	static const char *const args[] = {"restart", "fault", NULL};
	size_t mark = capture_length(&g->log);
	struct ctl *c;

	run_fault(g, "fault", "slow_start", settings);
	c = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	return c;
}

static void
end_restart(struct ctl *c)
{
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s%s", c->out, c->err);
	ctl_destroy(c);
}

Test(flight, a_restart_holds_requests_and_counts_what_overflows)
{
	struct gateway_run *g = start_fault(
		"", "", "probation: 100ms, hold_max: 2, hold_timeout: 20s");
	struct client clients[4];
	struct ctl *c = begin_slow_restart(g, "start_ms: 1500"), *show;
	int status[4], served = 0;

	for (int i = 0; i < 4; i++) {
		ask_all(g, &clients[i], 1, "/fault");
		if (i < 2)
			ctl_await_number(g, "fault", "held", i + 1);
	}
	for (int i = 3; i >= 0; i--) {
		struct answer a = read_one(&clients[i]);
		const char *after = answer_header(&a, "Retry-After");

		status[i] = a.status;
		served += a.status == 200;
		if (i >= 2)
			cr_expect(after && !strcmp(after, "1"));
		answer_finish(&a);
		client_close(&clients[i]);
	}
	cr_expect_eq(served, 2);
	cr_expect(status[0] == 200 && status[1] == 200);
	cr_expect(status[2] == 503 && status[3] == 503);
	end_restart(c);
	show = ctl_expect(g, 0, "show", "fault", NULL);
	cr_expect_eq(ctl_number(show, "counters.overflow"), 2);
	cr_expect_eq(ctl_number(show, "counters.held"), 2);
	ctl_destroy(show);
	run_end(g);
}

Test(flight, what_is_held_too_long_gets_503_and_retry_after)
{
	struct gateway_run *g =
		start_fault("", "", "probation: 100ms, hold_timeout: 300ms");
	struct ctl *c = begin_slow_restart(g, "start_ms: 3000");
	struct answer a = http_get(g->http, "/fault");
	const char *after = answer_header(&a, "Retry-After");

	cr_expect_eq(a.status, 503);
	cr_expect(after && !strcmp(after, "1"));
	answer_finish(&a);
	end_restart(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

Test(flight, a_restart_under_load_loses_nothing)
{
	struct gateway_run *g = start_fault("", "", NULL);
	struct load load = {0};

	load_start(&load, g->http, "/fault", "/fault/echo");
	ctl_destroy(ctl_expect(g, 0, "restart", "fault", NULL));
	load_await(&load, 20);
	load_stop_clean(&load);
	run_end(g);
}

Test(flight, a_stopped_plugin_gets_503_without_retry_after)
{
	struct gateway_run *g = start_fault("", "", NULL);
	struct answer a;
	char *state;

	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	state = ctl_status_text(g, "fault", "state");
	cr_expect_str_eq(state, "stopped");
	free(state);
	a = http_get(g->http, "/fault");
	cr_expect_eq(a.status, 503, "%d %s", a.status, a.body);
	cr_expect_null(answer_header(&a, "Retry-After"));
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 6, "reload", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "start", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

/* ---- limits ---- */

Test(flight, more_than_a_worker_takes_is_held_and_served_in_turn)
{
	struct gateway_run *g =
		start_fault("", "", "probation: 100ms, max_in_flight: 2");
	struct client clients[5];

	ask_all(g, clients, 5, "/fault/slow?400");
	for (int i = 0; i < 5; i++) {
		struct answer a = read_one(&clients[i]);

		cr_expect_eq(a.status, 200);
		answer_finish(&a);
		client_close(&clients[i]);
	}
	run_end(g);
}

Test(flight, an_answer_that_comes_too_late_is_504_and_cancels)
{
	struct gateway_run *g =
		start_fault("", "", "probation: 100ms, request_timeout: 300ms");
	struct answer a = http_get(g->http, "/fault/slow?1500");

	cr_expect_eq(a.status, 504);
	answer_finish(&a);
	a = http_get(g->http, "/fault");
	cr_expect_eq(a.status, 200);
	cr_expect_eq(answer_number(&a, "\"cancelled\":"), 1, "%s", a.body);
	answer_finish(&a);
	ctl_await_number(g, "fault", "inFlight", 0);
	run_end(g);
}

Test(flight, a_client_that_leaves_cancels_its_request)
{
	struct gateway_run *g = start_fault("", "", NULL);
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;
	struct client client;
	long cancelled = 0;

	ask_all(g, &client, 1, "/fault/slow?2000");
	ctl_await_number(g, "fault", "inFlight", 1);
	client_close(&client);
	while (!cancelled && clock_ms() < until) {
		struct answer a = http_get(g->http, "/fault");

		cancelled = answer_number(&a, "\"cancelled\":");
		answer_finish(&a);
	}
	cr_expect_eq(cancelled, 1);
	ctl_await_number(g, "fault", "inFlight", 0);
	run_end(g);
}

/* ---- workers that misbehave hurt only themselves ---- */

static void
hurts_nobody_else(const char *mode, int expected_status)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2};
	struct answer a;

	run_add_bench(g);
	run_package(g, "fault", "fault");
	run_plugin(g, "fault", "settings: {mode: %s}", mode);
	run_start(g);
	load_start(&load, g->http, "/hello", "/hello");
	for (int i = 0; i < 2; i++) {
		a = http_get(g->http, "/fault");
		cr_expect_eq(a.status, expected_status, "%s: %d %s", mode,
			a.status, a.body);
		answer_finish(&a);
		ctl_await_state(g, "fault", "serving");
	}
	load_await(&load, 20);
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	run_end(g);
}

Test(flight, garbage_from_a_worker_hurts_nobody_else)
{
	hurts_nobody_else("garbage", 502);
}

Test(flight, an_answer_given_twice_hurts_nobody_else)
{
	hurts_nobody_else("reply_twice", 502);
}

Test(flight, a_header_with_crlf_is_502_and_hurts_nobody_else)
{
	hurts_nobody_else("bad_header", 502);
}

Test(flight, an_error_of_a_plugin_is_502)
{
	hurts_nobody_else("error", 502);
}

Test(flight, a_flood_of_log_messages_hurts_nobody_else)
{
	hurts_nobody_else("flood", 200);
}

Test(flight, a_flood_of_output_hurts_nobody_else)
{
	hurts_nobody_else("flood_output", 200);
}

Test(flight, large_answers_and_streams_come_whole)
{
	struct gateway_run *g = start_fault("", "", NULL);
	static const struct {
		const char *path;
		size_t bytes;
	} rows[] = {{"/fault/big?60", 60 << 10}, {"/fault/big?70", 70 << 10},
		{"/fault/big?8192", 8 << 20}, {"/fault/stream?1", 1 << 10},
		{"/fault/stream?4096", 4 << 20}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct answer a = http_get(g->http, rows[i].path);

		cr_expect_eq(a.status, 200);
		cr_expect_eq(a.body_bytes, rows[i].bytes, "%s: %zu bytes",
			rows[i].path, a.body_bytes);
		answer_finish(&a);
	}
	run_end(g);
}

Test(flight, a_worker_that_ignores_term_is_killed_and_status_answers_meanwhile)
{
	struct gateway_run *g = start_fault(
		"ignore_term", "", "probation: 50ms, stop_timeout: 1500ms");
	size_t mark = capture_length(&g->log);

	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	for (int i = 0; i < 10; i++)
		ctl_destroy(ctl_expect(g, 0, "status", NULL));
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, mark, "killed by signal 9");
	run_end(g);
}
