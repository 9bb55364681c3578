/* The history keeps for each transaction who asked, why, the outcome, and the
 * last lines of a worker that failed. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/run.h"

TestSuite(record, .fini = run_fini, .timeout = 300);

/* The plugin's last receipt, once its trigger and kind are these. */
static struct ctl *
await_last(struct gateway_run *g, const char *id, const char *trigger,
	const char *kind)
{
	struct patience p = patience_for(CTL_DEADLINE_MS);

	for (;;) {
		struct ctl *c =
			ctl_expect(g, 0, "history", id, "-n", "1", NULL);

		if (!strcmp(ctl_text(c, "receipts.0.trigger"), trigger) &&
			!strcmp(ctl_text(c, "receipts.0.kind"), kind))
			return c;
		cr_assert(patience_lasts(&p), "no %s by %s: %s", kind, trigger,
			c->out);
		ctl_destroy(c);
	}
}

static void
expect_cause(struct ctl *c, const char *text)
{
	cr_expect(strstr(ctl_text(c, "receipts.0.cause.text"), text),
		"not '%s': %s", text, c->out);
	ctl_destroy(c);
}

static struct gateway_run *
start_hello(const char *entry)
{
	struct gateway_run *g = run_create();

	run_package(g, "hello", "hello");
	run_plugin(g, "hello", "%s", entry);
	run_start(g);
	return g;
}

static void
hup_with(struct gateway_run *g, const char *entry)
{
	run_no_plugins(g);
	run_plugin(g, "hello", "%s", entry);
	run_write_config(g);
	run_signal(g, SIGHUP);
}

Test(record, names_the_keys_that_an_apply_found_changed_and_where)
{
	struct gateway_run *g = start_hello("settings: {a: 1}");
	char *begin =
		memory_format("settings.a changed (%s/supd.yaml:", g->dir);
	struct ctl *c;

	expect_cause(await_last(g, "hello", "start", "start"), "supd started");
	hup_with(g, "settings: {a: 2}, env: {B: x}");
	c = await_last(g, "hello", "hup", "reload");
	cr_expect(strstr(c->out, begin), "%s", c->out);
	cr_expect(strstr(c->out, "\"env.B added ("), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "receipts.0.cause.changes.0.path"),
		"plugins.hello.env.B");
	cr_expect_str_eq(
		ctl_text(c, "receipts.0.cause.changes.1.class"), "reload");
	cr_expect_gt(ctl_number(c, "receipts.0.cause.changes.1.line"), 0);
	cr_expect_null(ctl_at(c, "receipts.0.cause.changes.2"));
	ctl_destroy(c);
	hup_with(g, "settings: {a: 2}, env: {B: x}, enabled: false");
	expect_cause(await_last(g, "hello", "hup", "stop"),
		"disabled in the configuration");
	free(begin);
	run_end(g);
}

#define MANY 25 /* more than the 20 that a receipt has */

Test(record, of_many_changes_has_the_first_and_counts_the_others)
{
	struct gateway_run *g = start_hello("");
	char entry[512] = "settings: {";
	struct ctl *c;

	for (int i = 0; i < MANY; i++)
		sprintf(entry + strlen(entry), "%sk%d: 1", i ? ", " : "", i);
	strcat(entry, "}");
	hup_with(g, entry);
	c = await_last(g, "hello", "hup", "reload");
	cr_expect_eq(
		json_array_size(ctl_at(c, "receipts.0.cause.changes")), 20);
	expect_cause(c, "; and 22 more");
	run_end(g);
}

Test(record, of_a_failure_has_who_asked_and_what_the_worker_said)
{
	struct gateway_run *g = run_create();
	char by[32];
	struct ctl *c;

	snprintf(by, sizeof(by), "uid %u", getuid());
	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "exit_at_start", "");
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	c = await_last(g, "fault", "supctl", "reload");
	cr_expect_str_eq(ctl_text(c, "receipts.0.by"), by);
	cr_expect_str_eq(ctl_text(c, "receipts.0.state"), "rolled_back");
	cr_expect(!strncmp(ctl_text(c, "receipts.0.error"), "checking: ", 10));
	cr_expect(strstr(c->out, "exiting at start"), "%s", c->out);
	cr_expect_null(ctl_at(c, "receipts.0.cause"));
	ctl_destroy(c);
	run_end(g);
}

Test(record, of_a_watched_plugin_names_the_file)
{
	struct gateway_run *g = run_create();
	char *file = run_package_file(g, "hello", "plugin.yaml");
	struct ctl *c;

	run_package(g, "hello", "hello");
	run_plugin(g, "hello", "watch: true");
	files_write(file, "name: hello\nversion: 1.0.0\nrun: hello.so\n");
	plan_extra(g, "reload: {watch: true, debounce: 60ms}\n");
	run_start(g);
	ctl_await_shown(g, "hello", "watch.mode", "inotify");
	files_write(file, "name: hello\nversion: 2.0.0\nrun: hello.so\n");
	c = await_last(g, "hello", "watch", "reload");
	cr_expect_str_eq(ctl_text(c, "receipts.0.cause.file"), "plugin.yaml");
	expect_cause(c, "plugin.yaml changed");
	free(file);
	run_end(g);
}

Test(record, of_a_crash_says_how_the_worker_died)
{
	struct gateway_run *g = start_hello("");

	cr_assert(!kill((pid_t)ctl_status_number(g, "hello", "pid"), SIGKILL));
	expect_cause(await_last(g, "hello", "crash", "restart"),
		"killed by signal 9");
	run_end(g);
}

Test(record, of_a_dependent_names_the_plugin_that_it_requires)
{
	struct gateway_run *g = start_hello("");

	run_plugin(g, "after",
		"use: hello, mount: /b, namespace: b, requires: [hello], "
		"reload_with_required: true");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_cause(await_last(g, "after", "supctl", "start"),
		"added to the configuration");
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	expect_cause(await_last(g, "after", "required", "reload"),
		"plugin 'hello', which it requires, was reloaded");
	g->may_grow = true;
	run_end(g);
}
