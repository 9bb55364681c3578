/* A file of rules is changed while a session is open: the new rules are in
 * force without a command, and the session goes on. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/plan.h"
#include "tests/system/session.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_rules, .fini = run_fini, .timeout = 300);

#define RULES "- {on: tool.before, enrich: {args.v: %d}}\n"

/* The filter is asked about calls of the tool `echo`, which gives back its
 * arguments. package: where the rules are; NULL: beside supd.yaml, as in
 * /etc/supd. The caller frees *path_out. */
static struct gateway_run *
prepare(const char *package, char **path_out)
{
	struct gateway_run *g = watch_prepare(SESSION_ADMIN WATCH_RELOAD);

	run_package(g, "filter", "filter");
	run_package(g, "echo", "echo");
	*path_out = package ? run_package_file(g, package, "rules.yaml")
			    : memory_format("%s/rules.yaml", g->dir);
	files_write(*path_out, RULES, 1);
	run_plugin(g, "echo", "use: echo");
	run_plugin(g, "filter", "watch: true, settings: {file: '%s'}",
		package ? "rules.yaml" : *path_out);
	return g;
}

/* What the rules made of a call. */
static long
call(struct session *s)
{
	json_t *answer = session_call(
		s, "tools.call", "{\"name\": \"echo\", \"args\": {\"v\": 0}}");
	json_t *result = json_object_get(answer, "result");
	long v = json_integer_value(json_object_get(result, "v"));

	cr_assert(result, "no result");
	json_decref(answer);
	return v;
}

static void
await_rules(struct session *s, long v)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);

	while (call(s) != v)
		cr_assert(patience_lasts(&p), "rules %ld are not in force", v);
}

/* Rules 1 serve. The session stays the same over all of it. */
static void
expect_new_rules_without_a_command(struct gateway_run *g, const char *path)
{
	struct session s;
	long pid, at = watch_generation(g, "filter");

	pid = ctl_status_number(g, "echo", "pid");
	session_open(&s, g, SESSION_OPS);
	cr_expect_eq(call(&s), 1);
	for (int v = 2; v <= 4; v++) {
		char text[64];

		snprintf(text, sizeof(text), RULES, v);
		if (v % 2)
			files_overwrite(path, text, strlen(text));
		else
			files_write(path, "%s", text);
		await_rules(&s, v);
	}
	cr_expect_eq(watch_generation(g, "filter"), at + 3);
	/* Rules that are wrong leave the old ones. */
	files_write(path, "- {on: nothing}\n");
	run_await_log(g, 0, "(watch)");
	await_rules(&s, 4);
	files_write(path, RULES, 5);
	await_rules(&s, 5);
	cr_expect_eq(s.close_code, 0);
	cr_expect_eq(session_error(session_call(&s, "ping", NULL)), 0);
	cr_expect_eq(ctl_status_number(g, "echo", "pid"), pid);
	session_close(&s);
	run_end(g);
}

Test(watch_rules, beside_the_configuration_are_in_force_without_a_command)
{
	char *path;
	struct gateway_run *g = prepare(NULL, &path);

	watch_start(g);
	watch_await_said(g, "filter", "mode", "inotify");
	expect_new_rules_without_a_command(g, path);
	free(path);
}

Test(watch_rules, in_the_package_are_in_force_without_a_command)
{
	char *path;
	struct gateway_run *g = prepare("filter", &path);

	watch_start(g);
	watch_await_said(g, "filter", "mode", "inotify");
	expect_new_rules_without_a_command(g, path);
	free(path);
}

Test(watch_rules, that_are_swept_are_in_force_without_a_command)
{
	char *path;
	struct gateway_run *g = prepare(NULL, &path);

	watch_confine(g, "-Ur", "echo 0 >/proc/sys/user/max_inotify_watches");
	run_start(g);
	watch_await_said(g, "filter", "mode", "sweep");
	expect_new_rules_without_a_command(g, path);
	free(path);
}

/* Nothing is missed while there is nobody to notice. */
Test(watch_rules, that_change_while_the_watching_process_is_down_are_in_force)
{
	char *path;
	struct gateway_run *g = prepare(NULL, &path);
	struct session s;
	pid_t watcher;

	watch_start(g);
	watch_await_said(g, "filter", "mode", "inotify");
	session_open(&s, g, SESSION_OPS);
	watcher = watch_process(g);
	cr_assert(watcher);
	run_announce(g, "watch: its process ended");
	cr_assert_eq(kill(watcher, SIGSTOP), 0);
	files_write(path, RULES, 2);
	cr_assert_eq(kill(watcher, SIGKILL), 0);
	await_rules(&s, 2);
	session_close(&s);
	free(path);
	run_end(g);
}
