/* A plugin that was removed from the configuration and is configured again: it
 * starts from its package only, and its generations go on. */
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

TestSuite(comeback, .fini = run_fini, .timeout = 120);

static void
configure(struct gateway_run *g)
{
	plan_put_in(g, "fault.yaml", "plugins:\n  fault: {}\n");
}

static void
unconfigure(struct gateway_run *g)
{
	plan_put_in(g, "fault.yaml", "plugins: {}\n");
}

/* Generation 2 serves, and the stage of generation 1 is kept. */
static struct gateway_run *
start_two_generations(void)
{
	struct gateway_run *g = run_create();
	char *version;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "", "");
	run_defaults(g, "probation: 0ms, drain_timeout: 5m, "
			"crash: {early_max: 1, within: 5m}");
	run_announce(g, "plugin failed");
	run_announce(g, "cannot be loaded");
	configure(g);
	run_start(g);
	g->may_grow = true;
	ctl_await_state(g, "fault", "serving");
	version = run_package_file(g, "fault", "version");
	files_write(version, "2");
	free(version);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	return g;
}

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
restart(struct gateway_run *g)
{
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_start(g);
}

/* Returns the file for mend(). */
static char *
break_package(struct gateway_run *g)
{
	char *path = run_package_file(g, "fault", "fault.so");

	files_write(path, "broken meanwhile");
	return path;
}

static void
mend(char *path)
{
	char *copy = memory_format("cp %s/tests/plugins/fault.so %s.new && "
				   "mv %s.new %s",
		run_build_root(), path, path, path);

	cr_assert(!system(copy), "%s", copy);
	free(copy);
	free(path);
}

/* It failed as a new plugin with a broken package does. Once the package is
 * mended it starts, as a generation that was not used before. */
static void
expect_clean(struct gateway_run *g, size_t log_from, char *broken)
{
	static const char *const words[] = {
		"damaged", "missing", "staged copy", "older", "proven stage"};
	char *failure;
	struct ctl *c;

	ctl_await_state(g, "fault", "failed");
	failure = ctl_status_text(g, "fault", "failure");
	cr_expect(strstr(failure, "cannot be loaded"), "%s", failure);
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++) {
		cr_expect(!run_log_has(g, log_from, words[i]), "%s", words[i]);
		cr_expect(!strstr(failure, words[i]), "%s", failure);
	}
	free(failure);
	mend(broken);
	c = ctl_expect(g, 0, "start", "fault", NULL);
	cr_expect(ctl_number(c, "generation") > 3, "%s", c->out);
	ctl_destroy(c);
	await_stages(g, 1);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
}

Test(comeback, starts_from_the_package)
{
	struct gateway_run *g = start_two_generations();
	struct ctl *c;

	unconfigure(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	await_stages(g, 0);
	configure(g);
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_eq(ctl_number(c, "results.0.generation"), 3, "%s", c->out);
	ctl_destroy(c);
	await_stages(g, 1);
	run_end(g);
}

enum event { RESTART, APPLY };

/* It leaves the configuration, supd learns of that by the events of
 * `leaves`, and it comes back by `returns` with a package that is broken
 * meanwhile. */
static void
come_back_broken(const enum event *leaves, size_t count, enum event returns)
{
	struct gateway_run *g = start_two_generations();
	char *broken;
	size_t from;

	unconfigure(g);
	for (size_t i = 0; i < count; i++) {
		if (leaves[i] == RESTART)
			restart(g);
		else
			ctl_destroy(ctl_expect(g, 0, "apply", NULL));
		await_stages(g, 0);
	}
	broken = break_package(g);
	from = capture_length(&g->log);
	configure(g);
	if (returns == RESTART)
		restart(g);
	else
		ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	expect_clean(g, from, broken);
	run_end(g);
}

Test(comeback, with_a_broken_package_tries_no_copy)
{
	come_back_broken((enum event[]){APPLY}, 1, APPLY);
}

Test(comeback, after_a_restart_tries_no_copy)
{
	come_back_broken((enum event[]){APPLY, RESTART}, 2, APPLY);
}

/* supd was not running when the plugin left the configuration. */
Test(comeback, of_what_was_removed_between_two_supds_tries_no_copy)
{
	come_back_broken((enum event[]){RESTART}, 1, APPLY);
}

/* Nor was it when the plugin came back. */
Test(comeback, that_the_next_supd_sees_tries_no_copy)
{
	come_back_broken((enum event[]){RESTART}, 1, RESTART);
}

/* An old worker drains while a plugin of the same id begins. The copies of both
 * end with them. */
Test(comeback, beside_an_old_worker_tries_no_copy)
{
	struct gateway_run *g = start_two_generations();
	struct client slow;
	char *broken;
	size_t from;

	cr_assert(client_open(&slow, g->http));
	cr_assert(client_say(&slow, "GET /fault/slow?600000 HTTP/1.1\r\n"
				    "Host: x\r\n\r\n"));
	ctl_await_number(g, "fault", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	unconfigure(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	broken = break_package(g);
	from = capture_length(&g->log);
	configure(g);
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	client_close(&slow);
	expect_clean(g, from, broken);
	run_end(g);
}
