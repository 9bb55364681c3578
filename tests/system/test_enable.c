/* Whether a plugin is to run at all: who says so, how long that holds, and what
 * is left of it on disk. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(enable, .fini = run_fini, .timeout = 200);

static void
expect_said(struct gateway_run *g, const char *id, bool enabled, const char *by)
{
	struct ctl *c = ctl_expect(g, 0, "status", id, NULL);

	cr_expect_eq(json_is_true(ctl_at(c, "plugins.0.enabled")), enabled,
		"%s", c->out);
	cr_expect_str_eq(ctl_text(c, "plugins.0.enabledBy"), by);
	ctl_destroy(c);
}

static void
restart(struct gateway_run *g)
{
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_start(g);
}

static void
use_file(struct gateway_run *g, const char *enabled)
{
	run_no_plugins(g);
	run_plugin(g, "hello", "use: hello");
	run_plugin(g, "fault", "use: fault, enabled: %s", enabled);
	run_write_config(g);
}

Test(enable, a_person_is_heard_until_the_file_says_something_else)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "hello", "hello");
	run_package(g, "fault", "fault");
	use_file(g, "true");
	run_start(g);
	expect_said(g, "fault", true, "config");
	c = ctl_expect(g, 0, "disable", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "pluginId"), "fault");
	cr_expect(json_is_true(ctl_at(c, "success")));
	ctl_destroy(c);
	expect_said(g, "fault", false, "person");
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	/* Neither a reload nor an apply nor a restart changes it. */
	c = ctl_expect(g, 6, "reload", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "disabled"), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 6, "start", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_said(g, "fault", false, "person");
	restart(g);
	expect_said(g, "fault", false, "person");
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	c = ctl_expect(g, 0, "enable", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "done");
	ctl_destroy(c);
	g->may_grow = true;
	expect_said(g, "fault", true, "person");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	/* The file's value changes: it counts, and goes on counting. */
	use_file(g, "false");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_said(g, "fault", false, "config");
	use_file(g, "true");
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "plugins.0.action"), "start");
	ctl_destroy(c);
	expect_said(g, "fault", true, "config");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	use_file(g, "false");
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "plugins.0.action"), "stop");
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 404);
	run_end(g);
}

Test(enable, what_a_person_enabled_over_the_file_stays_so)
{
	struct gateway_run *g = run_create();
	long pid;

	run_package(g, "hello", "hello");
	run_package(g, "fault", "fault");
	use_file(g, "false");
	run_start(g);
	g->may_grow = true;
	ctl_destroy(ctl_expect(g, 0, "enable", "fault", NULL));
	pid = ctl_status_number(g, "fault", "pid");
	cr_expect(pid > 0);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	expect_said(g, "fault", true, "person");
	restart(g);
	ctl_await_state(g, "fault", "serving");
	expect_said(g, "fault", true, "person");
	/* A stop is another matter, and enable ends it. */
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	restart(g);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	{
		char *state = ctl_status_text(g, "fault", "state");

		cr_expect_str_eq(state, "stopped");
		free(state);
	}
	ctl_destroy(ctl_expect(g, 0, "enable", "fault", NULL));
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	ctl_destroy(ctl_expect(g, 5, "enable", "nobody", NULL));
	run_end(g);
}

/* ---- what is left on disk ---- */

Test(enable, stages_of_what_is_configured_no_more_go_at_the_start)
{
	struct gateway_run *g = run_create();
	char *gone;

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_plugin(g, "fault", "use: fault");
	run_start(g);
	gone = memory_format("%s/state/run/fault", g->dir);
	cr_expect(files_count(gone) == 1);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_no_plugins(g);
	run_plugin(g, "hello", "use: hello");
	run_start(g);
	cr_expect(!files_exist(gone), "%s is still there", gone);
	cr_expect_eq(http_status(g->http, "/hello"), 200);
	free(gone);
	run_end(g);
}

/* ---- the order of starting ---- */

static void
write_needy(struct gateway_run *g, const char *package, const char *requires,
	const char *settings)
{
	char *path = run_package_file(g, package, "plugin.yaml");

	files_write(path,
		"name: %s\nversion: 1.0.0\nrun: fault.so\nrequires: [%s]\n"
		"settings: {prefix: /%s%s}\n",
		package, requires, package, settings);
	free(path);
}

static void
expect_order(
	struct gateway_run *g, size_t mark, const char *first, const char *then)
{
	char *log = capture_copy(&g->log);
	char *ready = memory_format("plugin=%s ", first);
	char *spawning = memory_format("plugin=%s ", then);
	const char *done = NULL, *start = NULL;

	for (char *line = strtok(log + mark, "\n"); line;
		line = strtok(NULL, "\n")) {
		if (!done && strstr(line, ready) && strstr(line, " done ("))
			done = line;
		if (!start && strstr(line, spawning) &&
			strstr(line, "queued->staging"))
			start = line;
	}
	cr_expect(done && start && done < start, "%s did not wait for %s", then,
		first);
	free(spawning);
	free(ready);
	free(log);
}

Test(enable, a_manifest_too_says_what_starts_before_it)
{
	struct gateway_run *g = run_create();
	size_t mark;

	run_package(g, "fault", "a");
	run_package(g, "fault", "b");
	write_needy(g, "a", "b", "");
	write_needy(g, "b", "", ", mode: slow_start, start_ms: 200");
	run_plugin(g, "a", "namespace: a");
	run_plugin(g, "b", "namespace: b");
	run_start(g);
	expect_order(g, 0, "b", "a");
	/* Those that an apply adds, too. */
	run_package(g, "fault", "c");
	run_package(g, "fault", "d");
	write_needy(g, "c", "d, a", "");
	write_needy(g, "d", "", ", mode: slow_start, start_ms: 200");
	run_plugin(g, "c", "namespace: c");
	run_plugin(g, "d", "namespace: d");
	run_write_config(g);
	mark = capture_length(&g->log);
	g->may_grow = true;
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_order(g, mark, "d", "c");
	run_end(g);
}

Test(enable, manifests_that_require_each_other_do_not_keep_supd_from_starting)
{
	struct gateway_run *g = run_create();

	run_package(g, "fault", "a");
	run_package(g, "fault", "b");
	write_needy(g, "a", "b", "");
	write_needy(g, "b", "a", "");
	run_plugin(g, "a", "namespace: a");
	run_plugin(g, "b", "namespace: b");
	run_start(g);
	cr_expect(
		run_log_has(g, 0, "ignoring the start order of the manifests"));
	cr_expect_eq(http_status(g->http, "/a/fault"), 200);
	cr_expect_eq(http_status(g->http, "/b/fault"), 200);
	run_end(g);
}
