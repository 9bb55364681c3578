/* Filters on the built programs: their order, what their verdicts do on every
 * way in, and what becomes of calls when a filter fails. */
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

TestSuite(filters, .fini = run_fini, .timeout = 200);

/* The token `op-token`. */
#define TOKENS                                                                 \
	"admin: {http: true, tokens: [{name: op, role: operator, sha256: "     \
	"2b2577f455616d63bbcb76676b219056860f972a5c38cc4fc33bec3f23e20561"     \
	"}]}\n"

static struct gateway_run *
create(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "hooks", "hooks");
	run_add_fault(g);
	return g;
}

/* A filter that answers with a verdict; more settings behind. */
static void
add_filter(struct gateway_run *g, const char *id, const char *event,
	const char *settings)
{
	run_plugin(g, id,
		"use: hooks, settings: {prefix: /%s, event: %s, filter: true, "
		"%s}",
		id, event, settings);
}

static char *
calls_of(struct gateway_run *g, const char *id)
{
	char *path = memory_format("%s/state/data/%s/calls", g->dir, id);
	char *text = files_read(path);

	free(path);
	return text ? text : memory_copy_text("");
}

static bool
was_called_with(struct gateway_run *g, const char *id, const char *what)
{
	char *text = calls_of(g, id);
	bool found = strstr(text, what) != NULL;

	free(text);
	return found;
}

static void
await_call(struct gateway_run *g, const char *id, const char *what)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;

	while (!was_called_with(g, id, what) && clock_ms() < deadline)
		poll(NULL, 0, 10);
	cr_assert(was_called_with(g, id, what), "%s was not called with %s", id,
		what);
}

/* What the tool got in the end: it answers with its arguments, as a string
 * unless a filter has changed that. */
static void
expect_in_answer(const struct ctl *c, const char *marks)
{
	char text[128], object[128];

	snprintf(text, sizeof(text), "\\\"marks\\\":\\\"%s\\\"", marks);
	snprintf(object, sizeof(object), "\"marks\": \"%s\"", marks);
	cr_expect(strstr(c->out, text) || strstr(c->out, object), "not %s: %s",
		marks, c->out);
}

static void
expect_marks(struct gateway_run *g, const char *marks)
{
	struct ctl *c = ctl_expect(
		g, 0, "call", "tool", "fault", "{\"marks\":\"\"}", NULL);

	expect_in_answer(c, marks);
	ctl_destroy(c);
}

static void
expect_error(struct gateway_run *g, const char *error)
{
	struct ctl *c = ctl_expect(
		g, 1, "call", "tool", "fault", "{\"marks\":\"\"}", NULL);

	cr_expect(strstr(ctl_text(c, "error"), error), "%s%s", c->out, c->err);
	ctl_destroy(c);
}

/* ---- order ---- */

#define MARKS "verdict: change, mark: "

static void
add_three(struct gateway_run *g)
{
	add_filter(g, "a", "tool.before", MARKS "a");
	add_filter(g, "b", "tool.before", MARKS "b, priority: 10");
	add_filter(g, "c", "tool.before", MARKS "c, count: 2");
}

static void
crash(struct gateway_run *g, const char *id)
{
	long pid = ctl_status_number(g, id, "pid"), now = pid;
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;

	kill((pid_t)pid, SIGKILL);
	while ((now == pid || now <= 0) && clock_ms() < deadline)
		now = ctl_status_number(g, id, "pid");
	ctl_await_state(g, id, "serving");
}

static void
hup(struct gateway_run *g)
{
	size_t from = capture_length(&g->log);

	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, from, "configuration applied");
}

Test(filters, keep_their_order_over_reloads_hups_and_crashes)
{
	static const char *const ids[] = {"c", "b", "a"};
	struct gateway_run *g = create();

	add_three(g);
	run_start(g);
	run_announce(g, "killed by signal 9");
	expect_marks(g, "bacc");
	for (size_t i = 0; i < 3; i++) {
		ctl_destroy(ctl_expect(g, 0, "reload", ids[i], NULL));
		expect_marks(g, "bacc");
	}
	hup(g);
	expect_marks(g, "bacc");
	for (size_t i = 0; i < 3; i++) {
		crash(g, ids[i]);
		expect_marks(g, "bacc");
	}
	run_end(g);
}

Test(filters, follow_the_order_of_plugins_in_the_configuration)
{
	struct gateway_run *g = create();

	add_filter(g, "a", "tool.before", MARKS "a");
	add_filter(g, "b", "tool.before", MARKS "b");
	run_start(g);
	expect_marks(g, "ab");
	run_no_plugins(g);
	run_plugin(g, "fault", "use: fault");
	add_filter(g, "b", "tool.before", MARKS "b");
	add_filter(g, "a", "tool.before", MARKS "a");
	hup(g);
	expect_marks(g, "ba");
	run_end(g);
}

Test(filters, are_gone_when_their_plugin_is_disabled)
{
	struct gateway_run *g = create();

	add_three(g);
	run_start(g);
	ctl_destroy(ctl_expect(g, 0, "disable", "a", NULL));
	expect_marks(g, "bcc");
	ctl_destroy(ctl_expect(g, 0, "enable", "a", NULL));
	expect_marks(g, "bacc");
	run_end(g);
}

/* ---- verdicts ---- */

Test(filters, may_stop_a_call)
{
	struct gateway_run *g = create();

	add_filter(g, "guard", "tool.before", "verdict: stop");
	add_filter(g, "late", "tool.before", "verdict: pass");
	run_plugin(g, "log",
		"use: hooks, settings: {prefix: /l, event: "
		"'tool.*'}");
	run_start(g);
	expect_error(g, "stopped by the hook h0 of plugin 'guard': not today");
	await_call(g, "log",
		"\"stopped\":{\"hook\":\"h0\",\"plugin\":\"guard\","
		"\"reason\":\"not today\"}");
	cr_expect_not(was_called_with(g, "late", "h0"));
	run_end(g);
}

/* The samples of a family of metrics: an array. */
static const json_t *
samples_of(const struct ctl *c, const char *name)
{
	const json_t *family;
	size_t i;

	json_array_foreach(ctl_at(c, "metrics"), i,
		family) if (!strcmp(json_string_value(json_object_get(family,
					    "name")),
				    name)) return json_object_get(family,
		"samples");
	cr_assert(false, "no family %s", name);
	return NULL;
}

/* Such a call takes no time of the plugin's. */
Test(filters, may_answer_a_call)
{
	struct gateway_run *g = create();
	struct ctl *c;

	add_filter(g, "guard", "tool.before", "verdict: claim");
	add_filter(g, "text", "command.before", "verdict: claim");
	run_start(g);
	c = ctl_expect(g, 0, "call", "tool", "fault", "{}", NULL);
	cr_expect(strstr(c->out, "\"claimed\""), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "call", "command", "fault", "abc", NULL);
	cr_expect(strstr(c->out, "\"claimed\""), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "metrics", NULL);
	cr_expect_eq(json_array_size(samples_of(
			     c, "supd_plugin_call_duration_seconds")),
		0, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(filters, may_change_results)
{
	struct gateway_run *g = create();

	add_filter(g, "a", "tool.after", MARKS "a, key: result");
	add_filter(g, "b", "tool.after", MARKS "b, key: result, priority: 1");
	run_plugin(g, "log",
		"use: hooks, settings: {prefix: /l, event: "
		"tool.after, match: '{\"name\": \"fault\"}'}");
	run_start(g);
	expect_marks(g, "ba");
	await_call(g, "log", "\"result\":{\"marks\":\"ba\"}");
	run_end(g);
}

/* The error that a tool ends with, as the caller and observers get it. */
Test(filters, may_change_errors)
{
	struct gateway_run *g = create();
	struct ctl *c;

	add_filter(g, "a", "tool.after",
		"verdict: change, data: '{\"error\": {\"code\": \"busy\", "
		"\"text\": \"redacted\"}}'");
	run_plugin(g, "log",
		"use: hooks, settings: {prefix: /l, event: "
		"tool.after, match: '{\"name\": \"fault\"}'}");
	run_start(g);
	c = ctl_run(g, "call", "tool", "fault", "{\"fail\": 9}", NULL);
	cr_expect(strstr(c->out, "redacted"), "%s", c->out);
	cr_expect(!strstr(c->out, "told to fail"), "%s", c->out);
	ctl_destroy(c);
	await_call(g, "log", "\"text\":\"redacted\"");
	run_end(g);
}

Test(filters, refuse_errors_that_are_none)
{
	struct gateway_run *g = create();
	struct ctl *c;

	add_filter(g, "a", "tool.after",
		"verdict: change, stop_on_error: true, data: '{\"error\": 5}'");
	run_start(g);
	c = ctl_run(g, "call", "tool", "fault", "{}", NULL);
	cr_expect(strstr(c->out, "its error must have a text"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(filters, change_what_commands_are_given)
{
	struct gateway_run *g = create();
	struct ctl *c;

	add_filter(g, "a", "command.before", MARKS "x, plain: true");
	run_start(g);
	c = ctl_expect(g, 0, "call", "command", "fault", "abc", NULL);
	cr_expect(strstr(c->out, "abcx"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* By name and by what matches only. */
Test(filters, are_asked_about_what_they_match)
{
	struct gateway_run *g = create();

	add_filter(g, "a", "tool.before",
		MARKS "a, match: '{\"name\": \"other\"}'");
	add_filter(g, "b", "tool.before",
		MARKS "b, match: '{\"name\": [\"fault\", \"other\"]}'");
	run_start(g);
	expect_marks(g, "b");
	run_end(g);
}

/* ---- ways in ---- */

static void
call_with(struct gateway_run *g, const char *path, const char *body, int status,
	const char *text)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
		"op-token\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n\r\n",
		path, strlen(body)));
	cr_assert(client_send(&c, body, strlen(body)));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS + 60000));
	cr_expect_eq(a.status, status, "%s: %d %s", path, a.status, a.body);
	cr_expect(strstr(a.body, text), "%s", a.body);
	answer_finish(&a);
	client_close(&c);
}

static void
call_over_http(
	struct gateway_run *g, const char *path, int status, const char *text)
{
	call_with(g, path, "\"ab\"", status, text);
}

Test(filters, are_asked_on_every_way_in)
{
	struct gateway_run *g = create();
	struct ctl *c;

	free(g->extra);
	g->extra = memory_copy_text(TOKENS);
	add_filter(g, "guard", "tool.before", "verdict: stop");
	add_filter(g, "text", "command.before", "verdict: stop");
	run_plugin(g, "caller",
		"use: hooks, settings: {prefix: /c, event: test.call, "
		"mode: call}");
	run_start(g);
	expect_error(g, "not today"); /* supctl */
	c = ctl_expect(g, 1, "call", "command", "fault", "abc", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "not today"), "%s", c->out);
	ctl_destroy(c);
	call_over_http(g, "/api/tools/fault", 403, "not today");
	call_over_http(g, "/api/commands/fault", 403, "not today");
	ctl_destroy(ctl_expect(g, 0, "emit", "test.call", "{}", NULL));
	await_call(g, "guard", "{\"own\":1}"); /* a plugin */
	cr_expect(was_called_with(g, "guard", "\"plugin\":\"caller\""));
	run_end(g);
}

/* ---- failures ---- */

Test(filters, that_fail_are_skipped)
{
	static const char *const settings[] = {"mode: error", "mode: lie",
		"mode: hang, timeout_ms: 100", "mode: die_always"};
	struct gateway_run *g = create();
	char id[8];

	for (int i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		add_filter(g, id, "tool.before", settings[i]);
	}
	add_filter(g, "last", "tool.before", MARKS "z");
	run_start(g);
	run_announce(g, "killed by signal 9");
	expect_marks(g, "z");
	run_await_log(g, 0, "failed, and is skipped: as asked");
	run_await_log(g, 0, "failed, and is skipped: its data has no args");
	run_await_log(g, 0, "failed, and is skipped: no answer in time");
	run_await_log(g, 0, "failed, and is skipped: the worker died");
	run_end(g);
}

static void
stops_with(const char *settings, const char *reason)
{
	struct gateway_run *g = create();
	char text[128];

	snprintf(text, sizeof(text), "%s, stop_on_error: true", settings);
	add_filter(g, "guard", "tool.before", text);
	run_start(g);
	run_announce(g, "killed by signal 9");
	expect_error(g, reason);
	run_end(g);
}

Test(filters, that_fail_stop_the_call_if_they_say_so)
{
	stops_with("mode: error", "the filter failed: as asked");
	stops_with("mode: lie", "the filter failed: its data has no args");
	stops_with("mode: hang, timeout_ms: 100",
		"the filter failed: no answer in time");
	stops_with("mode: die_always", "the filter failed: the worker died");
}

/* Arguments and result fit into a message each, but not together. */
static void
call_with_much(const char *settings, int status, const char *text)
{
	char *body = memory_alloc(600003);
	struct gateway_run *g = create();

	memset(body, 'x', 600002);
	body[0] = body[600001] = '"';
	free(g->extra);
	g->extra = memory_copy_text(TOKENS);
	add_filter(g, "guard", "tool.after", settings);
	run_start(g);
	call_with(g, "/api/tools/fault", body, status, text);
	free(body);
	run_end(g);
}

Test(filters, that_cannot_be_asked_about_so_much_stop_the_call)
{
	call_with_much("stop_on_error: true", 413,
		"stopped by the hook h0 of plugin 'guard': the filter failed: "
		"tool.after has 12");
	call_with_much("stop_on_error: true", 413,
		" bytes of data, and a message at most 1048576");
}

Test(filters, that_cannot_be_asked_about_so_much_are_skipped)
{
	call_with_much("", 200, "xxxx");
}

/* Fail closed: a plugin that is not there guards nevertheless. */
Test(filters, that_are_not_there_stop_the_call_if_they_say_so)
{
	struct gateway_run *g = create();

	add_filter(g, "guard", "tool.before",
		"slow_start: 1000, timeout_ms: 50, stop_on_error: true");
	run_start(g);
	run_announce(g, "killed by signal 9");
	expect_marks(g, "");
	kill((pid_t)ctl_status_number(g, "guard", "pid"), SIGKILL);
	ctl_await_state(g, "guard", "holding");
	expect_error(g, "the filter failed");
	ctl_await_state(g, "guard", "serving");
	expect_marks(g, "");
	ctl_destroy(ctl_expect(g, 0, "stop", "guard", NULL));
	expect_error(g, "the filter failed: the plugin is not running");
	run_end(g);
}

/* Also while supd itself starts: the guard is known before its plugin is. */
Test(filters, that_guard_are_remembered_over_a_restart_of_supd)
{
	struct gateway_run *g = create();
	uint64_t deadline;
	bool is_over = false;

	add_filter(g, "guard", "tool.before",
		"slow_start: 1500, verdict: stop, stop_on_error: true");
	run_start(g);
	expect_error(g, "not today");
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	run_spawn(g);
	deadline = clock_ms() + RUN_DEADLINE_MS;
	while (!is_over && clock_ms() < deadline) {
		struct ctl *c = ctl_run(
			g, "call", "tool", "fault", "{\"marks\":\"\"}", NULL);

		cr_assert_neq(c->exit_code, 0, "it passed: %s", c->out);
		is_over = strstr(ctl_text(c, "error"), "not today");
		ctl_destroy(c);
	}
	cr_expect(is_over);
	run_end(g);
}

/* ---- details ---- */

/* A filter may use what it filters. */
Test(filters, are_not_asked_about_their_own_calls)
{
	struct gateway_run *g = create();
	char *calls;

	add_filter(g, "guard", "tool.before", "mode: call, verdict: change");
	run_start(g);
	expect_marks(g, "!");
	calls = calls_of(g, "guard");
	cr_expect(strstr(calls, "\"marks\""), "%s", calls);
	cr_expect_not(strstr(calls, "\"own\""), "%s", calls);
	free(calls);
	run_end(g);
}

/* The chain is fixed when the call begins, but not who serves it. */
Test(filters, are_asked_at_the_generation_that_serves_then)
{
	static const char *const call[] = {
		"call", "tool", "fault", "{\"marks\":\"\"}", NULL};
	struct gateway_run *g = create();
	struct ctl *c;
	char *gate;

	add_filter(g, "a", "tool.before",
		MARKS "a, mode: gate, timeout_ms: 25000");
	add_filter(g, "b", "tool.before", MARKS "b");
	run_start(g);
	c = ctl_begin(g, 0, call);
	await_call(g, "a", "tool.before");
	ctl_destroy(ctl_expect(g, 0, "reload", "b", NULL));
	gate = memory_format("%s/state/data/a/open", g->dir);
	files_write(gate, "%s", "");
	free(gate);
	ctl_wait(c);
	expect_in_answer(c, "ab");
	ctl_destroy(c);
	cr_expect(was_called_with(g, "b", "2 h0 tool.before"));
	run_end(g);
}

Test(filters, that_are_slow_do_not_outlast_the_callers_deadline)
{
	struct gateway_run *g = create();
	struct ctl *c;

	add_filter(g, "a", "tool.before", "mode: hang");
	run_start(g);
	c = ctl_expect(g, 7, "call", "--timeout", "200ms", "tool", "fault",
		"{}", NULL);
	ctl_destroy(c);
	run_end(g);
}

/* 20 s of the first, 10 s of the second; the third is not asked. Not under a
 * sanitizer: it finds nothing in waiting. */
Test(filters, that_are_slow_together_end_after_their_time)
{
	struct gateway_run *g;

#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("takes 30 s");
#endif
	g = create();
	add_filter(g, "a", "tool.before", "mode: hang, timeout_ms: 20000");
	add_filter(g, "b", "tool.before", "mode: hang, timeout_ms: 20000");
	add_filter(g, "c", "tool.before", "stop_on_error: true");
	free(g->extra);
	g->extra = memory_copy_text(TOKENS);
	run_start(g);
	call_over_http(g, "/api/tools/fault", 502,
		"stopped by the hook h0 of plugin 'c': the filter failed: the "
		"filters before it took too long");
	cr_expect_not(was_called_with(g, "c", "h0"));
	run_end(g);
}
