/* plan, apply and scan on the built program: what each change costs, that a
 * plan does nothing, and that the verdict of an apply is true. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"

TestSuite(apply, .fini = run_fini, .timeout = 200);

/* ---- plan ---- */

Test(apply, a_plan_says_what_apply_does_and_does_nothing)
{
	struct gateway_run *g = run_create();
	char *marker = memory_format("%s/marker", g->dir), *before, *after;
	struct ctl *c;
	long hello, one, rows;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_plugin(g, "one",
		"use: fault, mount: /one, namespace: one, settings: {marker: "
		"\"%s\"}",
		marker);
	run_plugin(g, "gone", "use: fault, mount: /gone, namespace: gone");
	run_start(g);
	hello = ctl_status_number(g, "hello", "pid");
	one = ctl_status_number(g, "one", "pid");
	rows = plan_table_generation(g);
	before = files_read(marker);

	run_no_plugins(g);
	run_plugin(g, "hello", "enabled: true, hold_max: 7");
	run_plugin(g, "one",
		"use: fault, mount: /one, namespace: one, settings: {marker: "
		"\"%s\", mode: other}",
		marker);
	run_plugin(g, "fresh",
		"use: fault, mount: /fresh, namespace: fresh, settings: "
		"{marker: \"%s\"}",
		marker);
	plan_extra(g, "limits: {headers: 50}\n");
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	plan_expect_step(c, "hello", "live", "hold_max");
	plan_expect_step(c, "one", "reload", "settings");
	plan_expect_step(c, "fresh", "start", "added");
	plan_expect_step(c, "gone", "stop", "removed");
	plan_expect_change(c, "plugins.one.settings.mode", "added", "reload");
	plan_expect_change(c, "plugins.hello.hold_max", "changed", "live");
	plan_expect_change(c, "plugins.fresh", "added", "reload");
	plan_expect_change(c, "plugins.gone", "removed", "reload");
	plan_expect_change(c, "limits.headers", "changed", "live");
	cr_expect(!strstr(c->out, "other"), "values are not told: %s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "list", NULL));
	after = files_read(marker);
	cr_expect_str_eq(before, after, "no plugin code ran");
	cr_expect_eq(plan_table_generation(g), rows);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), hello);
	cr_expect_eq(ctl_status_number(g, "one", "pid"), one);
	cr_expect_eq(http_status(g->http, "/gone/fault"), 200);

	g->may_grow = true;
	c = ctl_expect(g, 0, "apply", NULL);
	plan_expect_step(c, "one", "reload", "settings");
	plan_expect_step(c, "gone", "stop", "removed");
	cr_expect(json_is_true(ctl_at(c, "success")));
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 3);
	cr_expect_str_eq(
		plan_text(plan_row(c, "results", "pluginId", "one"), "trigger"),
		"supctl");
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), hello);
	cr_expect_eq(ctl_status_number(g, "one", "generation"), 2);
	cr_expect_eq(http_status(g->http, "/gone/fault"), 404);
	cr_expect_eq(http_status(g->http, "/fresh/fault"), 200);
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "changes")), 0, "%s", c->out);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 0, "%s", c->out);
	ctl_destroy(c);
	free(before);
	free(after);
	free(marker);
	run_end(g);
}

Test(apply, only_what_differs_is_staged_and_a_touch_is_no_reload)
{
	struct gateway_run *g = run_create();
	char *library, *content;
	struct ctl *c;
	size_t mark;
	long pid;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	library = run_package_file(g, "hello", "plugin.yaml");
	content = files_read(library);
	files_overwrite(library, content, strlen(content));
	c = ctl_expect(g, 0, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "plugins")), 0, "%s", c->out);
	ctl_destroy(c);
	mark = capture_length(&g->log);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect(!run_log_has(g, mark, "queued->staging"),
		"what has not changed is not staged");
	run_fault(g, "fault", "odd", "");
	c = ctl_expect(g, 0, "plan", NULL);
	plan_expect_step(c, "fault", "reload", "digest");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	free(content);
	free(library);
	run_end(g);
}

/* ---- the verdict ---- */

Test(apply, a_broken_file_changes_nothing_and_is_told_by_its_place)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_hello(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	run_announce(g, "supd.yaml:");
	run_announce(g, "configuration not applied");
	run_no_plugins(g);
	run_plugin(g, "hello", "no_such_key: 1");
	plan_extra(g, "limits: {headers: many}\n");
	run_write_config(g);
	c = ctl_expect(g, 1, "plan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "problems")), 2, "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect_eq(ctl_number(c, "problems.0.line"), 5, "%s", c->out);
	cr_expect_eq(ctl_number(c, "problems.0.column"), 19, "%s", c->out);
	cr_expect(strstr(ctl_text(c, "problems.0.file"), "supd.yaml"));
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0);
	ctl_destroy(c);
	c = ctl_expect(g, 1, "scan", NULL);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	run_end(g);
}

Test(apply,
	a_failing_plugin_leaves_the_others_applied_and_the_exit_code_says_so)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_fault(g);
	run_package(g, "fault", "two");
	run_fault(g, "two", "", "prefix: /two");
	run_plugin(g, "two", "use: two, namespace: two");
	run_start(g);
	pid = ctl_status_number(g, "two", "pid");
	run_fault(g, "fault", "fine", "");
	run_fault(g, "two", "exit_at_start", "prefix: /two");
	c = ctl_expect(g, 8, "apply", NULL);
	cr_expect(json_is_false(ctl_at(c, "success")));
	cr_expect(json_is_true(json_object_get(
		plan_row(c, "results", "pluginId", "fault"), "success")));
	cr_expect(json_is_false(json_object_get(
		plan_row(c, "results", "pluginId", "two"), "success")));
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	cr_expect_eq(ctl_status_number(g, "two", "pid"), pid);
	/* It still differs: the only one, and it fails again. */
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	run_fault(g, "two", "good", "prefix: /two");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(g->http, "/two/fault"), 200);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	run_end(g);
}

Test(apply,
	what_only_a_restart_changes_is_told_each_time_and_the_rest_is_applied)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_start(g);
	plan_extra(g, "state_dir: /nowhere/else\n");
	run_write_config(g);
	c = ctl_expect(g, 0, "plan", NULL);
	plan_expect_change(c, "state_dir", "changed", "restart");
	ctl_destroy(c);
	for (int i = 0; i < 2; i++) {
		c = ctl_expect(g, 1, "apply", NULL);
		cr_expect_str_eq(ctl_text(c, "problems.0.path"), "state_dir");
		ctl_destroy(c);
	}
	plan_extra(g, "state_dir: /nowhere/else\nlimits: {headers: 50}\n");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 1, "apply", "--atomic", NULL));
	ctl_destroy(ctl_expect(g, 8, "apply", NULL));
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	run_announce(g, "state_dir takes effect only");
	run_end(g);
}

Test(apply, the_verdict_waits_for_a_plugin_that_was_busy)
{
	static const char *const args[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c, *reload;
	struct answer a;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 3000");
	mark = capture_length(&g->log);
	reload = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	run_fault(g, "fault", "after", "");
	c = ctl_expect(g, 6, "apply", "--atomic", NULL);
	cr_expect(strstr(c->out, "already in progress"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "apply", NULL);
	plan_expect_step(c, "fault", "reload", "busy");
	cr_expect_eq(ctl_number(c, "results.0.generation"), 3, "%s", c->out);
	ctl_destroy(c);
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"after\""), "%s", a.body);
	answer_finish(&a);
	ctl_wait(reload);
	cr_expect_eq(reload->exit_code, 0);
	ctl_destroy(reload);
	run_announce(g, "configuration not applied");
	run_end(g);
}

Test(apply, what_comes_during_a_pass_shares_the_next_one)
{
	static const char *const args[] = {"apply", NULL};
	struct gateway_run *g = run_create();
	struct ctl *calls[8];
	struct answer a;
	unsigned passes;
	size_t mark;

	run_add_fault(g);
	run_start(g);
	mark = capture_length(&g->log);
	run_fault(g, "fault", "slow_start", "start_ms: 500");
	calls[0] = ctl_begin(g, 0, args);
	run_await_log(g, mark, "starting in mode 'slow_start'");
	run_fault(g, "fault", "last", "");
	for (int i = 1; i < 8; i++)
		calls[i] = ctl_begin(g, 0, args);
	for (int i = 0; i < 8; i++) {
		ctl_wait(calls[i]);
		cr_expect_eq(calls[i]->exit_code, 0, "%s", calls[i]->err);
		ctl_destroy(calls[i]);
	}
	a = http_get(g->http, "/fault");
	cr_expect(strstr(a.body, "\"mode\":\"last\""), "%s", a.body);
	answer_finish(&a);
	passes = capture_count(&g->log, mark, "configuration applied in");
	/* The eight were begun before the first pass was over. */
	cr_expect(passes <= 3, "%u passes", passes);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 3);
	run_end(g);
}

Test(apply, what_is_added_waits_for_what_it_requires)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	size_t mark;
	char *log;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_start(g);
	g->may_grow = true;
	mark = capture_length(&g->log);
	run_plugin(g, "user",
		"use: fault, mount: /u, namespace: u, requires: [base]");
	run_plugin(g, "base",
		"use: fault, mount: /b, namespace: b, settings: {mode: "
		"slow_start, start_ms: 300}");
	run_write_config(g);
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 2, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.pluginId"), "base");
	cr_expect_str_eq(ctl_text(c, "results.1.trigger"), "supctl");
	ctl_destroy(c);
	log = capture_copy(&g->log);
	cr_expect(strstr(log + mark, "plugin=base gen=1 pid="));
	free(log);
	cr_expect_eq(http_status(g->http, "/u/fault"), 200);
	run_end(g);
}

/* Its environment without what names the plugin itself. */
static char *
environment_of(struct gateway_run *g, const char *path)
{
	struct answer a = http_get(g->http, path);
	char *kept = memory_copy_text(""), *rest = a.body, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *longer;

		if (!strncmp(line, "SUPD_", 5))
			line[strcspn(line, "=")] = '\0';
		longer = memory_format("%s%s\n", kept, line);
		free(kept);
		kept = longer;
	}
	answer_finish(&a);
	return kept;
}

Test(apply, what_is_added_gets_what_was_there_at_the_start)
{
	struct gateway_run *g = run_create();
	char *first, *late;
	struct answer a;
	struct ctl *c;

	run_package(g, "fault", "fault");
	run_plugin(g, "first",
		"use: fault, mount: /first, namespace: first, env: {TZ: UTC}, "
		"settings: {mode: m}");
	run_start(g);
	g->may_grow = true;
	run_plugin(g, "late",
		"use: fault, mount: /late, namespace: late, env: {TZ: UTC}, "
		"settings: {mode: m}");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	first = environment_of(g, "/first/fault/env");
	late = environment_of(g, "/late/fault/env");
	cr_expect(strstr(first, "TZ=UTC"), "%s", first);
	cr_expect_str_eq(first, late);
	free(first);
	free(late);
	a = http_get(g->http, "/late/fault");
	cr_expect(strstr(a.body, "\"mode\":\"m\""), "%s", a.body);
	answer_finish(&a);
	c = ctl_expect(g, 0, "logs", "late", NULL);
	cr_expect(strstr(c->out, "starting in mode 'm'"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- files and ways in ---- */

Test(apply, a_file_added_to_conf_d_is_applied)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_start(g);
	g->may_grow = true;
	plan_put_in(g, "more.yaml", "plugins:\n  more: {use: fault}\n");
	c = ctl_expect(g, 0, "apply", NULL);
	plan_expect_change(c, "plugins.more", "added", "reload");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	plan_put_in(g, "more.yaml", "plugins: {}\n");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	run_end(g);
}

Test(apply, scan_starts_what_was_added_and_touches_nothing_else)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long fault;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	fault = ctl_status_number(g, "fault", "pid");
	g->may_grow = true;
	run_fault(g, "fault", "changed", "");
	run_package(g, "fault", "late");
	run_no_plugins(g);
	run_plugin(g, "fault", "use: fault, hold_max: 3");
	run_plugin(g, "fresh", "use: late, mount: /fresh, namespace: fresh");
	run_plugin(g, "off", "use: late, mount: /off, enabled: false");
	run_write_config(g);
	c = ctl_expect(g, 0, "scan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.pluginId"), "fresh");
	cr_expect(
		!plan_row(c, "changes", "path", "plugins.hello"), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fresh/fault"), 200);
	cr_expect_eq(http_status(g->http, "/hello"), 200, "nothing is stopped");
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), fault);
	c = ctl_expect(g, 0, "scan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	ctl_destroy(c);
	/* The apply that follows does the rest, and does not start it again. */
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect(!plan_row(c, "results", "pluginId", "fresh"), "%s", c->out);
	cr_expect(
		!plan_row(c, "changes", "path", "plugins.fresh"), "%s", c->out);
	plan_expect_step(c, "hello", "stop", "removed");
	plan_expect_step(c, "fault", "reload", "digest");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/hello"), 404);
	run_end(g);
}

Test(apply, scan_starts_what_had_no_package_before)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_hello(g);
	plan_put_in(g, "late.yaml", "plugins:\n  late: {}\n");
	run_announce(g, "package 'late' not found");
	run_defaults(g, "crash: {early_max: 1, within: 1m}");
	run_spawn(g);
	run_await_log(g, 0, "plugin failed: ");
	ctl_await_state(g, "hello", "serving");
	ctl_await_state(g, "late", "failed");
	c = ctl_expect(g, 0, "scan", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	cr_expect(strstr(ctl_text(c, "problems.0.text"), "not found in"), "%s",
		c->out);
	ctl_destroy(c);
	run_package(g, "fault", "late");
	c = ctl_expect(g, 0, "scan", NULL);
	plan_expect_step(c, "late", "start", "package found");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	g->may_grow = true;
	run_end(g);
}

Test(apply, a_package_that_is_gone_or_broken_is_told_and_serves_on)
{
	struct gateway_run *g = run_create();
	char *folder, *away, *manifest;
	struct ctl *c;
	long pid;

	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "fault", "pid");
	manifest = run_package_file(g, "fault", "plugin.yaml");
	files_write(manifest, "name: fault\nversion: 1.0.0\nrun: fault.so\n"
			      "nonsense: 1\n");
	run_announce(g, "unknown key 'nonsense'");
	run_announce(g, "' not found in ");
	run_announce(g, "configuration not applied");
	c = ctl_expect(g, 1, "plan", NULL);
	cr_expect_eq(ctl_number(c, "problems.0.line"), 4, "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	folder = memory_format("%s/packages/fault", g->dir);
	away = memory_format("%s/packages/away", g->dir);
	cr_assert(!rename(folder, away));
	ctl_destroy(ctl_expect(g, 1, "plan", NULL));
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(ctl_text(c, "problems.0.text"), "not found in"), "%s",
		c->out);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	cr_assert(!rename(away, folder));
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(
		ctl_status_number(g, "fault", "pid"), pid, "it is what runs");
	free(manifest);
	free(folder);
	free(away);
	run_end(g);
}

Test(apply, reload_of_what_changed_reloads_just_that)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	long pid;

	run_add_hello(g);
	run_add_fault(g);
	run_start(g);
	pid = ctl_status_number(g, "hello", "pid");
	c = ctl_expect(g, 0, "reload", "--changed", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 0, "%s", c->out);
	ctl_destroy(c);
	run_fault(g, "fault", "changed", "");
	c = ctl_expect(g, 0, "reload", "--plan", "fault", "hello", NULL);
	plan_expect_step(c, "fault", "reload", "digest");
	plan_expect_step(c, "hello", "none", NULL);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	c = ctl_expect(g, 0, "reload", "--changed", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.pluginId"), "fault");
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "hello", "pid"), pid);
	ctl_destroy(ctl_expect(g, 0, "reload", "--changed", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	run_end(g);
}

/* A problem of a whole file has no line. */
Test(apply, a_problem_without_a_line_is_told_with_its_file_and_once)
{
	struct gateway_run *g = run_create();
	char *folder = memory_format("%s/conf.d", g->dir);
	char *path = memory_format("%s/10.yml", folder);
	size_t mark;
	char *text;

	run_add_hello(g);
	run_start(g);
	cr_assert_eq(mkdir(folder, 0755), 0);
	files_write(path, "{}\n");
	text = shell_expect(g, 0, "\"$SUPCTL\" plan");
	cr_expect(strstr(text, "10.yml: warning: is not read"), "%s", text);
	free(text);
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied");
	cr_expect(run_log_has(g, mark, "10.yml: is not read"));
	plan_extra(g, "reload: {on_sighup: advise}\n");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "nothing was applied");
	cr_expect(run_log_has(g, mark, "10.yml: is not read"));
	free(path);
	free(folder);
	run_end(g);
}

Test(apply, a_hup_only_advises_where_the_file_says_so)
{
	struct gateway_run *g = run_create();
	size_t mark;

	run_add_fault(g);
	plan_extra(g, "reload: {on_sighup: advise}\n");
	run_start(g);
	run_fault(g, "fault", "changed", "");
	mark = capture_length(&g->log);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "nothing was applied");
	cr_expect(run_log_has(g, mark, "plan: reload fault [\"digest\"]"));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 1);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
	run_end(g);
}
