/* The corners of a plugin's life on the built programs: what happens when two
 * of start, stop, reload, crash, HUP and the end of supd meet. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/notify.h"
#include "tests/system/harness/run.h"

TestSuite(core, .fini = run_fini, .timeout = 200);

static struct gateway_run *
start_fault(const char *defaults)
{
	struct gateway_run *g = run_create();

	run_defaults(g, defaults);
	run_add_fault(g);
	run_start(g);
	return g;
}

/* HUP, and waits until the configuration is in force. */
static void
apply(struct gateway_run *g)
{
	size_t from = capture_length(&g->log);

	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, from, "configuration applied");
}

static void
crash_and_await(struct gateway_run *g)
{
	long pid = ctl_status_number(g, "fault", "pid");
	struct answer a = http_get(g->http, "/fault/crash");
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;
	long now = pid;

	answer_finish(&a);
	while ((now == pid || now <= 0) && clock_ms() < deadline)
		now = ctl_status_number(g, "fault", "pid");
	ctl_await_state(g, "fault", "serving");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
}

static bool
await_count(const char *folder, unsigned count)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;

	while (files_count(folder) != count && clock_ms() < deadline)
		poll(NULL, 0, 10);
	return files_count(folder) == count;
}

/* ---- what is in force ---- */

Test(core, settings_that_failed_are_not_what_a_crash_restarts)
{
	struct gateway_run *g = start_fault("probation: 300ms");

	run_no_plugins(g);
	run_plugin(g, "fault", "use: fault, settings: {mode: exit_at_start}");
	apply(g);
	apply(g); /* nothing new in the file, nothing new in force */
	crash_and_await(g);
	run_end(g);
}

/* What had failed is tried again, though the file is what it was. */
Test(core, an_environment_that_failed_is_tried_again)
{
	struct gateway_run *g = start_fault("probation: 300ms");
	struct answer a;

	run_no_plugins(g);
	run_plugin(g, "fault", "use: fault, env: {OTHER: there}");
	run_fault(g, "fault", "exit_at_start", "");
	apply(g);
	run_fault(g, "fault", "", "");
	apply(g);
	a = http_get(g->http, "/fault/env");
	cr_expect(strstr(a.body, "OTHER=there"), "%s", a.body);
	answer_finish(&a);
	run_end(g);
}

Test(core, a_live_change_reaches_the_worker_that_runs)
{
	struct gateway_run *g =
		start_fault("probation: 0ms, drain_timeout: 60s");
	struct client c;
	struct answer a;
	long pid = ctl_status_number(g, "fault", "pid");

	cr_assert(client_open(&c, g->http));
	client_say(&c, "GET /fault/slow?20000 HTTP/1.1\r\nHost: a\r\n\r\n");
	ctl_await_number(g, "fault", "inFlight", 1);
	run_defaults(g, "probation: 0ms, drain_timeout: 50ms");
	apply(g);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_assert(client_read(&c, &a, false, 5000));
	cr_expect_eq(a.status, 504);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* ---- stages ---- */

Test(core, restarts_leave_two_stages)
{
	struct gateway_run *g = start_fault("probation: 0ms");
	char *stages = memory_format("%s/state/run/fault", g->dir);
	struct ctl *c;

	for (int i = 0; i < 3; i++) {
		long pid = ctl_status_number(g, "fault", "pid");

		c = ctl_expect(g, 0, "restart", "fault", NULL);
		cr_expect_eq(ctl_number(c, "previousPid"), pid);
		cr_expect_eq(ctl_number(c, "previousGeneration"), 1 + i);
		ctl_destroy(c);
	}
	cr_expect(await_count(stages, 2), "%u stages", files_count(stages));
	free(stages);
	run_end(g);
}

Test(core, a_crash_without_its_stage_starts_the_package)
{
	struct gateway_run *g = start_fault("probation: 0ms");
	char *stages = memory_format("%s/state/run/fault", g->dir);

	run_announce(g, "is damaged");
	files_remove_tree(stages);
	crash_and_await(g);
	cr_expect(files_exist(stages));
	free(stages);
	run_end(g);
}

/* Nothing can be written there, not even by root. */
static void
make_unwritable(struct gateway_run *g)
{
	char *plugins = memory_format("%s/state/plugins", g->dir);
	char *aside = memory_format("%s/aside", g->dir);

	run_announce(g, "state/plugins/fault");
	cr_assert(!rename(plugins, aside) && !symlink("/proc", plugins));
	free(plugins);
	free(aside);
}

static void
make_writable(struct gateway_run *g)
{
	char *plugins = memory_format("%s/state/plugins", g->dir);
	char *aside = memory_format("%s/aside", g->dir);

	cr_assert(!unlink(plugins) && !rename(aside, plugins));
	free(plugins);
	free(aside);
}

/* A full or read-only disk is no reason to stay down. */
Test(core, a_crash_whose_generation_cannot_be_noted_restarts_all_the_same)
{
	struct gateway_run *g = start_fault("probation: 0ms");

	make_unwritable(g);
	crash_and_await(g);
	make_writable(g);
	run_end(g);
}

/* The removal of a stage that was not used may come late: by then another
 * generation may run from a folder of that name. */
Test(core, a_late_removal_never_takes_the_stage_that_serves)
{
	struct gateway_run *g = run_create();
	char *large, *many, *stage;

	run_add_fault(g);
	run_package(g, "fault", "large");
	run_fault(g, "large", "", "prefix: /large");
	for (int i = 0; i < 4000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file-%d", i);
		many = run_package_file(g, "large", name);
		files_write(many, "%d\n", i);
		free(many);
	}
	run_plugin(g, "large", "namespace: large, probation: 0ms");
	run_start(g);
	stage = memory_format("%s/state/run/fault/2/plugin.yaml", g->dir);
	ctl_destroy(ctl_expect(g, 0, "reload", "large", NULL));
	/* The generation cannot be noted, so its stage is of no use. */
	make_unwritable(g);
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	make_writable(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	large = memory_format("%s/state/run/large", g->dir);
	ctl_destroy(ctl_expect(g, 0, "reload", "large", NULL));
	cr_expect(await_count(large, 2));
	ctl_destroy(ctl_expect(g, 0, "reload", "large", NULL));
	cr_expect(await_count(large, 2));
	cr_expect(files_exist(stage));
	free(large);
	free(stage);
	run_end(g);
}

/* ---- removal ---- */

static void
await_unknown(struct gateway_run *g, const char *id)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;
	int exit_code = 0;

	while (exit_code != 5 && clock_ms() < deadline) {
		struct ctl *c = ctl_run(g, "status", id, NULL);

		exit_code = c->exit_code;
		ctl_destroy(c);
	}
	cr_expect_eq(exit_code, 5, "%s is still there", id);
}

Test(core, a_plugin_taken_out_while_it_starts_is_gone)
{
	struct gateway_run *g = start_fault("stop_timeout: 200ms");

	run_signal(g, SIGTERM);
	cr_assert_eq(run_wait(g), 0);
	run_fault(g, "fault", "hang_at_start", "");
	run_spawn(g);
	run_await_log(g, 0, "starting in mode 'hang_at_start'");
	run_no_plugins(g);
	apply(g);
	await_unknown(g, "fault");
	run_end(g);
}

Test(core, a_plugin_put_back_while_its_old_worker_drains_serves)
{
	struct gateway_run *g = start_fault("probation: 0ms");
	struct client c;
	struct answer a;
	char *plugins = memory_copy_text(g->plugins);

	cr_assert(client_open(&c, g->http));
	client_say(&c, "GET /fault/slow?3000 HTTP/1.1\r\nHost: a\r\n\r\n");
	ctl_await_number(g, "fault", "inFlight", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_no_plugins(g);
	apply(g);
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	free(g->plugins);
	g->plugins = plugins;
	apply(g);
	ctl_await_state(g, "fault", "serving");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* ---- the end of supd ---- */

Test(core, what_is_cut_at_the_stop_deadline_is_told_so)
{
	struct gateway_run *g = start_fault("stop_timeout: 200ms");
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	client_say(&c, "GET /fault/slow?20000 HTTP/1.1\r\nHost: a\r\n\r\n");
	ctl_await_number(g, "fault", "inFlight", 1);
	run_signal(g, SIGTERM);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 504);
	answer_finish(&a);
	client_close(&c);
	cr_expect_eq(run_wait(g), 0);
	run_forget(g);
}

Test(core, a_second_term_with_work_in_flight_ends_it_cleanly)
{
	struct gateway_run *g = start_fault("probation: 10s");
	struct client c;

	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_assert(client_open(&c, g->http));
	client_say(&c, "GET /fault/slow?20000 HTTP/1.1\r\nHost: a\r\n\r\n");
	ctl_await_number(g, "fault", "inFlight", 1);
	run_signal(g, SIGTERM);
	run_await_log(g, 0, "stopping: ");
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	client_close(&c);
	run_forget(g);
}

Test(core, a_hup_before_readiness_does_not_claim_it)
{
	struct gateway_run *g = run_create();
	int notify = notify_listen(g);
	char *config = memory_format("%s/supd.yaml", g->dir);
	size_t from;

	run_add_fault(g);
	run_fault(g, "fault", "slow_start", "start_ms: 1500");
	g->may_grow = true; /* nobody looked when it was ready */
	run_spawn(g);
	run_await_log(g, 0, "starting in mode 'slow_start'");
	from = capture_length(&g->log);
	files_write(config, "plugins: [\n");
	free(config);
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration not applied");
	run_signal(g, SIGHUP);
	run_await_log(g, from, "configuration not applied");
	notify_await(notify, "; configuration refused: ", "READY=1");
	notify_await(notify, "READY=1", NULL);
	close(notify);
	run_end(g);
}

/* ---- many old workers ---- */

/* The oldest is ended although its stream still goes on. */
Test(core, too_many_old_workers_with_streams_end_the_oldest)
{
	struct gateway_run *g =
		start_fault("probation: 100ms, drain_timeout: 10ms, "
			    "max_retiring: 1");
	struct client c[3];

	for (int i = 0; i < 3; i++) {
		struct ctl *reloaded;

		cr_assert(client_open(&c[i], g->http));
		client_say(&c[i],
			"GET /fault/stream?65536 HTTP/1.1\r\nHost: a\r\n\r\n");
		ctl_await_number(g, "fault", "inFlight", i < 2 ? i + 1 : 2);
		reloaded = ctl_expect(g, 0, "reload", "fault", NULL);
		ctl_destroy(reloaded);
	}
	ctl_await_number(g, "fault", "inFlight", 1);
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
	run_end(g);
}

/* ---- what status says ---- */

Test(core, what_never_served_and_is_tried_again_is_starting)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_fault(g, "fault", "exit_at_start", "");
	run_announce(g, "plugin failed");
	g->may_grow = true;
	run_spawn(g);
	run_await_log(g, 0, "nothing serves it");
	ctl_await_number(g, "fault", "restarts", 1);
	ctl_await_state(g, "fault", "starting");
	run_end(g);
}
