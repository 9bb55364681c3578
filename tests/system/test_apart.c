/* plan, apply, HUP, watch and the history agree about what each change takes:
 * another token a configure, other settings a reload; an added plugin is
 * started, a removed one is stopped; and a key that needs a restart of supd is
 * named with its file and line. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/botapi.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"

TestSuite(apart, .fini = run_fini, .timeout = 300);

#define SECOND_TOKEN "1001:second"

static struct botapi server;

static void
package_hello(struct gateway_run *g)
{
	char *file = run_package_file(g, "hello", "plugin.yaml");

	run_package(g, "hello", "hello");
	files_write(file, "name: hello\nversion: 1.0.0\nrun: hello.so\n");
	free(file);
}

/* The bot telegram, hello, and gone. */
static struct gateway_run *
start(const char *extra)
{
	struct gateway_run *g = run_create();

	botapi_start(&server);
	botapi_set(&server,
		"\"tokens\": [\"" BOTAPI_TOKEN "\", \"" SECOND_TOKEN "\"]");
	package_hello(g);
	botapi_add(g, &server, BOTAPI_TOKEN, "", "");
	run_plugin(g, "hello", "settings: {greeting: a}");
	run_plugin(g, "gone", "use: hello, mount: /g, namespace: g");
	plan_extra(g, extra);
	run_start(g);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	return g;
}

/* Another token, another setting, one plugin less, one more. */
static void
change(struct gateway_run *g, const char *extra)
{
	run_no_plugins(g);
	botapi_add(g, &server, SECOND_TOKEN, "", "");
	run_plugin(g, "hello", "settings: {greeting: b}");
	run_plugin(g, "fresh", "use: hello, mount: /f, namespace: f");
	plan_extra(g, extra);
	run_write_config(g);
}

static void
end(struct gateway_run *g)
{
	g->may_grow = true;
	run_end(g);
	botapi_end(&server);
}

static const struct {
	const char *id, *action, *mode;
} steps[] = {
	{"telegram", "configure", "configure"},
	{"hello", "reload", "overlap"},
	{"gone", "stop", "overlap"},
	{"fresh", "start", "overlap"},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void
expect_steps(struct ctl *c)
{
	for (size_t i = 0; i < STEPS; i++)
		plan_expect_step(c, steps[i].id, steps[i].action, NULL);
	cr_expect_eq(
		json_array_size(ctl_at(c, "plugins")), STEPS, "%s", c->out);
	plan_expect_change(
		c, "plugins.telegram.settings.token", "changed", "configure");
	plan_expect_change(
		c, "plugins.hello.settings.greeting", "changed", "reload");
	plan_expect_change(c, "plugins.gone", "removed", "reload");
	plan_expect_change(c, "plugins.fresh", "added", "reload");
}

/* The list has a receipt of each step, and no other. */
static void
expect_receipts(struct ctl *c)
{
	for (size_t i = 0; i < STEPS; i++) {
		json_t *row = plan_row(c, "results", "pluginId", steps[i].id);

		cr_assert(row, "%s: %s", steps[i].id, c->out);
		cr_expect_str_eq(plan_text(row, "kind"), steps[i].action);
		cr_expect_str_eq(plan_text(row, "mode"), steps[i].mode);
		cr_expect(json_is_true(json_object_get(row, "success")));
	}
	cr_expect_eq(json_array_size(ctl_at(c, "results")), STEPS);
}

/* Waits until the history has the same. */
static void
await_history(struct gateway_run *g, const char *trigger)
{
	struct patience p = patience_for(CTL_DEADLINE_MS);

	for (size_t i = 0; i < STEPS;) {
		struct ctl *c = ctl_expect(
			g, 0, "history", steps[i].id, "-n", "1", NULL);

		if (!strcmp(ctl_text(c, "receipts.0.kind"), steps[i].action) &&
			!strcmp(ctl_text(c, "receipts.0.trigger"), trigger)) {
			cr_expect(ctl_at(c, "receipts.0.cause.changes.0.class"),
				"%s", c->out);
			i++;
		} else {
			cr_assert(patience_lasts(&p), "%s: %s", steps[i].id,
				c->out);
		}
		ctl_destroy(c);
	}
}

Test(apart, plan_and_apply_say_what_each_change_takes)
{
	struct gateway_run *g = start("");
	long bot = ctl_status_number(g, "telegram", "pid");
	struct ctl *c;

	change(g, "");
	c = ctl_expect(g, 0, "plan", NULL);
	expect_steps(c);
	cr_expect_null(strstr(c->out, "restart"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "apply", NULL);
	expect_steps(c);
	expect_receipts(c);
	ctl_destroy(c);
	await_history(g, "supctl");
	cr_expect_eq(ctl_status_number(g, "telegram", "pid"), bot);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	end(g);
}

Test(apart, tables_of_plan_and_apply_use_the_same_words)
{
	static const char *const lines[] = {
		"configure plugins.telegram.settings.token changed",
		"reload    plugins.hello.settings.greeting changed",
		"stop      plugins.gone removed",
		"start     plugins.fresh added",
	};
	struct gateway_run *g = start("");
	char *out;

	change(g, "");
	out = shell_expect(g, 0, "$SUPCTL plan");
	cr_expect(strstr(out, "\nstop "), "%s", out);
	cr_expect(strstr(out, "\nstart "), "%s", out);
	cr_expect_null(strstr(out, "restart"), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL apply");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect(strstr(out, lines[i]), "no '%s': %s", lines[i], out);
	free(out);
	await_history(g, "supctl");
	end(g);
}

Test(apart, a_hup_does_the_same)
{
	struct gateway_run *g = start("");
	long bot = ctl_status_number(g, "telegram", "pid");

	change(g, "");
	run_signal(g, SIGHUP);
	await_history(g, "hup");
	cr_expect_eq(ctl_status_number(g, "telegram", "pid"), bot);
	end(g);
}

#define WATCH "reload: {watch: true, debounce: 60ms}\n"

Test(apart, a_save_of_a_watched_file_does_the_same)
{
	struct gateway_run *g = start(WATCH);
	long bot = ctl_status_number(g, "telegram", "pid");
	struct patience p = patience_for(CTL_DEADLINE_MS);
	bool is_watched = false;

	while (!is_watched) {
		struct ctl *c = ctl_expect(g, 0, "watch", "status", NULL);

		is_watched =
			!strcmp(ctl_text(c, "configuration.mode"), "inotify");
		cr_assert(is_watched || patience_lasts(&p), "%s", c->out);
		ctl_destroy(c);
	}
	change(g, WATCH);
	await_history(g, "watch");
	cr_expect_eq(ctl_status_number(g, "telegram", "pid"), bot);
	end(g);
}

/* The server's address, too, is only a setting of the bot. */
Test(apart, another_server_is_a_configure)
{
	struct gateway_run *g = start("");
	struct botapi first = server;
	json_t *row;
	struct ctl *c;

	botapi_start(&server);
	run_no_plugins(g);
	botapi_add(g, &server, BOTAPI_TOKEN, "", "");
	run_plugin(g, "hello", "settings: {greeting: a}");
	run_plugin(g, "gone", "use: hello, mount: /g, namespace: g");
	run_write_config(g);
	c = ctl_expect(g, 0, "apply", NULL);
	plan_expect_change(
		c, "plugins.telegram.settings.api", "changed", "configure");
	row = plan_row(c, "results", "pluginId", "telegram");
	cr_assert(row, "%s", c->out);
	cr_expect(json_is_true(json_object_get(row, "success")));
	ctl_destroy(c);
	botapi_await(&server, "polls", 1);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	botapi_end(&first);
	end(g);
}

/* The key is named with its place, and does not prevent the other changes. */
Test(apart, what_needs_a_restart_of_supd_says_so_and_where)
{
	struct gateway_run *g = start("");
	char *where = memory_format("%s/conf.d/20-more.yaml", g->dir);
	char *text = memory_format("state_dir: %s/other\n"
				   "\nlog: {format: json}\n",
		g->dir);
	json_t *row;
	struct ctl *c;

	change(g, "");
	plan_put_in(g, "20-more.yaml", text);
	c = ctl_expect(g, 0, "plan", NULL);
	expect_steps(c);
	plan_expect_change(c, "state_dir", "changed", "restart");
	row = plan_row(c, "changes", "path", "state_dir");
	cr_expect_str_eq(plan_text(row, "file"), where);
	cr_expect_eq(json_integer_value(json_object_get(row, "line")), 1);
	row = plan_row(c, "problems", "path", "state_dir");
	cr_assert(row, "%s", c->out);
	cr_expect_str_eq(plan_text(row, "file"), where);
	cr_expect(strstr(plan_text(row, "text"), "restarted"));
	ctl_destroy(c);
	run_announce(g, "state_dir takes effect only");
	c = ctl_expect(g, 8, "apply", NULL);
	expect_receipts(c);
	ctl_destroy(c);
	await_history(g, "supctl");
	free(where);
	free(text);
	end(g);
}

Test(apart, a_plugin_that_fails_hides_none_of_the_others)
{
	struct gateway_run *g = start("");
	json_t *row;
	struct ctl *c;

	run_package(g, "fault", "bad");
	run_fault(g, "bad", "fail_init", "");
	change(g, "");
	run_plugin(g, "bad", "mount: /x, namespace: x");
	run_write_config(g);
	run_announce(g, "plugin failed");
	c = ctl_expect(g, 8, "apply", NULL);
	for (size_t i = 0; i < STEPS; i++) {
		row = plan_row(c, "results", "pluginId", steps[i].id);
		cr_assert(row, "%s: %s", steps[i].id, c->out);
		cr_expect(json_is_true(json_object_get(row, "success")));
		cr_expect_str_eq(plan_text(row, "kind"), steps[i].action);
	}
	row = plan_row(c, "results", "pluginId", "bad");
	cr_assert(row, "%s", c->out);
	cr_expect(json_is_false(json_object_get(row, "success")));
	cr_expect_str_eq(plan_text(row, "kind"), "start");
	cr_expect(strstr(plan_text(row, "error"), "init failed"), "%s", c->out);
	ctl_destroy(c);
	end(g);
}
