/* Hooks on the built programs: who gets which event, how often and in what
 * order, over reloads, crashes, stops and overflows. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(hooks, .fini = run_fini, .timeout = 200);

/* ---- what was called ---- */

/* The lines that the hooks of a plugin wrote: "GENERATION HOOK EVENT DATA
 * CONTEXT"; "" if there are none. The caller frees. */
static char *
calls_of(struct gateway_run *g, const char *id)
{
	char *path = memory_format("%s/state/data/%s/calls", g->dir, id);
	char *text = files_read(path);

	free(path);
	return text ? text : memory_copy_text("");
}

static unsigned
count_of(const char *text, const char *what)
{
	unsigned count = 0;

	while ((text = strstr(text, what))) {
		count++;
		text += strlen(what);
	}
	return count;
}

static unsigned
calls_count(struct gateway_run *g, const char *id, const char *what)
{
	char *text = calls_of(g, id);
	unsigned count = count_of(text, what);

	free(text);
	return count;
}

/* Waits until the hooks of a plugin were called that often with `what`. */
static void
await_calls(
	struct gateway_run *g, const char *id, const char *what, unsigned count)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;
	unsigned now;

	while ((now = calls_count(g, id, what)) < count &&
		clock_ms() < deadline)
		poll(NULL, 0, 10);
	cr_assert_eq(
		now, count, "%s of %s: %u calls, not %u", what, id, now, count);
}

static void
emit(struct gateway_run *g, const char *event, const char *data)
{
	ctl_destroy(ctl_expect(g, 0, "emit", event, data, NULL));
}

static struct gateway_run *
create(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "hooks", "hooks");
	return g;
}

/* ---- who gets what ---- */

Test(hooks, get_events_of_users_that_match)
{
	struct gateway_run *g = create();
	char *calls;

	run_plugin(
		g, "all", "use: hooks, settings: {prefix: /all, event: '*'}");
	run_plugin(g, "below",
		"use: hooks, settings: {prefix: /b, event: 'test.*'}");
	run_plugin(g, "one",
		"use: hooks, settings: {prefix: /o, "
		"event: test.one, match: '{\"n\":[1, 2]}'}");
	run_start(g);
	emit(g, "test.one", "{\"n\":1}");
	emit(g, "test.one", "{\"n\":3}");
	emit(g, "test.two.deep", "{\"n\":2}");
	emit(g, "other", "{\"n\":2}");
	emit(g, "test.one", "{\"n\":2}");
	await_calls(g, "all", "\"n\"", 5);
	await_calls(g, "below", "\"n\"", 4);
	await_calls(g, "one", "\"n\"", 2);
	calls = calls_of(g, "one");
	cr_expect(strstr(calls, "1 h0 test.one {\"n\":1} "), "%s", calls);
	cr_expect(strstr(calls, "1 h0 test.one {\"n\":2} "), "%s", calls);
	cr_expect(strstr(calls, "\"plugin\":null"), "%s", calls);
	free(calls);
	run_end(g);
}

Test(hooks, get_supds_own_events_and_those_of_plugins)
{
	struct gateway_run *g = create();
	struct answer a;
	char *calls;

	run_plugin(g, "ears", "use: hooks, settings: {prefix: /e, event: '*'}");
	run_plugin(g, "mouth", "use: hooks, settings: {prefix: /m}");
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "mouth", NULL));
	await_calls(g, "ears",
		"\"state\":\"done\",\"success\":true,"
		"\"trigger\":\"supctl\"",
		1);
	a = http_post(g->http, "/m/emit?3", "bot.said");
	cr_expect_eq(a.status, 204);
	answer_finish(&a);
	await_calls(g, "ears", " bot.said {", 3);
	calls = calls_of(g, "ears");
	cr_expect(strstr(calls, "bot.said {\"n\":2}"), "%s", calls);
	cr_expect(strstr(calls, "\"plugin\":\"mouth\""), "%s", calls);
	free(calls);
	run_end(g);
}

static void
call_answers(struct gateway_run *g, const char *path, const char *event,
	const char *body)
{
	struct answer a = http_post(g->http, path, event);

	cr_expect_str_eq(a.body, body);
	answer_finish(&a);
}

Test(hooks, a_plugin_may_call_for_an_event_that_must_not_be_lost)
{
	struct gateway_run *g = create();

	run_plugin(g, "it", "use: hooks, settings: {event: 'test.*'}");
	run_start(g);
	call_answers(g, "/take?3", "test.taken",
		"{\"taken\":3,\"busy\":0,\"refused\":0}");
	call_answers(g, "/take?2", "tool.before",
		"{\"taken\":0,\"busy\":0,\"refused\":2}");
	call_answers(g, "/take?1", "nobody.listens",
		"{\"taken\":1,\"busy\":0,\"refused\":0}");
	await_calls(g, "it", "test.taken", 3);
	run_end(g);
}

/* ---- reloads ---- */

/* Each event once per hook, in order. */
static void
expect_each_once(
	struct gateway_run *g, const char *id, unsigned hooks, unsigned events)
{
	char *calls = calls_of(g, id), what[64];

	for (unsigned h = 0; h < hooks; h++) {
		const char *at = calls;

		for (unsigned n = 0; n < events; n++) {
			snprintf(what, sizeof(what), " h%u test.it {\"n\":%u} ",
				h, n);
			cr_assert_eq(count_of(calls, what), 1, "%s: %u", what,
				count_of(calls, what));
			at = strstr(at, what);
			cr_assert(at, "%s is out of order", what);
		}
	}
	free(calls);
}

Test(hooks, fifty_reloads_lose_none_and_double_none)
{
	enum { RELOADS = 50, HOOKS = 3 };
	struct gateway_run *g = create();
	char data[32];

	run_defaults(g, "probation: 0ms");
	run_plugin(g, "it",
		"use: hooks, settings: {event: test.it, count: %d, sleep: 2}",
		HOOKS);
	run_start(g);
	for (int i = 0; i < RELOADS; i++) {
		const char *const reload[] = {"reload", "it", NULL};
		struct ctl *c = ctl_begin(g, 0, reload);

		snprintf(data, sizeof(data), "{\"n\":%d}", 2 * i);
		emit(g, "test.it", data);
		ctl_wait(c);
		cr_assert_eq(c->exit_code, 0, "%s", c->err);
		ctl_destroy(c);
		snprintf(data, sizeof(data), "{\"n\":%d}", 2 * i + 1);
		emit(g, "test.it", data);
	}
	await_calls(g, "it", "test.it", 2 * RELOADS * HOOKS);
	expect_each_once(g, "it", HOOKS, 2 * RELOADS);
	run_end(g);
}

/* Requests wait for hold_timeout; events as long as it takes. */
Test(hooks, events_wait_for_a_plugin_without_a_time_limit)
{
	struct gateway_run *g = create();

	run_defaults(g, "hold_timeout: 20ms");
	run_plugin(g, "it",
		"use: hooks, settings: {event: test.it, slow_start: 3000}");
	run_start(g);
	run_announce(g, "killed by signal 9");
	kill((pid_t)ctl_status_number(g, "it", "pid"), SIGKILL);
	ctl_await_state(g, "it", "holding");
	emit(g, "test.it", "{\"n\":0}");
	emit(g, "test.it", "{\"n\":1}");
	cr_expect_eq(http_status(g->http, "/ping"), 503);
	await_calls(g, "it", "test.it", 2);
	expect_each_once(g, "it", 1, 2);
	run_end(g);
}

/* ---- what is registered ---- */

static void
write_manifest(struct gateway_run *g, int count, const char *more)
{
	char *path = run_package_file(g, "hooks", "plugin.yaml");

	files_write(path,
		"name: hooks\nversion: 1.0.0\nrun: hooks.so\n"
		"settings: {event: test.it, count: %d}\n%s",
		count, more);
	free(path);
}

Test(hooks, are_counted_kept_and_dropped_like_all_registrations)
{
	struct gateway_run *g = create();
	struct ctl *c;

	write_manifest(g, 2, "keep: ['hook:h1']\n");
	run_plugin(g, "it", "use: hooks");
	run_start(g);
	c = ctl_expect(g, 0, "reload", "it", NULL);
	cr_expect_eq(ctl_number(c, "registered.hooks"), 2);
	ctl_destroy(c);
	write_manifest(g, 1, "keep: ['hook:h1']\n");
	run_announce(g, "hook:h1 is missing");
	c = ctl_expect(g, 1, "reload", "it", NULL);
	cr_expect(strstr(c->out, "hook:h1 is missing"), "%s", c->out);
	ctl_destroy(c);
	write_manifest(g, 1, "");
	run_announce(g, "hook:h1 would be dropped");
	c = ctl_expect(g, 1, "reload", "it", "--no-drop", NULL);
	cr_expect(strstr(c->out, "hook:h1 would be dropped"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "reload", "it", "--prove", NULL);
	cr_expect_str_eq(ctl_text(c, "dropped.0"), "hook:h1", "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "routes", "--kind", "hook", NULL);
	cr_expect_str_eq(ctl_text(c, "routes.1.name"), "h1", "%s", c->out);
	ctl_destroy(c);
	emit(g, "test.it", "{\"n\":0}");
	await_calls(g, "it", "test.it", 2);
	c = ctl_expect(g, 0, "reload", "it", NULL);
	cr_expect_str_eq(ctl_text(c, "dropped.0"), "hook:h1");
	ctl_destroy(c);
	emit(g, "test.it", "{\"n\":1}");
	await_calls(g, "it", "test.it", 3);
	run_end(g);
}

Test(hooks, show_whom_an_event_concerns_and_how_it_went)
{
	struct gateway_run *g = create();
	struct ctl *c;

	run_plugin(g, "a",
		"use: hooks, settings: {prefix: /a, event: test.*, "
		"mode: error}");
	run_plugin(g, "b",
		"use: hooks, settings: {prefix: /b, event: "
		"tool.before, filter: true}");
	run_plugin(g, "c",
		"use: hooks, settings: {prefix: /c, event: "
		"tool.before, filter: true, priority: 3, "
		"stop_on_error: true}");
	run_start(g);
	emit(g, "test.it", "{\"n\":0}");
	run_await_log(g, 0, "hook h0 failed: as asked");
	c = ctl_expect(g, 0, "hooks", "test.it", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "hooks")), 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "hooks.0.pluginId"), "a");
	cr_expect_str_eq(ctl_text(c, "hooks.0.hook.event"), "test.*");
	cr_expect_eq(ctl_number(c, "hooks.0.hook.calls.failed"), 1);
	cr_expect_eq(ctl_number(c, "hooks.0.hook.queued"), 0);
	cr_expect(ctl_at(c, "hooks.0.hook.latencyMs.mean"));
	ctl_destroy(c);
	c = ctl_expect(g, 0, "hooks", "tool.before", NULL);
	cr_expect_eq(ctl_number(c, "hooks.0.hook.order"), 2, "%s", c->out);
	cr_expect_eq(ctl_number(c, "hooks.1.hook.order"), 1);
	cr_expect_str_eq(ctl_text(c, "hooks.1.hook.onError"), "stop");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "registrations.0.kind"), "hook");
	cr_expect_str_eq(ctl_text(c, "registrations.0.hook.event"), "test.*");
	ctl_destroy(c);
	run_end(g);
}

/* ---- crashes ---- */

Test(hooks, an_event_that_a_worker_died_with_is_sent_again_if_idempotent)
{
	struct gateway_run *g = create();

	run_plugin(g, "it",
		"use: hooks, settings: {event: test.it, mode: die, "
		"idempotent: true}");
	run_start(g);
	run_announce(g, "killed by signal 9");
	emit(g, "test.it", "{\"n\":0}");
	emit(g, "test.it", "{\"n\":1}");
	await_calls(g, "it", "\"n\":0", 2);
	await_calls(g, "it", "\"n\":1", 1);
	run_end(g);
}

Test(hooks, else_it_is_lost_and_reported)
{
	struct gateway_run *g = create();

	run_plugin(
		g, "it", "use: hooks, settings: {event: test.it, mode: die}");
	run_plugin(g, "log",
		"use: hooks, settings: {prefix: /l, "
		"event: hook.lost}");
	run_start(g);
	run_announce(g, "killed by signal 9");
	emit(g, "test.it", "{\"n\":0}");
	emit(g, "test.it", "{\"n\":1}");
	await_calls(g, "it", "\"n\":1", 1);
	await_calls(g, "it", "\"n\":0", 1);
	await_calls(g, "log", "\"reason\":\"worker_died\"", 1);
	run_end(g);
}

Test(hooks, an_event_that_kills_twice_is_given_up)
{
	struct gateway_run *g = create();

	run_plugin(g, "it",
		"use: hooks, settings: {event: test.it, "
		"mode: die_always, idempotent: true}");
	run_plugin(g, "log",
		"use: hooks, settings: {prefix: /l, "
		"event: hook.lost}");
	run_start(g);
	run_announce(g, "killed by signal 9");
	emit(g, "test.it", "{\"n\":0}");
	await_calls(g, "log", "\"reason\":\"worker_died\"", 1);
	cr_expect_eq(calls_count(g, "it", "\"n\":0"), 2);
	run_end(g);
}

/* ---- a slow one ---- */

Test(hooks, one_that_hangs_loses_its_time_and_hurts_no_other)
{
	struct gateway_run *g = create();

	run_plugin(g, "it",
		"use: hooks, settings: {event: test.it, mode: hang, "
		"timeout_ms: 100}");
	run_plugin(
		g, "ok", "use: hooks, settings: {prefix: /ok, event: test.it}");
	run_start(g);
	emit(g, "test.it", "{\"n\":0}");
	emit(g, "test.it", "{\"n\":1}");
	await_calls(g, "ok", "test.it", 2);
	await_calls(g, "it", "test.it", 2);
	run_await_log(g, 0, "hook h0 did not answer in time");
	cr_expect_eq(http_status(g->http, "/ping"), 200);
	run_end(g);
}

/* What it was called for keeps its places at the worker. */
Test(hooks, one_that_never_answers_gets_its_worker_restarted)
{
	struct gateway_run *g = create();
	long pid;

	run_plugin(g, "it",
		"use: hooks, max_in_flight: 4, ping_timeout: 500ms, "
		"request_timeout: 500ms, settings: {event: test.it, "
		"mode: hang, timeout_ms: 100}");
	run_start(g);
	pid = ctl_status_number(g, "it", "pid");
	emit(g, "test.it", "{\"n\":0}");
	emit(g, "test.it", "{\"n\":1}");
	ctl_await_number(g, "it", "unanswered", 2);
	run_await_log(g, 0, "the worker does not answer requests that timed");
	ctl_await_number(g, "it", "restarts", 1);
	ctl_await_state(g, "it", "serving");
	cr_expect_neq(ctl_status_number(g, "it", "pid"), pid);
	run_end(g);
}

static long
lost_of(struct gateway_run *g, const char *id)
{
	struct answer a = http_get(g->http, "/metrics");
	char *key = memory_format("supd_plugin_hook_events_lost_total{"
				  "plugin=\"%s\",reason=\"queue_full\"} ",
		id);
	const char *at = strstr(a.body, key);
	long lost = at ? atol(at + strlen(key)) : -1;

	free(key);
	answer_finish(&a);
	return lost;
}

/* 100,000 events in a burst, which is taken as fast as calls are answered. */
Test(hooks, a_burst_for_a_slow_one_is_bounded_and_counted)
{
	enum { BURST = 100000, QUEUE = 10000, BLOCK = 1000 };
	struct gateway_run *g = create();
	long taken = 0, busy = 0;

	run_plugin(g, "slow",
		"use: hooks, settings: {prefix: /slow, "
		"event: test.burst, sleep: 60000, "
		"timeout_ms: 100000}");
	run_plugin(g, "log",
		"use: hooks, settings: {prefix: /l, "
		"event: hook.lost}");
	run_plugin(g, "it", "use: hooks, settings: {prefix: /it}");
	run_defaults(g, "stop_timeout: 100ms");
	run_start(g);
	for (int i = 0; i < BURST / BLOCK; i++) {
		struct answer a =
			http_post(g->http, "/it/take?1000", "test.burst");
		long t = 0, b = 0;

		cr_assert_eq(
			sscanf(a.body, "{\"taken\":%ld,\"busy\":%ld", &t, &b),
			2, "%s", a.body);
		taken += t;
		busy += b;
		answer_finish(&a);
	}
	cr_expect_eq(taken + busy, BURST);
	cr_expect_geq(taken, QUEUE - 1, "%ld", taken);
	cr_expect_leq(taken, QUEUE + 1, "%ld", taken);
	cr_expect_eq(lost_of(g, "slow"), 0);
	/* what is only emitted is lost, counted and reported */
	emit(g, "test.burst", "{}");
	emit(g, "test.burst", "{}");
	cr_expect_eq(lost_of(g, "slow"), 2);
	await_calls(g, "log", "\"reason\":\"queue_full\"", 1);
	cr_expect_eq(http_status(g->http, "/slow/ping"), 200);
	run_end(g);
}

/* An observer that emits its own event ends with the chain. */
Test(hooks, one_that_emits_its_own_event_ends_eight_deep)
{
	struct gateway_run *g = create();

	run_plugin(g, "it",
		"use: hooks, settings: {event: test.loop, "
		"mode: loop}");
	run_start(g);
	emit(g, "test.loop", "{}");
	run_await_log(g, 0,
		"event refused: the calls that led to it are 8 deep: "
		"it:h0 > it:h0");
	cr_expect_eq(calls_count(g, "it", "test.loop"), 8);
	run_end(g);
}

/* ---- the end ---- */

Test(hooks, those_of_gateway_stopping_are_waited_for)
{
	struct gateway_run *g = create();

	run_plugin(g, "it",
		"use: hooks, settings: {event: gateway.stopping, "
		"sleep: 300}");
	run_start(g);
	run_signal(g, SIGTERM);
	run_await_log(g, 0, "stopped");
	cr_expect_eq(calls_count(g, "it", "gateway.stopping"), 1);
	run_forget(g);
}
