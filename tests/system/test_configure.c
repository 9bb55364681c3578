/* Settings that the running worker takes (manifest: `configure: true`): no new
 * worker; and a reload where it does not take them. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/load.h"
#include "tests/system/harness/plan.h"
#include "tests/system/raw.h"

TestSuite(configure, .fini = run_fini, .timeout = 120);

/* The settings of the plugin's entry, over those of the package. */
static void
set_settings(struct gateway_run *g, const char *settings)
{
	run_no_plugins(g);
	run_plugin(g, "a", "mount: /a, settings: {%s}", settings);
	run_write_config(g);
}

static struct gateway_run *
start(const char *manifest)
{
	struct gateway_run *g = run_create();

	run_package(g, "raw-python", "a");
	raw_manifest(g, "a", "label: zero", manifest);
	run_defaults(g, "health_timeout: 600ms, drain_timeout: 1s, "
			"probation: 100ms");
	set_settings(g, "label: one");
	run_start(g);
	return g;
}

static bool
says(struct gateway_run *g, const char *label)
{
	struct answer a = http_get(g->http, "/a/raw");
	bool found = a.status == 200 && strstr(a.body, label);

	answer_finish(&a);
	return found;
}

static void
expect_configured(struct gateway_run *g, long pid)
{
	struct ctl *c = ctl_expect(g, 0, "plan", NULL);

	plan_expect_step(c, "a", "configure", "settings");
	cr_expect(plan_row(c, "changes", "class", "configure"), "%s", c->out);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "results")), 1);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	cr_expect_str_eq(ctl_text(c, "results.0.state"), "done");
	cr_expect(json_is_true(ctl_at(c, "results.0.success")));
	cr_expect_eq(ctl_number(c, "results.0.pid"), pid);
	cr_expect_eq(ctl_number(c, "results.0.generation"), 1);
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")));
	ctl_destroy(c);
}

Test(configure, gives_the_running_worker_other_settings)
{
	struct gateway_run *g = start("configure: true\n");
	long pid = ctl_status_number(g, "a", "pid");
	struct load load = {0};

	cr_expect(says(g, "one"));
	load_start(&load, g->http, "/a/raw", NULL);
	set_settings(g, "label: two");
	expect_configured(g, pid);
	cr_expect(says(g, "two"));
	/* All of them: what the config no longer says is the package's. */
	set_settings(g, "");
	expect_configured(g, pid);
	cr_expect(says(g, "zero"));
	load_stop_clean(&load);
	cr_expect_eq(load.pid_count, 1);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	/* They are in force: nothing is left to apply, and a crash starts with
	 * them. */
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	kill((pid_t)pid, SIGKILL);
	ctl_await_number(g, "a", "restarts", 1);
	ctl_await_state(g, "a", "serving");
	cr_expect(says(g, "zero"));
	run_end(g);
}

/* The old worker of a reload stands by with the settings of before. */
Test(configure, leaves_nothing_to_revert_to_that_has_the_old_settings)
{
	struct gateway_run *g = start("configure: true\n");
	struct ctl *c;

	run_defaults(g, "health_timeout: 30s, probation: 60s");
	set_settings(g, "label: one");
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	set_settings(g, "label: two");
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	ctl_destroy(c);
	kill((pid_t)ctl_status_number(g, "a", "pid"), SIGKILL);
	ctl_await_number(g, "a", "generation", 3);
	ctl_await_state(g, "a", "serving");
	cr_expect(says(g, "two"));
	run_end(g);
}

Test(configure, is_a_reload_where_the_manifest_does_not_say_so)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	set_settings(g, "label: two");
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "overlap");
	cr_expect_eq(ctl_number(c, "results.0.generation"), 2);
	ctl_destroy(c);
	cr_expect(says(g, "two"));
	run_end(g);
}

Test(configure, that_the_worker_does_not_take_becomes_a_reload)
{
	static const struct {
		const char *how, *text;
	} faults[] = {{"refuse", "not these"}, {"hang", "no answer in time"},
		{"die", "the worker ended"}};

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		struct gateway_run *g = start("configure: true\n");
		char *settings = memory_format(
			"label: two, configure: %s", faults[i].how);
		struct ctl *c;

		set_settings(g, settings);
		c = ctl_expect(g, 0, "apply", NULL);
		cr_expect_str_eq(ctl_text(c, "results.0.mode"), "overlap");
		cr_expect_eq(ctl_number(c, "results.0.generation"), 2);
		cr_expect(!strncmp(
			ctl_text(c, "results.0.fallback"), "reload", 6));
		cr_expect(strstr(ctl_text(c, "results.0.fallback"),
				  faults[i].text),
			"%s", ctl_text(c, "results.0.fallback"));
		ctl_destroy(c);
		cr_expect(says(g, "two"));
		cr_expect_eq(ctl_status_number(g, "a", "restarts"), 0);
		run_end(g);
		free(settings);
	}
}

/* And if that one fails as well, all is as it was. */
Test(configure, and_reload_that_both_fail_leave_the_old_settings)
{
	struct gateway_run *g = start("configure: true\n");
	long pid = ctl_status_number(g, "a", "pid");
	struct ctl *c;

	set_settings(g, "label: two, configure: refuse, fail: health");
	c = ctl_run(g, "apply", NULL);
	cr_expect_eq(c->exit_code, 1, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "results.0.state"), "rolled_back");
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "a", "pid"), pid);
	cr_expect(says(g, "one"));
	set_settings(g, "label: three");
	expect_configured(g, pid);
	cr_expect(says(g, "three"));
	run_end(g);
}
