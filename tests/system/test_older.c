/* The stage that was proven before the present one: it is started when the
 * present one is damaged and the package does not start either, and everybody
 * is told so until a reload succeeds. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/run.h"

TestSuite(older, .fini = run_fini, .timeout = 120);

/* A new file, so that a running worker keeps the old one. */
static void
damage_stage(struct gateway_run *g, unsigned generation)
{
	char *code = memory_format(
		"%s/state/run/fault/%u/fault.so", g->dir, generation);

	cr_assert(files_exist(code), "%s", code);
	files_write(code, "not what was proven");
	free(code);
}

static void
write_package(struct gateway_run *g, const char *file, const char *text)
{
	char *path = run_package_file(g, "fault", file);

	files_write(path, "%s", text);
	free(path);
}

/* Until nothing is left that a crash could go back to at once. */
static struct ctl *
reload(struct gateway_run *g)
{
	return ctl_expect(g, 0, "reload", "--wait", "settled", "fault", NULL);
}

/* Generation 2 serves, and the stage of generation 1 is kept. */
static struct gateway_run *
start_two_generations(char **first_digest_out)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_defaults(g, "probation: 0ms, crash: {early_max: 3, within: 5m}");
	run_announce(g, "died");
	run_announce(g, "is damaged");
	run_announce(g, "an older version runs");
	run_start(g);
	g->may_grow = true;
	*first_digest_out = ctl_status_text(g, "fault", "digest");
	write_package(g, "version", "2");
	ctl_destroy(reload(g));
	return g;
}

static void
break_package(struct gateway_run *g)
{
	write_package(g, "fault.so", "broken meanwhile");
}

static void
mend_package(struct gateway_run *g)
{
	char *from =
		memory_format("%s/tests/plugins/fault.so", run_build_root());
	char *to = run_package_file(g, "fault", "fault.so");
	char *copy =
		memory_format("cp %s %s.new && mv %s.new %s", from, to, to, to);

	cr_assert(!system(copy), "%s", copy);
	free(copy);
	free(from);
	free(to);
}

static void
crash(struct gateway_run *g)
{
	int pid = http_pid(g->http, "/fault"), now = pid;
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	kill(pid, SIGKILL);
	while (now == pid || now < 0) {
		cr_assert(clock_ms() < until, "process %d stays", pid);
		now = (int)ctl_status_number(g, "fault", "pid");
	}
	ctl_await_state(g, "fault", "serving");
}

static void
expect_older(struct gateway_run *g, const char *digest)
{
	char *why = ctl_status_text(g, "fault", "runsOlder");
	char *now = ctl_status_text(g, "fault", "digest");

	cr_expect_eq(http_status(g->http, "/fault"), 200);
	cr_expect_str_eq(now, digest);
	cr_expect(strstr(why, "generation 1"), "%s", why);
	cr_expect(strstr(why, "the package does not start"), "%s", why);
	cr_expect(strstr(why, "damaged"), "%s", why);
	free(why);
	free(now);
}

static void
expect_event(struct gateway_run *g, const char *name)
{
	struct ctl *c = ctl_expect(g, 0, "events", NULL);

	cr_expect(strstr(c->out, name), "%s", name);
	ctl_destroy(c);
}

Test(older, one_runs_when_stage_and_package_are_broken)
{
	char *digest, *why;
	struct gateway_run *g = start_two_generations(&digest);
	struct ctl *c;

	damage_stage(g, 2);
	break_package(g);
	crash(g);
	expect_older(g, digest);
	cr_expect(run_log_has(
		g, 0, "an older version runs: version 1.0.0 of generation 1"));
	expect_event(g, "plugin.runs_older");
	why = ctl_status_text(g, "fault", "lastReload.id");
	c = ctl_expect(g, 0, "history", "fault", NULL);
	cr_expect(strstr(c->out, "older proven stage"), "%s", c->out);
	ctl_destroy(c);
	free(why);

	/* It is what a crash starts from now on. */
	crash(g);
	expect_older(g, digest);

	/* A reload that fails leaves it, one that succeeds ends it. */
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	expect_older(g, digest);
	mend_package(g);
	ctl_destroy(reload(g));
	why = ctl_status_text(g, "fault", "runsOlder");
	cr_expect_str_empty(why);
	free(why);
	free(digest);
	run_end(g);
}

Test(older, one_is_still_said_to_run_by_the_next_supd)
{
	char *digest;
	struct gateway_run *g = start_two_generations(&digest);

	damage_stage(g, 2);
	break_package(g);
	crash(g);
	expect_older(g, digest);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_start(g);
	ctl_await_state(g, "fault", "serving");
	expect_older(g, digest);
	free(digest);
	run_end(g);
}

Test(older, one_is_found_by_the_next_supd)
{
	char *digest;
	struct gateway_run *g = start_two_generations(&digest);

	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	damage_stage(g, 2);
	break_package(g);
	run_start(g);
	ctl_await_state(g, "fault", "serving");
	expect_older(g, digest);
	free(digest);
	run_end(g);
}

Test(older, a_damaged_one_is_not_run_and_all_three_causes_are_named)
{
	char *digest, *failure;
	struct gateway_run *g = start_two_generations(&digest);

	run_announce(g, "plugin failed");
	damage_stage(g, 2);
	damage_stage(g, 1);
	break_package(g);
	kill(http_pid(g->http, "/fault"), SIGKILL);
	ctl_await_state(g, "fault", "failed");
	failure = ctl_status_text(g, "fault", "failure");
	cr_expect(strstr(failure, "cannot be loaded"), "%s", failure);
	cr_expect(strstr(failure, "generation 2 is damaged"), "%s", failure);
	cr_expect(strstr(failure, "generation 1 is damaged"), "%s", failure);
	cr_expect(run_log_has(g, 0, failure));
	free(failure);

	mend_package(g);
	ctl_destroy(ctl_expect(g, 0, "start", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	free(digest);
	run_end(g);
}

/* Its routes are another plugin's by now. */
Test(older, one_that_does_not_start_fails_the_plugin)
{
	struct gateway_run *g = run_create();
	char *failure;

	run_add_fault(g);
	run_fault(g, "fault", "", "prefix: /old");
	run_defaults(g, "probation: 0ms, crash: {early_max: 3, within: 5m}");
	run_announce(g, "died");
	run_announce(g, "is damaged");
	run_announce(g, "plugin failed");
	run_start(g);
	g->may_grow = true;
	run_fault(g, "fault", "", "");
	ctl_destroy(reload(g));
	run_package(g, "fault", "other");
	run_fault(g, "other", "", "prefix: /old");
	plan_put_in(g, "other.yaml", "plugins:\n  other: {namespace: other}\n");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));

	damage_stage(g, 2);
	break_package(g);
	kill(http_pid(g->http, "/fault"), SIGKILL);
	ctl_await_state(g, "fault", "failed");
	failure = ctl_status_text(g, "fault", "failure");
	cr_expect(strstr(failure, "taken by plugin 'other'"), "%s", failure);
	cr_expect(strstr(failure, "generation 2 is damaged"), "%s", failure);
	cr_expect(strstr(failure, "the package does not start"), "%s", failure);
	cr_expect(strstr(failure, "cannot be loaded"), "%s", failure);
	free(failure);
	run_end(g);
}

/* ---- what is kept ---- */

static void
await_stages(struct gateway_run *g, unsigned count)
{
	char *folder = memory_format("%s/state/run/fault", g->dir);
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (files_count(folder) != count)
		cr_assert(clock_ms() < until, "%u stages instead of %u",
			files_count(folder), count);
	free(folder);
}

static void
expect_stage(struct gateway_run *g, unsigned generation)
{
	char *path = memory_format(
		"%s/state/run/fault/%u/fault.so", g->dir, generation);

	cr_expect(files_exist(path), "%s", path);
	free(path);
}

Test(older, one_is_kept_and_no_more)
{
	char *digest;
	struct gateway_run *g = start_two_generations(&digest);

	for (unsigned last = 3; last <= 5; last++) {
		ctl_destroy(reload(g));
		await_stages(g, 2);
		expect_stage(g, last);
		expect_stage(g, last - 1);
	}
	/* Neither a crash nor a reload that fails changes that. */
	crash(g);
	break_package(g);
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	await_stages(g, 2);
	expect_stage(g, 5);
	expect_stage(g, 4);
	/* Nor does a start that clears up. */
	run_signal(g, SIGTERM);
	run_wait(g);
	run_start(g);
	ctl_await_state(g, "fault", "serving");
	await_stages(g, 2);
	expect_stage(g, 5);
	expect_stage(g, 4);
	free(digest);
	run_end(g);
}

Test(older, one_goes_with_its_plugin)
{
	char *digest;
	struct gateway_run *g = start_two_generations(&digest);

	await_stages(g, 2);
	run_no_plugins(g);
	run_package(g, "hello", "hello");
	run_plugin(g, "hello", "use: hello");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	await_stages(g, 0);
	free(digest);
	run_end(g);
}
