/* Routes of several plugins on the built programs: mount and namespace,
 * conflicts, owners, and workers in other languages. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/run.h"

TestSuite(routes, .fini = run_fini, .timeout = 200);

static struct gateway_run *
start_two(void)
{
	struct gateway_run *g = run_create();

	run_package(g, "fault", "fault");
	run_fault(g, "fault", "", "");
	run_plugin(g, "a", "use: fault, mount: /a, namespace: a");
	run_plugin(g, "b", "use: fault, mount: /b, namespace: b");
	run_start(g);
	return g;
}

Test(routes, two_plugins_on_one_package_keep_apart)
{
	struct gateway_run *g = start_two();
	struct answer a;
	struct ctl *c;
	int pid_a = http_pid(g->http, "/a/fault");
	int pid_b = http_pid(g->http, "/b/fault");

	cr_expect_neq(pid_a, pid_b);
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	a = http_get(g->http, "/a/fault");
	cr_expect(strstr(a.body, "\"plugin\":\"a\""), "%s", a.body);
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "a.fault", "{}", NULL));
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "b.fault", "{}", NULL));
	ctl_destroy(ctl_expect(g, 5, "call", "tool", "fault", "{}", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_neq(http_pid(g->http, "/a/fault"), pid_a);
	cr_expect_eq(http_pid(g->http, "/b/fault"), pid_b);
	/* A package's name stands for its plugin only if there is one. */
	c = ctl_expect(g, 5, "reload", "fault", NULL);
	cr_expect(strstr(c->out, "a, b"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "reload", "--package", "fault", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2);
	ctl_destroy(c);
	run_end(g);
}

Test(routes, stopping_one_plugin_never_removes_a_row_of_another)
{
	struct gateway_run *g = start_two();
	struct load load = {.clients = 2};
	struct ctl *before, *after;

	load_start(&load, g->http, "/a/fault", "/a/fault/echo");
	before = ctl_expect(g, 0, "routes", "--plugin", "a", NULL);
	ctl_destroy(ctl_expect(g, 0, "stop", "b", NULL));
	ctl_destroy(ctl_expect(g, 0, "start", "b", NULL));
	ctl_destroy(ctl_expect(g, 0, "restart", "b", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "b", NULL));
	after = ctl_expect(g, 0, "routes", "--plugin", "a", NULL);
	cr_expect(json_equal(ctl_at(before, "routes"), ctl_at(after, "routes")),
		"%s%s", before->out, after->out);
	load_stop_clean(&load);
	ctl_destroy(before);
	ctl_destroy(after);
	run_end(g);
}

Test(routes, over_many_reloads_an_unchanged_plugin_never_answers_404)
{
	struct gateway_run *g = start_two();
	struct load load = {.clients = 4};

	load_start(&load, g->http, "/a/fault", "/a/fault/echo");
	for (int i = 0; i < 15; i++) {
		run_fault(g, "fault", "", i % 2 ? "" : "extra: true");
		ctl_destroy(ctl_expect(g, 0, "reload", "b", NULL));
		cr_expect_eq(http_status(g->http, "/b/fault/extra"),
			i % 2 ? 404 : 200);
	}
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	run_end(g);
}

Test(routes, a_conflict_at_start_is_refused_by_name_and_the_first_serves)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *failure;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "conflict", "");
	run_defaults(g, "crash: {early_max: 1, within: 1m}");
	run_plugin(g, "fault", "requires: [hello]");
	run_announce(g, "plugin failed: 1 early death");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: 1 early death");
	g->may_grow = true;
	ctl_await_state(g, "fault", "failed");
	failure = ctl_status_text(g, "fault", "failure");
	cr_expect(strstr(failure, "/hello") && strstr(failure, "'hello'"), "%s",
		failure);
	free(failure);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	c = ctl_expect(g, 0, "routes", "--plugin", "fault", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "routes")), 0);
	ctl_destroy(c);
	run_end(g);
}

/* ---- programs in any language ---- */

Test(routes, a_worker_without_any_sdk_serves_and_is_reloaded)
{
	struct gateway_run *g = run_create();
	struct load load = {.clients = 2};
	struct ctl *c;
	int pid;

	run_package(g, "raw-python", "raw-python");
	run_plugin(g, "raw-python", "enabled: true");
	run_start(g);
	pid = http_pid(g->http, "/raw");
	load_start(&load, g->http, "/raw", NULL);
	c = ctl_expect(g, 0, "reload", "raw-python", NULL);
	cr_expect_eq(ctl_number(c, "previousPid"), pid);
	cr_expect_eq(http_pid(g->http, "/raw"), ctl_number(c, "pid"));
	ctl_destroy(c);
	c = ctl_expect(g, 0, "call", "tool", "raw", "{\"k\":\"v\"}", NULL);
	cr_expect(strstr(c->out, "\"args\""), "%s", c->out);
	ctl_destroy(c);
	load_stop_clean(&load);
	load = (struct load){.clients = 2};
	pid = http_pid(g->http, "/raw");
	load_start(&load, g->http, "/raw", NULL);
	kill(pid, SIGKILL);
	load_await(&load, 20);
	load_stop_clean(&load);
	run_end(g);
}

Test(routes, a_program_that_writes_lines_is_seen_in_its_logs)
{
	struct gateway_run *g = run_create();
	char *manifest;
	struct ctl *c;

	run_add_fault(g);
	run_start(g);
	manifest = run_package_file(g, "fault", "plugin.yaml");
	files_write(manifest,
		"name: fault\nversion: 1.0.0\nexec: [sh, -c, "
		"\"echo to stdout; echo to stderr >&2; exit 7\"]\n");
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	cr_expect(strstr(c->out, "to stdout") && strstr(c->out, "to stderr"),
		"%s", c->out);
	cr_expect(strstr(ctl_text(c, "error"), "7"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "logs", "fault", NULL);
	cr_expect(strstr(c->out, "to stdout") && strstr(c->out, "to stderr"),
		"%s", c->out);
	ctl_destroy(c);
	free(manifest);
	run_end(g);
}
