/* Who decides what is watched: the configuration, a user with `watch on` and
 * `off`, the flag --watch; and nothing of it is left behind. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/deadline.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/plan.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_switch, .fini = run_fini, .timeout = 300);

static void
restart(struct gateway_run *g)
{
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_start(g);
}

static void
expect_on(struct gateway_run *g, bool on, const char *by)
{
	json_t *row = watch_look(g, "a");

	cr_expect_eq(json_is_true(json_object_get(row, "on")), on);
	cr_expect_str_eq(json_string_value(json_object_get(row, "by")), by);
	json_decref(row);
}

Test(watch_switch, a_decision_outlives_supd_and_ends_when_the_file_changes)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	long at;

	watch_start(g);
	expect_on(g, true, "config");
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
	expect_on(g, false, "person");
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "1");
	watch_expect_no_more(g, "a", at);
	restart(g);
	expect_on(g, false, "person");
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	expect_on(g, true, "person");
	watch_await_said(g, "a", "mode", "inotify");
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "2");
	ctl_await_number(g, "a", "generation", at + 1);
	run_no_plugins(g);
	run_plugin(g, "a", "mount: /a, namespace: a, watch: false");
	run_plugin(g, "b", "mount: /b, namespace: b, watch: true");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_on(g, false, "config");
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "--all", NULL));
	expect_on(g, true, "person");
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "--all", NULL));
	expect_on(g, false, "person");
	ctl_destroy(ctl_expect(g, 5, "watch", "on", "nobody", NULL));
	ctl_destroy(ctl_expect(g, 2, "watch", "on", NULL));
	ctl_destroy(ctl_expect(g, 2, "watch", "up", "a", NULL));
	run_end(g);
}

Test(watch_switch, the_switch_for_everything_is_named)
{
	struct gateway_run *g = watch_prepare("reload: {watch: false}\n");
	struct ctl *c;
	char *state;

	run_start(g);
	state = watch_said(g, "a", "state");
	cr_expect_str_eq(state, "off: reload.watch is false");
	free(state);
	c = ctl_expect(g, 1, "watch", "on", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "reload.watch"), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(watch_process(g), 0); /* it costs nothing */
	run_end(g);
}

Test(watch_switch, everything_is_watched_by_the_flag)
{
	struct gateway_run *g = watch_prepare("reload: {debounce: 60ms}\n");
	long at;
	char *flag = memory_format("%s/with-flag", g->dir);

	run_no_plugins(g);
	run_plugin(g, "a", "mount: /a, namespace: a");
	run_plugin(g, "b", "mount: /b, namespace: b");
	files_write(flag, "#!/bin/sh\nexec \"$@\" --watch\n");
	cr_assert_eq(chmod(flag, 0755), 0);
	g->wrapper[0] = flag;
	watch_start(g);
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "1");
	watch_expect_one(g, &at);
	free(flag);
	run_end(g);
}

Test(watch_switch, a_disabled_plugin_is_not_watched)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *state;

	watch_start(g);
	ctl_destroy(ctl_expect(g, 0, "disable", "a", NULL));
	watch_await_said(g, "a", "state", "off: the plugin is disabled");
	watch_put(g, "a", "file", "1");
	watch_put(g, "b", "file", "1");
	ctl_await_number(g, "b", "generation", 2);
	state = ctl_status_text(g, "a", "state");
	cr_expect_str_eq(state, "disabled");
	free(state);
	ctl_destroy(ctl_expect(g, 0, "enable", "a", NULL));
	watch_await_said(g, "a", "mode", "inotify");
	run_end(g);
}

Test(watch_switch, off_cancels_what_was_pending)
{
	struct gateway_run *g =
		watch_prepare("reload: {watch: true, debounce: 1h}\n");
	json_t *row;
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "1");
	watch_await_said(g, "a", "state", "pending");
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
	row = watch_look(g, "a");
	cr_expect_not(json_is_true(json_object_get(row, "pending")));
	json_decref(row);
	cr_expect_eq(watch_generation(g, "a"), at);
	run_end(g);
}

/* What waits is not lost when there is something else to watch. */
Test(watch_switch, another_order_keeps_what_was_pending)
{
	struct gateway_run *g =
		watch_prepare("reload: {watch: true, debounce: 1h}\n");
	char *secret = memory_format("%s/secret", g->dir);
	long at;

	files_write(secret, "one");
	watch_add_token(g, secret);
	watch_start(g);
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "1");
	files_write(secret, "two");
	watch_await_said(g, "a", "state", "pending");
	watch_await_said(g, WATCH_CONFIG, "state", "pending");
	plan_extra(g, WATCH_RELOAD);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	ctl_await_number(g, "a", "generation", at + 1);
	run_await_log(g, 0, "configuration: a file changed");
	free(secret);
	run_end(g);
}

static void
await_watches(pid_t watcher, unsigned count)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);

	while (watch_count_kernel(watcher) != count)
		cr_assert(patience_lasts(&p), "%u watches, not %u",
			watch_count_kernel(watcher), count);
}

Test(watch_switch, watches_of_the_kernel_do_not_pile_up, .timeout = 600)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	unsigned before, without_a;
	pid_t watcher;

	watch_start(g);
	watcher = watch_process(g);
	cr_assert(watcher);
	before = watch_count_kernel(watcher);
	cr_expect_gt(before, 2);
	for (int i = 0; i < 200; i++) {
		ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
		ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	}
	watch_await_said(g, "a", "mode", "inotify");
	cr_expect_eq(watch_count_kernel(watcher), before);
	ctl_destroy(ctl_expect(g, 0, "disable", "a", NULL));
	watch_await_said(g, "a", "state", "off: the plugin is disabled");
	cr_expect_lt(watch_count_kernel(watcher), before);
	ctl_destroy(ctl_expect(g, 0, "enable", "a", NULL));
	watch_await_said(g, "a", "mode", "inotify");
	cr_expect_eq(watch_count_kernel(watcher), before);
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "--all", NULL));
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "b", NULL));
	watch_await_said(g, "b", "mode", "inotify");
	without_a = watch_count_kernel(watcher);
	cr_expect_lt(without_a, before);
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "--all", NULL));
	watch_await_said(g, "a", "mode", "inotify");
	cr_expect_eq(watch_count_kernel(watcher), before);
	run_no_plugins(g);
	run_plugin(g, "b", "mount: /b, namespace: b, watch: true");
	run_write_config(g);
	run_await_log(g, 0, "configuration applied");
	await_watches(watcher, without_a);
	cr_expect_eq(watch_process(g), watcher);
	run_end(g);
}
