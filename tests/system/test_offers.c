/* Workers that replace their registrations while they serve, on the built
 * programs. */
#include <criterion/criterion.h>
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

TestSuite(offers, .fini = run_fini, .timeout = 200);

#define FIRST_TOOLS 6 /* of raw-calls */

/* Plugins a and b, whose tools are "a.do" and so on. */
static struct gateway_run *
start_more(const char *entry)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-calls", "calls");
	run_plugin(g, "a", "use: calls, namespace: a%s", entry);
	run_plugin(g, "b", "use: calls, namespace: b");
	run_start(g);
	return g;
}

static struct gateway_run *
start(void)
{
	return start_more("");
}

/* What `do` of plugin a answers. The caller frees. */
static char *
offer(struct gateway_run *g, const char *names)
{
	char *args = memory_format("{\"offer\": %s}", names), *answer;
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "a.do", args, NULL);

	answer = memory_copy_text(c->out);
	ctl_destroy(c);
	free(args);
	return answer;
}

static void
expect_offered(struct gateway_run *g, const char *names)
{
	char *answer = offer(g, names);

	cr_expect_str_eq(answer, "null\n", "%s", answer);
	free(answer);
}

/* Of this code, with this in its text. */
static void
expect_refused(struct gateway_run *g, const char *names, const char *code,
	const char *why)
{
	char *answer = offer(g, names);

	cr_expect(strstr(answer, code) && strstr(answer, why), "%s: %s", names,
		answer);
	free(answer);
}

static bool
has_tool(struct gateway_run *g, const char *name)
{
	struct ctl *c = ctl_run(g, "call", "tool", name, "{}", NULL);
	bool has = c->exit_code == 0;

	ctl_destroy(c);
	return has;
}

/* How many tools supd lists for plugin a. */
static long
tools_of(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(
		g, 0, "routes", "--plugin", "a", "--kind", "tool", NULL);
	long count = (long)json_array_size(ctl_at(c, "routes"));

	ctl_destroy(c);
	return count;
}

static unsigned
count_events(struct gateway_run *g, const char *name)
{
	struct ctl *c = ctl_expect(g, 0, "events", NULL);
	char *key = memory_format("\"event\": \"%s\"", name);
	unsigned count = 0;

	for (const char *at = c->out; (at = strstr(at, key)); at++)
		count++;
	ctl_destroy(c);
	free(key);
	return count;
}

Test(offers, replace_the_whole_set_in_one_step)
{
	struct gateway_run *g = start();
	long pid = ctl_status_number(g, "a", "pid");
	unsigned changes;
	struct answer a;

	expect_offered(g, "[\"GET /first\", \"left\", \"GET /second\"]");
	cr_expect(has_tool(g, "a.left"));
	cr_expect_not(has_tool(g, "a.id"));
	cr_expect_eq(tools_of(g), 2);
	a = http_get(g->http, "/second");
	cr_expect_str_eq(a.body, "2");
	answer_finish(&a);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	cr_expect_eq(count_events(g, "plugin.offered"), 1);
	changes = count_events(g, "routes.changed");

	/* the same rows under other indices */
	expect_offered(g, "[\"GET /second\", \"GET /first\", \"left\"]");
	a = http_get(g->http, "/second");
	cr_expect_str_eq(a.body, "0");
	answer_finish(&a);
	cr_expect_eq(count_events(g, "routes.changed"), changes);

	expect_offered(g, "[\"id\"]");
	cr_expect_eq(http_status(g->http, "/first"), 404);
	cr_expect_not(has_tool(g, "a.left"));
	cr_expect_eq(count_events(g, "plugin.offered"), 2);
	cr_expect_eq(count_events(g, "routes.changed"), changes + 1);
	run_end(g);
}

Test(offers, that_are_refused_change_nothing)
{
	struct gateway_run *g = start();

	expect_offered(g, "[\"GET /mine\", \"id\"]");
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "b.do",
		"{\"offer\": [\"GET /theirs\"]}", NULL));
	expect_refused(g, "[\"left\", \"GET /theirs\"]", "conflict",
		"taken by plugin 'b'");
	expect_refused(g, "[\"left\", \"left\"]", "bad_message", "left");
	expect_refused(g, "[\"left\", {\"kind\": \"tool\"}]", "bad_message",
		"registration 1");
	expect_refused(g, "[\"left\", \"GET /api/x\"]", "conflict",
		"the gateway's own");
	expect_refused(
		g, "[{\"kind\": \"nothing\"}]", "bad_message", "unknown kind");
	cr_expect(has_tool(g, "a.id"));
	cr_expect_not(has_tool(g, "a.left"));
	cr_expect_eq(http_status(g->http, "/mine"), 200);
	cr_expect_eq(count_events(g, "plugin.offered"), 2);
	run_end(g);
}

Test(offers, must_have_what_the_manifest_keeps)
{
	struct gateway_run *g = run_create();
	char *path;

	run_package(g, "raw-calls", "calls");
	path = run_package_file(g, "calls", "plugin.yaml");
	files_write(path,
		"name: raw-calls\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"keep: [tool:left, tool:id]\n");
	run_plugin(g, "a", "use: calls, namespace: a");
	run_start(g);
	expect_refused(g, "[\"left\"]", "conflict", "tool:id is missing");
	expect_offered(g, "[\"id\", \"left\"]");
	cr_expect_eq(tools_of(g), 3);
	free(path);
	run_end(g);
}

/* Nobody knows yet whether the candidate's set will be the one in force. */
Test(offers, wait_for_the_end_of_a_reload)
{
	struct gateway_run *g = run_create();
	char *gate = memory_format("%s/gate", g->dir);
	const char *args[] = {"reload", "a", NULL};
	struct ctl *reload;

	files_write(gate, "open");
	run_package(g, "raw-calls", "calls");
	run_plugin(
		g, "a", "use: calls, namespace: a, settings: {gate: %s}", gate);
	run_start(g);
	remove(gate);
	reload = ctl_begin(g, 0, args);
	ctl_await_state(g, "a", "reloading");
	expect_refused(g, "[\"id\"]", "busy", "reload in progress");
	files_write(gate, "open");
	ctl_wait(reload);
	cr_expect_eq(reload->exit_code, 0, "%s", reload->err);
	ctl_destroy(reload);
	expect_offered(g, "[\"id\"]");
	free(gate);
	run_end(g);
}

static void
await_event(struct gateway_run *g, const char *name)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;

	while (!count_events(g, name) && clock_ms() < deadline)
		continue;
	cr_assert(count_events(g, name), "no %s", name);
}

Test(offers, of_a_worker_that_was_replaced_are_denied)
{
	struct gateway_run *g = start();
	long pid = ctl_status_number(g, "a", "pid");
	const char *args[] = {"call", "tool", "a.do",
		"{\"wait\": true, \"offer\": [], \"emit\": \"offers.late\"}",
		NULL};
	struct ctl *c = ctl_begin(g, 0, args);

	ctl_await_number(g, "a", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	kill((pid_t)pid, SIGUSR1);
	ctl_wait(c);
	cr_expect(strstr(c->out, "denied"), "%s%s", c->out, c->err);
	ctl_destroy(c);
	await_event(g, "offers.late");
	cr_expect_eq(tools_of(g), FIRST_TOOLS);
	run_end(g);
}

Test(offers, are_restored_by_a_revert_and_lost_in_a_crash)
{
	struct gateway_run *g = start_more(", probation: 60s");
	long pid;

	run_announce(g, "killed by signal 9");
	expect_offered(g, "[\"GET /extra\"]");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(http_status(g->http, "/extra"), 404);
	cr_expect_eq(tools_of(g), FIRST_TOOLS);
	pid = ctl_status_number(g, "a", "pid");
	kill((pid_t)pid, SIGKILL);
	ctl_await_number(g, "a", "generation", 1);
	cr_expect_eq(http_status(g->http, "/extra"), 200);
	cr_expect_eq(tools_of(g), 1);

	/* what starts has nothing but what its ready says */
	pid = ctl_status_number(g, "a", "pid");
	kill((pid_t)pid, SIGKILL);
	ctl_await_number(g, "a", "generation", 3);
	ctl_await_state(g, "a", "serving");
	cr_expect_eq(http_status(g->http, "/extra"), 404);
	cr_expect_eq(tools_of(g), FIRST_TOOLS);
	run_end(g);
}

/* A request that was sent before keeps its name in the chain. */
Test(offers, leave_requests_in_flight_as_they_are)
{
	struct gateway_run *g = start();
	const char *args[] = {"call", "tool", "a.do",
		"{\"as\": \"own\", \"wait\": true, \"emit\": \"offers.said\"}",
		NULL};
	struct ctl *c = ctl_begin(g, 0, args), *events;

	ctl_await_number(g, "a", "inFlight", 1);
	expect_offered(g, "[\"id\", \"left\"]");
	kill((pid_t)ctl_status_number(g, "a", "pid"), SIGUSR1);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->err);
	ctl_destroy(c);
	await_event(g, "offers.said");
	events = ctl_expect(g, 0, "events", NULL);
	cr_expect(strstr(events->out, "\"chain\": [\"a:do\"]"), "%s",
		events->out);
	ctl_destroy(events);
	run_end(g);
}

/* Of 100 in one message most are refused, and the last that was not is in
 * force. */
Test(offers, that_come_too_fast_are_refused)
{
	struct gateway_run *g = start();
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "a.do",
		"{\"offer\": [\"id\", \"left\"], \"times\": 100}", NULL);

	cr_expect_geq(json_array_size(c->json), 50, "%s", c->out);
	cr_expect(strstr(c->out, "busy"), "%s", c->out);
	ctl_destroy(c);
	cr_expect(has_tool(g, "a.id"));
	cr_expect_leq(count_events(g, "plugin.offered"), 50);
	run_end(g);
}

#define MANY 4000

/* They cost more, so fewer of them may come. */
Test(offers, of_many_registrations_are_few)
{
	struct gateway_run *g = start();
	char *args = memory_alloc(MANY * 16 + 100);
	size_t length = (size_t)sprintf(args, "{\"times\": 20, \"offer\": [");
	struct ctl *c;

	for (int i = 0; i < MANY; i++)
		length += (size_t)sprintf(
			args + length, "%s\"t%d\"", i ? "," : "", i);
	strcpy(args + length, "]}");
	c = ctl_expect(g, 0, "call", "tool", "a.do", args, NULL);
	cr_expect_geq(json_array_size(c->json), 10, "%s", c->out);
	ctl_destroy(c);
	cr_expect(has_tool(g, "b.left"));
	cr_expect_geq(tools_of(g), MANY);
	free(args);
	run_end(g);
}
