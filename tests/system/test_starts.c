/* What keeps a plugin that was serving from coming back, and must not: first
 * starts of others, and descriptors that others hold. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/run.h"

TestSuite(starts, .fini = run_fini, .timeout = 200);

static void
kill_and_await_successor(struct gateway_run *g)
{
	long pid = ctl_status_number(g, "hello", "pid");

	kill((pid_t)pid, SIGKILL);
	ctl_await_number(g, "hello", "restarts", 1);
	ctl_await_state(g, "hello", "serving");
	cr_expect_neq(ctl_status_number(g, "hello", "pid"), pid);
}

Test(starts, a_crashed_plugin_does_not_queue_behind_first_starts)
{
	struct gateway_run *g = run_create();
	long places = 2 * sysconf(_SC_NPROCESSORS_ONLN);
	char *more = memory_copy_text("plugins:\n");

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "never_ready", "");
	run_start(g);
	for (long i = 0; i <= places; i++) {
		char *longer = memory_format("%s  never%ld: {use: fault, "
					     "mount: /n%ld, namespace: n%ld, "
					     "start_timeout: 120s}\n",
			more, i, i, i);

		free(more);
		more = longer;
	}
	plan_put_in(g, "more.yaml", more);
	run_signal(g, SIGHUP);
	/* Each start that has a place says so. */
	for (int looks = 0; looks < 500 &&
			    capture_count(&g->log, 0, "'never_ready'") < places;
		looks++)
		ctl_status_number(g, "hello", "pid");
	cr_assert_eq(capture_count(&g->log, 0, "'never_ready'"), places);
	g->may_grow = true;
	kill_and_await_successor(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	free(more);
	run_end(g);
}

/* Their turns come one after the other, each in a turn of the loop. */
Test(starts, queued_starts_that_fail_get_their_verdicts_in_order)
{
	enum { BROKEN = 40 };
	struct gateway_run *g = run_create();
	long places = 2 * sysconf(_SC_NPROCESSORS_ONLN);
	char *manifest = run_package_file(g, "broken", "plugin.yaml");
	char *log, *last;
	long before = 0, number;

	run_package(g, "hello", "hello");
	run_package(g, "hello", "broken");
	files_write(manifest, "no: manifest\n");
	for (long i = 0; i < places + BROKEN; i++) {
		char *id = memory_format("p%02ld", i);

		run_plugin(g, id, "use: %s, mount: /%s, namespace: %s",
			i < places ? "hello" : "broken", id, id);
		free(id);
	}
	run_spawn(g);
	last = memory_format("r-%ld rolled back", places + BROKEN);
	run_await_log(g, 0, last);
	log = capture_copy(&g->log);
	for (char *at = log; (at = strstr(at, " rolled back (start)")); at++) {
		char *line = at;

		while (strncmp(line, " r-", 3))
			line--;
		number = strtol(line + 3, NULL, 10);
		cr_expect(number > before, "r-%ld after r-%ld", number, before);
		before = number;
	}
	cr_expect_gt(before, 0);
	free(log);
	free(last);
	free(manifest);
	g->may_grow = true;
	run_end(g);
}

/* Whatever a plugin does with its starts, a person can stop it. */
Test(starts, one_that_hangs_gives_way_to_a_stop)
{
	static const char *const verbs[] = {"stop", "disable"};
	static const char *const start_args[] = {"start", "fault", NULL};
	struct gateway_run *g = run_create();

	run_package(g, "fault", "fault");
	run_fault(g, "fault", "never_ready", "");
	run_plugin(g, "fault", "use: fault, start_timeout: 120s");
	run_add_hello(g);
	run_spawn(g);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		size_t mark = capture_length(&g->log);
		struct ctl *c, *start = NULL;

		if (i)
			start = ctl_begin(g, 0, start_args);
		run_await_log(g, i ? mark : 0, "in mode 'never_ready'");
		c = ctl_expect(g, 0, verbs[i], "fault", NULL);
		cr_expect_lt(c->took_ms, 20000);
		ctl_destroy(c);
		run_await_log(g, mark, "ended, because the plugin is stopped");
		if (start) {
			ctl_wait(start);
			cr_expect_eq(start->exit_code, 1);
			ctl_destroy(start);
		}
		ctl_await_state(g, "fault", i ? "disabled" : "stopped");
		ctl_await_state(g, "hello", "serving");
		cr_expect_eq(http_status(g->http, "/hello"), 200);
	}
	g->may_grow = true;
	run_end(g);
}

Test(starts, a_reload_gives_way_to_a_stop_and_its_caller_hears_why)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *reload;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "never_ready", "");
	mark = capture_length(&g->log);
	reload = ctl_begin(g, 0, args);
	run_await_log(g, mark, "in mode 'never_ready'");
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	ctl_wait(reload);
	cr_expect_eq(reload->exit_code, 1);
	cr_expect(strstr(ctl_text(reload, "error"), "the plugin is stopped"),
		"%s", reload->out);
	ctl_destroy(reload);
	ctl_await_state(g, "fault", "stopped");
	run_end(g);
}

#define IDLE_CLIENTS 300

Test(starts, descriptors_that_clients_hold_do_not_fail_a_plugin)
{
	static struct client clients[IDLE_CLIENTS];
	struct gateway_run *g = run_create();

	g->wrapper[0] = "prlimit";
	g->wrapper[1] = "--nofile=200:200";
	run_add_hello(g);
	run_start(g);
	g->may_grow = true;
	for (int i = 0; i < IDLE_CLIENTS; i++)
		client_open(&clients[i], g->http);
	run_await_log(g, 0, "supd may have 200 files open");
	kill_and_await_successor(g);
	for (int i = 0; i < IDLE_CLIENTS; i++)
		client_close(&clients[i]);
	run_end(g);
}
