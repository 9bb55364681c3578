/* Calls in the name of requests on the built programs: what they inherit, what
 * wrong names do, and answers to callers that are gone. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/run.h"

TestSuite(chains, .fini = run_fini, .timeout = 200);

/* Plugins a and b, whose tools are "a.do" and so on. */
static struct gateway_run *
start(const char *entry)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-calls", "calls");
	run_plugin(g, "a", "use: calls, namespace: a%s", entry);
	run_plugin(g, "b", "use: calls, namespace: b");
	run_start(g);
	return g;
}

static struct ctl *
call(struct gateway_run *g, const char *tool, const char *args)
{
	return ctl_expect(g, 0, "call", "tool", tool, args, NULL);
}

/* The value of one plugin in `supctl metrics`; 0 if there is none. */
static long
metric(struct gateway_run *g, const char *name, const char *plugin)
{
	struct ctl *c = ctl_expect(g, 0, "metrics", NULL);
	json_t *family, *sample;
	size_t i, j;
	long value = 0;

	json_array_foreach(ctl_at(c, "metrics"), i, family)
	{
		if (strcmp(json_string_value(json_object_get(family, "name")),
			    name))
			continue;
		json_array_foreach(
			json_object_get(family, "samples"), j, sample)
		{
			json_t *of = json_object_get(
				json_object_get(sample, "labels"), "plugin");

			if (!strcmp(json_string_value(of), plugin))
				value = (long)json_number_value(
					json_object_get(sample, "value"));
		}
	}
	ctl_destroy(c);
	return value;
}

/* Waits for an event; the line with it, which the caller frees. */
static char *
await_event(struct gateway_run *g, const char *name)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;
	char *key = memory_format("\"event\": \"%s\"", name), *line = NULL;

	while (!line && clock_ms() < deadline) {
		struct ctl *c = ctl_expect(g, 0, "events", NULL);
		char *at = strstr(c->out, key);

		if (at)
			line = memory_copy_bytes(at, strcspn(at, "\n"));
		else
			poll(NULL, 0, 10);
		ctl_destroy(c);
	}
	cr_assert(line, "no event %s", name);
	free(key);
	return line;
}

/* Arguments of `do` for a chain of that many links, the last of which emits.
 * The caller frees. */
static char *
nested(unsigned links, const char *event)
{
	char *args =
		memory_format("{\"as\": \"own\", \"emit\": \"%s\"}", event);

	while (--links) {
		char *outer = memory_format("{\"as\": \"own\", \"call\": "
					    "[\"tool\", \"%s.do\", %s, 0]}",
			links % 2 ? "b" : "a", args);

		free(args);
		args = outer;
	}
	return args;
}

Test(chains, an_event_of_a_full_chain_is_refused)
{
	struct gateway_run *g = start("");
	char *args = nested(7, "calls.seven"), *line;

	ctl_destroy(call(g, "a.do", args));
	free(args);
	line = await_event(g, "calls.seven");
	cr_expect(strstr(line, "\"a:do\", \"b:do\", \"a:do\", \"b:do\", "
			       "\"a:do\", \"b:do\", \"a:do\"]"),
		"%s", line);
	free(line);

	args = nested(8, "calls.eight");
	ctl_destroy(call(g, "a.do", args));
	free(args);
	run_await_log(g, 0,
		"event refused: the calls that led to it are 8 deep: a:do > "
		"b:do > a:do > b:do > a:do > b:do > a:do > b:do > calls.eight");
	cr_expect_eq(metric(g, "supd_plugin_events_refused_total", "b"), 1);
	run_end(g);
}

Test(chains, the_ninth_call_is_a_conflict)
{
	struct gateway_run *g = start("");
	char *args = nested(9, "calls.nine");
	struct ctl *c = call(g, "a.do", args);

	cr_expect(strstr(c->out, "conflict"), "%s", c->out);
	cr_expect(strstr(c->out, "b:do > a.do"), "%s", c->out);
	cr_expect_eq(metric(g, "supd_plugin_calls_too_deep_total", "b"), 1);
	cr_expect_eq(metric(g, "supd_plugin_calls_stray_total", "b"), 0);
	ctl_destroy(c);
	free(args);
	run_end(g);
}

/* Ids that do not exist, beyond 32 bits, or of another worker's request. */
Test(chains, an_id_that_is_not_its_request_is_ignored_and_counted)
{
	struct gateway_run *g = start("");
	struct ctl *c;
	char *line;

	c = call(g, "a.do",
		"{\"as\": 99999999, \"call\": [\"tool\", \"b.left\", {}, "
		"5000]}");
	cr_expect_leq(strtol(c->out, NULL, 10), 5000, "%s", c->out);
	cr_expect_gt(strtol(c->out, NULL, 10), 0, "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(call(
		g, "a.do", "{\"as\": 99999999999, \"emit\": \"calls.wide\"}"));
	line = await_event(g, "calls.wide");
	cr_expect_not(strstr(line, "chain"), "%s", line);
	free(line);
	cr_expect_eq(metric(g, "supd_plugin_calls_stray_total", "a"), 2);

	ctl_destroy(call(g, "a.do",
		"{\"as\": \"own\", \"call\": [\"tool\", \"b.do\", {\"as\": "
		"\"$id\", \"emit\": \"calls.foreign\"}, 0]}"));
	line = await_event(g, "calls.foreign");
	cr_expect_not(strstr(line, "chain"), "%s", line);
	free(line);
	cr_expect_eq(metric(g, "supd_plugin_calls_stray_total", "b"), 1);
	run_end(g);
}

/* b is cancelled, because a's call is late; what it then says is still known
 * as a's. */
Test(chains, a_cancelled_request_still_has_its_chain)
{
	struct gateway_run *g = start("");
	char *line;

	ctl_destroy(call(g, "a.do",
		"{\"as\": \"own\", \"call\": [\"tool\", \"b.do\", {\"as\": "
		"\"own\", \"wait\": true, \"emit\": \"calls.left\"}, 50]}"));
	line = await_event(g, "calls.left");
	cr_expect(strstr(line, "\"chain\": [\"a:do\", \"b:do\"]"), "%s", line);
	free(line);
	run_end(g);
}

Test(chains, a_call_after_the_deadline_of_its_request_is_late)
{
	struct gateway_run *g = start("");
	char *line;

	ctl_destroy(call(g, "a.do",
		"{\"call\": [\"tool\", \"b.do\", {\"as\": \"own\", \"wait\": "
		"true, \"emit\": \"calls.late\", \"call\": [\"tool\", "
		"\"a.left\", {}, 0]}, 50]}"));
	line = await_event(g, "calls.late");
	cr_expect(strstr(line, "timeout"), "%s", line);
	free(line);
	run_end(g);
}

/* The answer of b to a's call finds nobody: not the next generation either. */
Test(chains, an_answer_for_a_worker_that_is_gone_changes_nothing)
{
	struct gateway_run *g = start("");
	long pid = ctl_status_number(g, "a", "pid");
	const char *args[] = {"call", "tool", "a.do",
		"{\"as\": \"own\", \"call\": [\"tool\", \"b.hold\", {}, 0]}",
		NULL};
	struct ctl *c = ctl_begin(g, 0, args);

	ctl_await_number(g, "b", "inFlight", 1);
	run_announce(g, "killed by signal 9");
	kill((pid_t)pid, SIGKILL);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 1, "%s", c->out);
	ctl_destroy(c);
	ctl_await_state(g, "a", "serving");
	ctl_destroy(call(g, "b.free", "{}"));
	ctl_await_number(g, "b", "inFlight", 0);
	c = call(g, "a.strays", "{}");
	cr_expect_eq(strtol(c->out, NULL, 10), 0, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* A worker that was replaced gets the answer to its call, and answers. */
Test(chains, the_answer_reaches_the_generation_that_called)
{
	struct gateway_run *g = start("");
	const char *args[] = {"call", "tool", "a.do",
		"{\"as\": \"own\", \"call\": [\"tool\", \"b.hold\", {}, 0]}",
		NULL};
	struct ctl *c = ctl_begin(g, 0, args), *strays;

	ctl_await_number(g, "b", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	ctl_destroy(call(g, "b.free", "{}"));
	ctl_wait(c);
	cr_expect(strstr(c->out, "freed"), "%s%s", c->out, c->err);
	ctl_destroy(c);
	strays = call(g, "a.strays", "{}");
	cr_expect_eq(strtol(strays->out, NULL, 10), 0, "%s", strays->out);
	ctl_destroy(strays);
	run_end(g);
}
