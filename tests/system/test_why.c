/* `show` says why a plugin is in its state. */
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
#include "tests/system/harness/run.h"

TestSuite(why, .fini = run_fini, .timeout = 300);

/* Waits until there is such a plugin whose `why` begins with the one string and
 * contains the other. */
static void
await_why(struct gateway_run *g, const char *id, const char *begin,
	const char *part)
{
	struct patience p = patience_for(CTL_DEADLINE_MS);
	bool is_there = false;

	while (!is_there) {
		struct ctl *c = ctl_run(g, "show", id, NULL);
		const char *why = ctl_text(c, "why");

		is_there = !strncmp(why, begin, strlen(begin)) &&
			   strstr(why, part);
		cr_assert(is_there || patience_lasts(&p),
			"%s is not '%s…%s' but: %s", id, begin, part, why);
		ctl_destroy(c);
	}
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

Test(why, serving_since_when_and_what_failed_since)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_start(g);
	await_why(g, "fault", "serving: generation 1 since 20", "");
	run_fault(g, "fault", "fail_init", "");
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	await_why(g, "fault", "serving: generation 1 since 20",
		"; r-2 (supctl) failed: checking: the worker died");
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	await_why(g, "fault", "serving: generation 3 since 20", "");
	run_end(g);
}

Test(why, serving_though_the_source_is_missing)
{
	struct gateway_run *g = start_hello("");
	char *from = memory_format("%s/packages/hello", g->dir);
	char *to = memory_format("%s/packages/elsewhere", g->dir);

	cr_assert(!rename(from, to));
	await_why(g, "hello", "serving: generation 1",
		"; its source is missing (package 'hello')");
	cr_assert(!rename(to, from));
	free(from);
	free(to);
	run_end(g);
}

Test(why, reloading_and_who_asked_for_it)
{
	static const char *const reload[] = {"reload", "fault", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_add_fault(g);
	run_defaults(g, "start_timeout: 60s");
	run_start(g);
	run_fault(g, "fault", "slow_start", "start_ms: 60000");
	c = ctl_begin(g, 0, reload);
	await_why(g, "fault", "reloading: generation 1 since 20",
		"; r-2 (reload, supctl, uid 0): checking");
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	ctl_wait(c);
	ctl_destroy(c);
	run_end(g);
}

Test(why, starting_and_what_it_waits_for)
{
	static const char *const apply[] = {"apply", NULL};
	struct gateway_run *g = start_hello("");
	struct ctl *c;

	run_package(g, "fault", "fault");
	run_fault(g, "fault", "slow_start", "start_ms: 60000");
	run_defaults(g, "start_timeout: 60s");
	run_plugin(g, "fault", "use: fault");
	run_plugin(g, "after",
		"use: hello, mount: /b, namespace: b, requires: [fault]");
	run_write_config(g);
	c = ctl_begin(g, 0, apply);
	await_why(g, "fault", "starting: r-", " (start, supctl, uid 0): ");
	await_why(g, "after",
		"starting: waiting for plugin 'fault', which it requires", "");
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	ctl_wait(c);
	ctl_destroy(c);
	g->may_grow = true;
	run_end(g);
}

Test(why, holding_until_the_next_start_and_failed_after_the_last)
{
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_package(g, "fault", "fault");
	run_fault(g, "fault", "exit_after_swap", "exit_after_ms: 200");
	run_plugin(g, "fault",
		"enabled: false, crash: {early_max: 6, within: 1h}");
	run_start(g);
	run_announce(g, "plugin failed");
	ctl_destroy(ctl_run(g, "enable", "fault", NULL));
	await_why(g, "fault", "", "; next start in ");
	await_why(g, "fault",
		"failed: gave up after 6 early deaths within 60 m",
		"; a changed package, 'supctl start fault' or 'supctl reload "
		"fault' starts it again");
	run_fault(g, "fault", "", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	await_why(g, "fault", "serving: ", "");
	g->may_grow = true;
	run_end(g);
}

Test(why, stopped_by_whom_also_after_a_restart)
{
	struct gateway_run *g = start_hello("");
	char begin[96];

	snprintf(begin, sizeof(begin), "stopped: by uid %u with supctl at 20",
		getuid());
	ctl_destroy(ctl_expect(g, 0, "stop", "hello", NULL));
	await_why(g, "hello", begin, "; 'supctl start hello' starts it");
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_start(g);
	await_why(g, "hello", begin, "; 'supctl start hello' starts it");
	ctl_destroy(ctl_expect(g, 0, "start", "hello", NULL));
	await_why(g, "hello", "serving: ", "");
	g->may_grow = true;
	run_end(g);
}

Test(why, disabled_by_the_file_or_by_whom)
{
	struct gateway_run *g = start_hello("enabled: false");
	char by_file[128], by_user[96];

	snprintf(by_file, sizeof(by_file),
		"disabled: by the file (%s/supd.yaml:", g->dir);
	snprintf(by_user, sizeof(by_user),
		"disabled: by uid %u with supctl at 20", getuid());
	await_why(g, "hello", by_file, "");
	ctl_destroy(ctl_expect(g, 0, "enable", "hello", NULL));
	await_why(g, "hello", "serving: ", "");
	ctl_destroy(ctl_expect(g, 0, "disable", "hello", NULL));
	await_why(g, "hello", by_user, "; 'supctl enable hello' starts it");
	g->may_grow = true;
	run_end(g);
}
