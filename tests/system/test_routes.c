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
	run_announce(g, "plugin failed: crashed 1 time ");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: crashed 1 time ");
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

/* ---- what comes and goes is an event ---- */

/* The nth event routes.changed of the plugin, from 0; NULL: none. Borrowed. */
static const json_t *
changed(const struct ctl *events, const char *id, size_t n)
{
	json_t *event;
	size_t i;

	json_array_foreach(ctl_at(events, "events"), i, event)
	{
		const char *name =
			json_string_value(json_object_get(event, "event"));
		const char *of =
			json_string_value(json_object_get(event, "pluginId"));

		if (!strcmp(name, "routes.changed") && of && !strcmp(of, id) &&
			!n--)
			return json_object_get(event, "data");
	}
	return NULL;
}

static void
expect_counts(const json_t *data, int added, int removed)
{
	int in_added = -1, in_removed = -1, in_changed = -1;

	cr_assert(data);
	json_unpack((json_t *)(uintptr_t)data, "{s:{s:i, s:i, s:i}}", "counts",
		"added", &in_added, "removed", &in_removed, "changed",
		&in_changed);
	cr_expect_eq(in_added, added);
	cr_expect_eq(in_removed, removed);
	cr_expect_eq(in_changed, 0);
}

static void
expect_name(const json_t *data, const char *list, const char *name)
{
	const char *found = json_string_value(
		json_array_get(json_object_get(data, list), 0));

	cr_expect(found && !strcmp(found, name), "%s: %s", list,
		found ? found : "none");
}

static void
reload_with(struct gateway_run *g, const char *mode, const char *settings,
	int exit_code)
{
	run_fault(g, "fault", mode, settings);
	ctl_destroy(ctl_expect(g, exit_code, "reload", "a", NULL));
}

Test(routes, that_come_and_go_are_told_once_a_commit)
{
	struct gateway_run *g = start_two();
	struct ctl *c;
	int all;

	c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	all = (int)json_integer_value(json_object_get(
		json_object_get(changed(c, "a", 0), "counts"), "added"));
	cr_expect_gt(all, 10);
	cr_expect_null(changed(c, "a", 1));
	expect_counts(changed(c, "b", 0), all, 0);
	ctl_destroy(c);
	reload_with(g, "", "", 0);			  /* nothing */
	reload_with(g, "", "extra: true", 0);		  /* 1: one comes */
	reload_with(g, "exit_at_start", "", 1);		  /* nothing */
	reload_with(g, "", "", 0);			  /* 2: it goes */
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL)); /* its rows stay */
	ctl_destroy(ctl_expect(g, 0, "start", "a", NULL));
	ctl_destroy(ctl_expect(g, 0, "disable", "a", NULL)); /* 3 */
	c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	expect_counts(changed(c, "a", 1), 1, 0);
	expect_name(changed(c, "a", 1), "added", "http:GET /a/fault/extra");
	expect_counts(changed(c, "a", 2), 0, 1);
	expect_name(changed(c, "a", 2), "removed", "http:GET /a/fault/extra");
	expect_counts(changed(c, "a", 3), 0, all);
	cr_expect_null(changed(c, "a", 4));
	cr_expect_null(changed(c, "b", 1));
	ctl_destroy(c);
	run_end(g);
}

Test(routes, that_a_revert_takes_back_are_told)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_defaults(g, "probation: 20s");
	run_start(g);
	run_announce(g, "reverted");
	run_fault(g, "fault", "exit_after_swap",
		"exit_after_ms: 200, extra: true");
	ctl_destroy(
		ctl_expect(g, 1, "reload", "--wait", "settled", "fault", NULL));
	c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	expect_name(changed(c, "fault", 1), "added", "http:GET /fault/extra");
	expect_name(changed(c, "fault", 2), "removed", "http:GET /fault/extra");
	ctl_destroy(c);
	run_end(g);
}
