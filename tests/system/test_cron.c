/* The package cron behind the built programs: jobs call what other plugins
 * register, and their last results outlive reloads and restarts. */
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
#include "tests/system/harness/run.h"

TestSuite(cron, .fini = run_fini, .timeout = 120);

static struct gateway_run *
create(const char *jobs)
{
	struct gateway_run *g = run_create();

	run_package(g, "cron", "cron");
	run_package(g, "echo", "echo");
	run_plugin(g, "echo", "use: echo");
	run_plugin(g, "cron", "settings: {jobs: [%s]}", jobs);
	return g;
}

/* What cron-status says of the first job: a value at a path in it. */
static long
status_number(struct gateway_run *g, const char *path)
{
	struct ctl *c =
		ctl_expect(g, 0, "call", "tool", "cron-status", "{}", NULL);
	char *whole = memory_format("jobs.0.%s", path);
	long number = ctl_number(c, whole);

	free(whole);
	ctl_destroy(c);
	return number;
}

static void
await_runs(struct gateway_run *g, long runs)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (status_number(g, "runs") < runs) {
		cr_assert_lt(clock_ms(), until, "no %ld runs", runs);
		poll(NULL, 0, 10);
	}
}

static void
run_now(struct gateway_run *g, int exit_code, const char *job)
{
	ctl_destroy(ctl_expect(g, exit_code, "schedule", "run", job, NULL));
}

static void
expect_status(struct gateway_run *g, const char *job, const char *path,
	const char *text)
{
	char *args = memory_format("{\"name\":\"%s\"}", job);
	struct ctl *c =
		ctl_expect(g, 0, "call", "tool", "cron-status", args, NULL);

	cr_expect_str_eq(ctl_text(c, path), text, "%s", c->out);
	free(args);
	ctl_destroy(c);
}

Test(cron, jobs_run_when_they_are_due)
{
	struct gateway_run *g = create(
		"{name: often, when: every 1s, call: {tool: echo, args: {a: "
		"hi}}}");

	run_start(g);
	await_runs(g, 2);
	expect_status(g, "often", "jobs.0.last.result.a", "hi");
	expect_status(g, "often", "jobs.0.call.tool", "echo");
	expect_status(g, "often", "jobs.0.when", "every 1s");
	cr_expect_eq(status_number(g, "failed"), 0);
	run_end(g);
}

Test(cron, jobs_call_tools_and_commands)
{
	struct gateway_run *g = create(
		"{name: tool, when: '@yearly', zone: Europe/Berlin, call: "
		"{tool: echo, args: {a: x}}}, {name: command, when: "
		"'0 3 * * *', call: {command: echo, args: two words}}");

	run_start(g);
	run_now(g, 0, "tool");
	run_now(g, 0, "command");
	expect_status(g, "tool", "jobs.0.last.result.a", "x");
	expect_status(g, "tool", "jobs.0.zone", "Europe/Berlin");
	expect_status(g, "command", "jobs.0.last.result", "two words");
	ctl_destroy(ctl_expect(g, 1, "call", "tool", "cron-status",
		"{\"name\":\"none\"}", NULL));
	run_end(g);
}

Test(cron, what_fails_is_logged_with_the_name_of_the_job)
{
	struct gateway_run *g = create(
		"{name: missing, when: '@yearly', call: {tool: nothing}}");

	run_start(g);
	run_announce(g, "job missing: tool nothing: ");
	run_announce(g, "schedule missing");
	run_now(g, 1, "missing");
	run_await_log(g, 0, "job missing: tool nothing: not_found");
	cr_expect_eq(status_number(g, "failed"), 1);
	run_end(g);
}

Test(cron, results_outlive_reloads_and_restarts)
{
	struct gateway_run *g = create(
		"{name: it, when: '@yearly', call: {tool: echo, args: 1}}");

	run_start(g);
	run_now(g, 0, "it");
	ctl_destroy(ctl_expect(g, 0, "reload", "cron", NULL));
	run_now(g, 0, "it");
	cr_expect_eq(status_number(g, "runs"), 2);
	cr_expect_eq(status_number(g, "last.result"), 1);
	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	run_start(g);
	cr_expect_eq(status_number(g, "runs"), 2);
	run_end(g);
}

Test(cron, changed_jobs_are_a_reload_and_bad_ones_keep_the_old)
{
	static const struct {
		const char *jobs, *says;
	} rows[] = {
		{"{name: it, when: '@yearly', call: {}}",
			"jobs: number 1 (it): call must name a tool"},
		{"{name: it, when: sometimes, call: {tool: echo}}",
			"sometimes"},
		{"{name: it, when: '@daily', zone: Mars/Base, call: {tool: "
		 "echo}}",
			"Mars/Base"},
	};
	struct gateway_run *g = create(
		"{name: it, when: '@yearly', call: {tool: echo, args: old}}");

	run_start(g);
	run_announce(g, "cron");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ctl *c;

		run_no_plugins(g);
		run_plugin(g, "echo", "use: echo");
		run_plugin(g, "cron", "settings: {jobs: [%s]}", rows[i].jobs);
		run_write_config(g);
		c = ctl_expect(g, 1, "apply", NULL);
		cr_expect(strstr(c->out, rows[i].says), "%s is not in %s%s",
			rows[i].says, c->out, c->err);
		ctl_destroy(c);
		run_now(g, 0, "it");
		expect_status(g, "it", "jobs.0.last.result", "old");
	}
	run_no_plugins(g);
	run_plugin(g, "echo", "use: echo");
	run_plugin(g, "cron",
		"settings: {jobs: [{name: it, when: '@daily', "
		"call: {tool: echo, args: new}}]}");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	run_now(g, 0, "it");
	expect_status(g, "it", "jobs.0.last.result", "new");
	run_end(g);
}
