/* Watching: a save is a reload, once; what does not count is none; who decides
 * what is watched. Every change that must not reload is followed by one, of
 * another plugin, that does: so nothing is waited for that does not come. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"
#include "tests/system/watch_bed.h"

TestSuite(watch, .fini = run_fini, .timeout = 300);

/* ---- saves ---- */

static void
write_in_place(const char *path, const char *text)
{
	files_overwrite(path, text, strlen(text));
}

static void
rename_over(const char *path, const char *text)
{
	files_write(path, "%s", text);
}

/* As vim does it: a backup, a new file, and the backup is removed. */
static void
save_with_backup(const char *path, const char *text)
{
	char *backup = memory_format("%s~", path);

	cr_assert_eq(rename(path, backup), 0);
	files_write(path, "%s", text);
	cr_assert_eq(unlink(backup), 0);
	free(backup);
}

/* As `cp -p` of an older file. */
static void
copy_older(const char *path, const char *text)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};

	write_in_place(path, text);
	cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

Test(watch, each_way_to_save_a_file_is_one_reload)
{
	void (*const ways[])(const char *, const char *) = {write_in_place,
		rename_over, save_with_backup, copy_older, write_in_place,
		write_in_place};
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *path = run_package_file(g, "a", "notes.txt");
	long at;

	files_write(path, "first");
	watch_start(g);
	at = watch_generation(g, "a");
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		char text[32];

		snprintf(text, sizeof(text), "text %zu", i);
		ways[i](path, text);
		watch_expect_one(g, &at);
	}
	free(path);
	run_end(g);
}

Test(watch, files_and_folders_that_come_and_go_are_one_reload_each)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *sub = run_package_file(g, "a", "sub"),
	     *other = run_package_file(g, "a", "other");
	char *file = run_package_file(g, "a", "sub/file");
	char *moved = run_package_file(g, "a", "other/file");
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	cr_assert_eq(mkdir(sub, 0755), 0);
	files_write(file, "1");
	watch_expect_one(g, &at);
	files_write(file, "2"); /* the new folder is watched, too */
	watch_expect_one(g, &at);
	cr_assert_eq(rename(sub, other), 0);
	watch_expect_one(g, &at);
	files_write(moved, "3");
	watch_expect_one(g, &at);
	cr_assert_eq(unlink(moved), 0);
	watch_expect_one(g, &at);
	files_remove_tree(other);
	watch_expect_one(g, &at);
	free(sub);
	free(other);
	free(file);
	free(moved);
	run_end(g);
}

Test(watch, what_does_not_count_is_no_reload)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *manifest = run_package_file(g, "a", "plugin.yaml");
	char *git = run_package_file(g, "a", ".git"),
	     *build = run_package_file(g, "a", "build");
	char *text = files_read(manifest),
	     *file = run_package_file(g, "a", "file");
	long at;

	files_write(manifest, "name: a\nversion: 1.0.0\nrun: hello.so\n"
			      "watch: {ignore: [build, '.*', '*.log']}\n");
	files_write(file, "content");
	cr_assert_eq(mkdir(git, 0755), 0);
	cr_assert_eq(mkdir(build, 0755), 0);
	watch_start(g);
	at = watch_generation(g, "a");
	watch_put(g, "a", ".git/index", "x");
	watch_put(g, "a", "build/out", "x");
	watch_put(g, "a", "x.log", "x");
	watch_put(g, "a", ".x.swp", "x");
	watch_expect_no_more(g, "a", at);
	watch_put(g, "a", "builder.c", "x"); /* a rule is for a whole segment */
	watch_expect_one(g, &at);
	/* What is as before is none, though it was written. */
	files_write(file, "content");
	watch_expect_no_more(g, "a", at);
	free(manifest);
	free(git);
	free(build);
	free(text);
	free(file);
	run_end(g);
}

/* The file is written in place, so there is no new name to notice. A change
 * that inotify misses would be found in time, but by sweeps. */
static void
expect_noticed(struct gateway_run *g, const char *id, const char *path)
{
	long at = watch_generation(g, id);
	char *mode;

	files_overwrite(path, "two", 3);
	ctl_await_number(g, id, "generation", at + 1);
	mode = watch_said(g, "a", "mode");
	cr_expect_str_eq(mode, "inotify");
	free(mode);
	mode = watch_said(g, WATCH_CONFIG, "mode");
	cr_expect_str_eq(mode, "inotify");
	free(mode);
}

Test(watch, a_rule_for_one_place_is_for_no_other)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *sub = run_package_file(g, "a", "sub");
	char *file = run_package_file(g, "a", "sub/made.c");

	watch_put(g, "a", "plugin.yaml",
		"name: a\nversion: 1.0.0\nrun: hello.so\n"
		"watch: {ignore: [/made.c]}\n");
	cr_assert_eq(mkdir(sub, 0755), 0);
	files_write(file, "one");
	watch_start(g);
	expect_noticed(g, "a", file);
	free(sub);
	free(file);
	run_end(g);
}

Test(watch, a_hidden_file_counts_where_it_is_named)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *secret = memory_format("%s/.secret", g->dir);

	files_write(secret, "one");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
	watch_start(g);
	expect_noticed(g, "c", secret);
	free(secret);
	run_end(g);
}

/* ---- several ---- */

Test(watch, each_plugin_that_uses_a_changed_package_is_reloaded)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	long a, again;

	run_plugin(g, "again",
		"use: a, mount: /again, namespace: again, watch: true");
	run_plugin(g, "unwatched", "use: a, mount: /un, namespace: un");
	watch_start(g);
	watch_await_said(g, "again", "mode", "inotify");
	a = watch_generation(g, "a");
	again = watch_generation(g, "again");
	watch_put(g, "a", "file", "1");
	ctl_await_number(g, "a", "generation", a + 1);
	ctl_await_number(g, "again", "generation", again + 1);
	watch_expect_no_more(g, "a", a + 1);
	cr_expect_eq(watch_generation(g, "again"), again + 1);
	cr_expect_eq(watch_generation(g, "unwatched"), 1);
	run_end(g);
}

/* ---- what goes wrong ---- */

Test(watch, a_save_that_does_not_work_leaves_the_old_worker_and_says_why)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *path = run_package_file(g, "a", "plugin.yaml"), *good, *out;
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	good = files_read(path);
	files_write(path, "name: a\nversion: 1\nrun: gone.so\n");
	run_await_log(g, 0, "(watch)");
	cr_expect_eq(watch_generation(g, "a"), at);
	cr_expect_eq(http_status(g->http, "/a/hello"), 200);
	out = shell_expect(g, 0, "$SUPCTL history -n 1 a");
	cr_expect(strstr(out, "gone.so"), "%s", out);
	free(out);
	files_write(path, "%s# mended\n", good);
	watch_await_said(g, "a", "state", "watching");
	for (int i = 0; i < 3000 && watch_generation(g, "a") == at; i++)
		;
	cr_expect_gt(watch_generation(g, "a"), at);
	free(good);
	free(path);
	run_end(g);
}

Test(watch, a_package_that_is_gone_keeps_serving_and_status_says_so)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *file = run_package_file(g, "a", "file"), *folder, *aside;
	long at;

	files_write(file, "1");
	watch_start(g);
	at = watch_generation(g, "a");
	folder = memory_format("%s/packages/a", g->dir);
	aside = memory_format("%s/aside", g->dir);
	cr_assert_eq(rename(folder, aside), 0);
	watch_await_said(g, "a", "state", "source missing");
	run_await_log(g, 0, "a: the package is missing");
	cr_expect_eq(http_status(g->http, "/a/hello"), 200);
	cr_assert_eq(rename(aside, folder), 0);
	watch_await_said(g, "a", "state", "watching");
	files_write(file, "2");
	ctl_await_number(g, "a", "generation", at + 1);
	free(file);
	free(folder);
	free(aside);
	run_end(g);
}

Test(watch, a_folder_that_is_a_link_is_followed_through_swaps)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *folder = memory_format("%s/packages/a", g->dir);
	char *next = memory_format("%s/packages/next", g->dir);
	long at;

	/* As ConfigMaps are swapped: a link is renamed over a link. */
	for (int i = 0; i < 2; i++) {
		char *version = memory_format("%s/a%d", g->dir, i);
		char *file = memory_format("%s/number", version);

		files_copy_folder(folder, version);
		files_write(file, "%d", i);
		free(file);
		free(version);
	}
	files_remove_tree(folder);
	cr_assert_eq(symlink("../a0", folder), 0);
	watch_start(g);
	at = watch_generation(g, "a");
	for (int i = 1; i <= 12; i++) {
		cr_assert_eq(symlink(i % 2 ? "../a1" : "../a0", next), 0);
		cr_assert_eq(rename(next, folder), 0);
		ctl_await_number(g, "a", "generation", at + i);
	}
	watch_expect_no_more(g, "a", at + 12);
	free(folder);
	free(next);
	run_end(g);
}

Test(watch, what_happens_while_its_process_is_down_is_not_missed)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	pid_t watcher;
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	watcher = watch_process(g);
	cr_assert(watcher);
	run_announce(g, "watch: its process ended");
	cr_assert_eq(kill(watcher, SIGSTOP), 0);
	watch_put(g, "a", "file", "1");
	cr_assert_eq(kill(watcher, SIGKILL), 0);
	ctl_await_number(g, "a", "generation", at + 1);
	watch_put(g, "a", "file", "2");
	ctl_await_number(g, "a", "generation", at + 2);
	run_end(g);
}

/* Each decision is an order, which it does not take. */
Test(watch, orders_that_are_not_taken_are_bounded)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *manifest = run_package_file(g, "a", "plugin.yaml");
	FILE *f;
	pid_t watcher;
	long at;

	f = fopen(manifest, "w");
	cr_assert(f);
	fputs("name: a\nversion: 1.0.0\nrun: hello.so\nwatch: {ignore: [", f);
	for (int i = 0; i < 60; i++)
		fprintf(f, "%s'%0*d'", i ? ", " : "", 500, i);
	fputs("]}\n", f);
	fclose(f);
	watch_start(g);
	at = watch_generation(g, "a");
	watcher = watch_process(g);
	cr_assert(watcher);
	run_announce(g, "watch: its process");
	cr_assert_eq(kill(watcher, SIGSTOP), 0);
	for (int i = 0; i < 100; i++) {
		ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
		ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	}
	run_await_log(g, 0, "watch: its process does not read its orders");
	watch_await_said(g, "a", "mode", "inotify");
	watch_put(g, "a", "file", "1");
	ctl_await_number(g, "a", "generation", at + 1);
	free(manifest);
	run_end(g);
}

/* ---- where events do not come ---- */

/* The packages are an overlay of supd's own mount namespace, and the test
 * writes beneath it. */
Test(watch, where_inotify_does_not_serve_files_are_swept)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *file = run_package_file(g, "a", "file"), *script, *why;
	long at;

	if (geteuid() != 0)
		cr_skip_test("needs root, to mount an overlay");
	files_write(file, "1");
	script = memory_format("%s/overlaid", g->dir);
	files_write(script,
		"#!/bin/sh\nmount -t tmpfs none %s/upper &&\n"
		"mkdir %s/upper/u %s/upper/w &&\n"
		"mount -t overlay none -o lowerdir=%s/packages,"
		"upperdir=%s/upper/u,workdir=%s/upper/w %s/packages &&\n"
		"exec \"$@\"\n",
		g->dir, g->dir, g->dir, g->dir, g->dir, g->dir, g->dir);
	cr_assert_eq(chmod(script, 0755), 0);
	why = memory_format("%s/upper", g->dir);
	cr_assert_eq(mkdir(why, 0755), 0);
	free(why);
	why = memory_format("unshare -m %s true 2>/dev/null", script);
	if (system(why))
		cr_skip_test("no overlay can be mounted here");
	free(why);
	g->wrapper[0] = "unshare";
	g->wrapper[1] = "-m";
	g->wrapper[2] = script;
	run_start(g);
	watch_await_said(g, "a", "mode", "sweep");
	why = watch_said(g, "a", "why");
	cr_expect(strstr(why, "overlayfs"), "%s", why);
	free(why);
	at = watch_generation(g, "a");
	files_overwrite(file, "22", 2);
	ctl_await_number(g, "a", "generation", at + 1);
	files_overwrite(file, "333", 3);
	ctl_await_number(g, "a", "generation", at + 2);
	free(file);
	free(script);
	run_end(g);
}

/* ---- builds ---- */

Test(watch, a_package_is_built_before_it_is_reloaded)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *manifest = run_package_file(g, "a", "plugin.yaml"), *out;
	char *made = run_package_file(g, "a", "made"), *text;
	long at;

	/* It writes something new each time, and must not follow itself. */
	files_write(manifest, "name: a\nversion: 1.0.0\nrun: hello.so\n"
			      "watch: {also: [../../source], "
			      "run: [sh, -c, 'echo built; date +%%s%%N >stamp; "
			      "cp ../../source made; test -s made']}\n");
	text = memory_format("%s/source", g->dir);
	files_write(text, "1");
	watch_start(g);
	at = watch_generation(g, "a");
	files_write(text, "2");
	ctl_await_number(g, "a", "generation", at + 1);
	watch_await_said(
		g, "a", "state", "watching"); /* what it wrote is known */
	out = files_read(made);
	cr_expect_str_eq(out, "2");
	free(out);
	watch_expect_no_more(g, "a", at + 1);
	/* One that fails. */
	files_write(text, "%s", "");
	run_await_log(g, 0, "a: the build failed (exit status 1)");
	out = shell_expect(g, 0, "$SUPCTL events | grep watch.build_failed");
	cr_expect(strstr(out, "built"), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL logs a | grep built");
	free(out);
	watch_expect_no_more(g, "a", at + 1);
	free(manifest);
	free(made);
	free(text);
	run_end(g);
}

/* ---- the configuration ---- */

static void
await_answer(struct gateway_run *g, const char *path)
{
	for (int i = 0; i < 3000 && http_status(g->http, path) != 200; i++)
		ctl_destroy(ctl_run(g, "version", NULL));
	cr_assert_eq(http_status(g->http, path), 200);
}

Test(watch, a_configuration_that_changes_is_applied)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *secret = memory_format("%s/secret", g->dir);
	char *config = memory_format("%s/supd.yaml", g->dir), *good, *more;
	long at;

	files_write(secret, "one");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
	watch_start(g);
	g->may_grow = true;
	run_plugin(g, "d", "use: a, mount: /d, namespace: d");
	run_write_config(g);
	await_answer(g, "/d/hello");
	/* A file that a setting refers to. */
	at = watch_generation(g, "c");
	files_write(secret, "two");
	ctl_await_number(g, "c", "generation", at + 1);
	/* A file beside it that is new. */
	more = memory_format("%s/conf.d", g->dir);
	cr_assert_eq(mkdir(more, 0755), 0);
	free(more);
	more = memory_format("%s/conf.d/more.yaml", g->dir);
	files_write(more, "plugins: {e: {use: a, mount: /e, namespace: e}}\n");
	await_answer(g, "/e/hello");
	/* One that is broken changes nothing. */
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration");
	good = files_read(config);
	files_write(config, "plugins: {{\n");
	run_await_log(g, 0, "configuration not applied");
	cr_expect_eq(http_status(g->http, "/d/hello"), 200);
	files_write(config, "%s", good);
	free(good);
	free(config);
	free(more);
	free(secret);
	run_end(g);
}

/* ---- who decides ---- */

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

Test(watch, a_decision_outlives_supd_and_ends_when_the_file_changes)
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

Test(watch, the_switch_for_everything_is_named)
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

Test(watch, everything_is_watched_by_the_flag)
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

Test(watch, a_disabled_plugin_is_not_watched)
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

Test(watch, off_cancels_what_was_pending)
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
Test(watch, another_order_keeps_what_was_pending)
{
	struct gateway_run *g =
		watch_prepare("reload: {watch: true, debounce: 1h}\n");
	char *secret = memory_format("%s/secret", g->dir);
	long at;

	files_write(secret, "one");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
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

Test(watch, watches_of_the_kernel_do_not_pile_up)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	unsigned before;
	pid_t watcher;

	watch_start(g);
	watcher = watch_process(g);
	cr_assert(watcher);
	before = watch_count_kernel(watcher);
	cr_expect_gt(before, 2);
	for (int i = 0; i < 25; i++) {
		ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
		ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	}
	watch_await_said(g, "a", "mode", "inotify");
	cr_expect_eq(watch_process(g), watcher);
	cr_expect_eq(watch_count_kernel(watcher), before);
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "--all", NULL));
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "b", NULL));
	watch_await_said(g, "b", "mode", "inotify");
	cr_expect_lt(watch_count_kernel(watcher), before);
	run_end(g);
}

/* ---- who follows ---- */

Test(watch, a_follower_sees_reloads_in_plain_words)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *out;

	watch_start(g);
	/* Saves again until the follower, which starts some time, sees one. */
	out = shell_expect(g, 0,
		"$SUPCTL watch >%s/seen & follower=$!\n"
		"for i in $(seq 300); do\n"
		"  echo $i >%s/packages/a/file\n"
		"  $SUPCTL status >/dev/null\n"
		"  grep -q 'a: reloaded' %s/seen && break\n"
		"  read -t 0.1 <><(:) || :\n"
		"done\n"
		"kill $follower; cat %s/seen",
		g->dir, g->dir, g->dir, g->dir);
	cr_expect(strstr(out, "a: file changed\n"), "%s", out);
	cr_expect(strstr(out, "a: reloaded "), "%s", out);
	free(out);
	run_end(g);
}

/* A name of a file may hold what a terminal obeys. */
Test(watch, a_follower_shows_names_and_reasons_but_obeys_none)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *out;

	watch_start(g);
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration");
	out = shell_expect(g, 0,
		"$SUPCTL watch >%s/seen & follower=$!\n"
		"for i in $(seq 300); do\n"
		"  echo $i >%s/packages/a/$'x\\e[31m\\ny'\n"
		"  echo \"plugins: {{ # $i\" >%s/supd.yaml\n"
		"  $SUPCTL status >/dev/null\n"
		"  grep -q 'a: reloaded' %s/seen &&\n"
		"    grep -q 'refused: .' %s/seen && break\n"
		"  read -t 0.1 <><(:) || :\n"
		"done\n"
		"kill $follower; cat %s/seen",
		g->dir, g->dir, g->dir, g->dir, g->dir, g->dir);
	cr_expect(strstr(out, "a: x?[31m?y changed\n"), "%s", out);
	cr_expect(strstr(out, "configuration: refused: "), "%s", out);
	cr_expect(strstr(out, "supd.yaml:"), "%s", out);
	free(out);
	run_end(g);
}
