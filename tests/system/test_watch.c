/* Watching: a save is a reload, once; what does not count is none; who decides
 * what is watched. Every change that must not reload is followed by one, of
 * another plugin, that does: so nothing is waited for that does not come. */
#include <criterion/criterion.h>
#include <dirent.h>
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

TestSuite(watch, .fini = run_fini, .timeout = 300);

#define RELOAD "reload: {watch: true, debounce: 60ms}\n"

/* That of the build folder would run the build. */
static void
add_package(struct gateway_run *g, const char *name)
{
	char *manifest = run_package_file(g, name, "plugin.yaml");

	run_package(g, "hello", name);
	files_write(
		manifest, "name: %s\nversion: 1.0.0\nrun: hello.so\n", name);
	free(manifest);
}

/* Two plugins of a package each, a and b; both are watched. */
static struct gateway_run *
prepare(const char *reload)
{
	struct gateway_run *g = run_create();

	add_package(g, "a");
	add_package(g, "b");
	run_defaults(g, "probation: 50ms");
	plan_extra(g, reload);
	run_plugin(g, "a", "mount: /a, namespace: a, watch: true");
	run_plugin(g, "b", "mount: /b, namespace: b, watch: true");
	return g;
}

static json_t *
look(struct gateway_run *g, const char *id)
{
	struct ctl *c = ctl_expect(g, 0, "watch", "status", NULL);
	json_t *found = NULL, *row;
	size_t i;

	json_array_foreach(ctl_at(c, "plugins"), i,
		row) if (!strcmp(json_string_value(json_object_get(row, "id")),
				 id)) found = json_incref(row);
	if (!strcmp(id, "(configuration)"))
		found = json_incref(ctl_at(c, "configuration"));
	cr_assert(found, "%s", c->out);
	ctl_destroy(c);
	return found;
}

static char *
said(struct gateway_run *g, const char *id, const char *key)
{
	json_t *row = look(g, id);
	const char *text = json_string_value(json_object_get(row, key));
	char *copy = memory_copy_text(text ? text : "");

	json_decref(row);
	return copy;
}

/* Looks until the row has that text. */
static void
await_said(struct gateway_run *g, const char *id, const char *key,
	const char *text)
{
	for (int i = 0; i < 3000; i++) {
		char *now = said(g, id, key);
		bool is_it = !strcmp(now, text);

		free(now);
		if (is_it)
			return;
	}
	cr_assert_fail("%s: %s is not '%s'", id, key, text);
}

static void
start(struct gateway_run *g)
{
	run_start(g);
	await_said(g, "a", "mode", "inotify");
	await_said(g, "b", "mode", "inotify");
	await_said(g, "(configuration)", "mode", "inotify");
}

static char *
file_of(struct gateway_run *g, const char *id, const char *name)
{
	return run_package_file(g, id, name);
}

static void
put(struct gateway_run *g, const char *id, const char *name, const char *text)
{
	char *path = file_of(g, id, name);

	files_write(path, "%s", text);
	free(path);
}

static long
generation(struct gateway_run *g, const char *id)
{
	return ctl_status_number(g, id, "generation");
}

/* b is saved after what happened to a, so its reload comes later than any of
 * a would. */
static void
expect_no_more(struct gateway_run *g, const char *id, long at)
{
	static unsigned count;
	long before = generation(g, "b");
	char text[32];

	snprintf(text, sizeof(text), "%u", ++count);
	put(g, "b", "sentinel", text);
	ctl_await_number(g, "b", "generation", before + 1);
	cr_expect_eq(generation(g, id), at, "%s is at %ld, not %ld", id,
		generation(g, id), at);
}

static void
expect_one(struct gateway_run *g, long *at)
{
	++*at;
	ctl_await_number(g, "a", "generation", *at);
	expect_no_more(g, "a", *at);
}

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
	struct gateway_run *g = prepare(RELOAD);
	char *path = file_of(g, "a", "notes.txt");
	long at;

	files_write(path, "first");
	start(g);
	at = generation(g, "a");
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		char text[32];

		snprintf(text, sizeof(text), "text %zu", i);
		ways[i](path, text);
		expect_one(g, &at);
	}
	free(path);
	run_end(g);
}

Test(watch, files_and_folders_that_come_and_go_are_one_reload_each)
{
	struct gateway_run *g = prepare(RELOAD);
	char *sub = file_of(g, "a", "sub"), *other = file_of(g, "a", "other");
	char *file = file_of(g, "a", "sub/file");
	char *moved = file_of(g, "a", "other/file");
	long at;

	start(g);
	at = generation(g, "a");
	cr_assert_eq(mkdir(sub, 0755), 0);
	files_write(file, "1");
	expect_one(g, &at);
	files_write(file, "2"); /* the new folder is watched, too */
	expect_one(g, &at);
	cr_assert_eq(rename(sub, other), 0);
	expect_one(g, &at);
	files_write(moved, "3");
	expect_one(g, &at);
	cr_assert_eq(unlink(moved), 0);
	expect_one(g, &at);
	files_remove_tree(other);
	expect_one(g, &at);
	free(sub);
	free(other);
	free(file);
	free(moved);
	run_end(g);
}

Test(watch, what_does_not_count_is_no_reload)
{
	struct gateway_run *g = prepare(RELOAD);
	char *manifest = file_of(g, "a", "plugin.yaml");
	char *git = file_of(g, "a", ".git"), *build = file_of(g, "a", "build");
	char *text = files_read(manifest), *file = file_of(g, "a", "file");
	long at;

	files_write(manifest, "name: a\nversion: 1.0.0\nrun: hello.so\n"
			      "watch: {ignore: [build, '.*', '*.log']}\n");
	files_write(file, "content");
	cr_assert_eq(mkdir(git, 0755), 0);
	cr_assert_eq(mkdir(build, 0755), 0);
	start(g);
	at = generation(g, "a");
	put(g, "a", ".git/index", "x");
	put(g, "a", "build/out", "x");
	put(g, "a", "x.log", "x");
	put(g, "a", ".x.swp", "x");
	expect_no_more(g, "a", at);
	put(g, "a", "builder.c", "x"); /* a rule is for a whole segment */
	expect_one(g, &at);
	/* What is as before is none, though it was written. */
	files_write(file, "content");
	expect_no_more(g, "a", at);
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
	long at = generation(g, id);
	char *mode;

	files_overwrite(path, "two", 3);
	ctl_await_number(g, id, "generation", at + 1);
	mode = said(g, "a", "mode");
	cr_expect_str_eq(mode, "inotify");
	free(mode);
	mode = said(g, "(configuration)", "mode");
	cr_expect_str_eq(mode, "inotify");
	free(mode);
}

Test(watch, a_rule_for_one_place_is_for_no_other)
{
	struct gateway_run *g = prepare(RELOAD);
	char *sub = file_of(g, "a", "sub");
	char *file = file_of(g, "a", "sub/made.c");

	put(g, "a", "plugin.yaml",
		"name: a\nversion: 1.0.0\nrun: hello.so\n"
		"watch: {ignore: [/made.c]}\n");
	cr_assert_eq(mkdir(sub, 0755), 0);
	files_write(file, "one");
	start(g);
	expect_noticed(g, "a", file);
	free(sub);
	free(file);
	run_end(g);
}

Test(watch, a_hidden_file_counts_where_it_is_named)
{
	struct gateway_run *g = prepare(RELOAD);
	char *secret = memory_format("%s/.secret", g->dir);

	files_write(secret, "one");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
	start(g);
	expect_noticed(g, "c", secret);
	free(secret);
	run_end(g);
}

/* ---- several ---- */

Test(watch, each_plugin_that_uses_a_changed_package_is_reloaded)
{
	struct gateway_run *g = prepare(RELOAD);
	long a, again;

	run_plugin(g, "again",
		"use: a, mount: /again, namespace: again, watch: true");
	run_plugin(g, "unwatched", "use: a, mount: /un, namespace: un");
	start(g);
	await_said(g, "again", "mode", "inotify");
	a = generation(g, "a");
	again = generation(g, "again");
	put(g, "a", "file", "1");
	ctl_await_number(g, "a", "generation", a + 1);
	ctl_await_number(g, "again", "generation", again + 1);
	expect_no_more(g, "a", a + 1);
	cr_expect_eq(generation(g, "again"), again + 1);
	cr_expect_eq(generation(g, "unwatched"), 1);
	run_end(g);
}

/* ---- what goes wrong ---- */

Test(watch, a_save_that_does_not_work_leaves_the_old_worker_and_says_why)
{
	struct gateway_run *g = prepare(RELOAD);
	char *path = file_of(g, "a", "plugin.yaml"), *good, *out;
	long at;

	start(g);
	at = generation(g, "a");
	good = files_read(path);
	files_write(path, "name: a\nversion: 1\nrun: gone.so\n");
	run_await_log(g, 0, "(watch)");
	cr_expect_eq(generation(g, "a"), at);
	cr_expect_eq(http_status(g->http, "/a/hello"), 200);
	out = shell_expect(g, 0, "$SUPCTL history -n 1 a");
	cr_expect(strstr(out, "gone.so"), "%s", out);
	free(out);
	files_write(path, "%s# mended\n", good);
	await_said(g, "a", "state", "watching");
	for (int i = 0; i < 3000 && generation(g, "a") == at; i++)
		;
	cr_expect_gt(generation(g, "a"), at);
	free(good);
	free(path);
	run_end(g);
}

Test(watch, a_package_that_is_gone_keeps_serving_and_status_says_so)
{
	struct gateway_run *g = prepare(RELOAD);
	char *file = file_of(g, "a", "file"), *folder, *aside;
	long at;

	files_write(file, "1");
	start(g);
	at = generation(g, "a");
	folder = memory_format("%s/packages/a", g->dir);
	aside = memory_format("%s/aside", g->dir);
	cr_assert_eq(rename(folder, aside), 0);
	await_said(g, "a", "state", "source missing");
	run_await_log(g, 0, "a: the package is missing");
	cr_expect_eq(http_status(g->http, "/a/hello"), 200);
	cr_assert_eq(rename(aside, folder), 0);
	await_said(g, "a", "state", "watching");
	files_write(file, "2");
	ctl_await_number(g, "a", "generation", at + 1);
	free(file);
	free(folder);
	free(aside);
	run_end(g);
}

Test(watch, a_folder_that_is_a_link_is_followed_through_swaps)
{
	struct gateway_run *g = prepare(RELOAD);
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
	start(g);
	at = generation(g, "a");
	for (int i = 1; i <= 12; i++) {
		cr_assert_eq(symlink(i % 2 ? "../a1" : "../a0", next), 0);
		cr_assert_eq(rename(next, folder), 0);
		ctl_await_number(g, "a", "generation", at + i);
	}
	expect_no_more(g, "a", at + 12);
	free(folder);
	free(next);
	run_end(g);
}

static pid_t
watcher_of(struct gateway_run *g)
{
	char path[64], *children;
	pid_t found = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", g->pid,
		g->pid);
	children = files_read(path);
	if (!children)
		cr_skip_test("the kernel has no /proc/PID/task/TID/children");
	for (char *at = strtok(children, " "); at; at = strtok(NULL, " ")) {
		char line[64], *text;

		snprintf(line, sizeof(line), "/proc/%s/cmdline", at);
		text = files_read(line);
		if (text && !strcmp(text + strlen(text) + 1, "watch"))
			found = (pid_t)atoi(at);
		free(text);
	}
	free(children);
	return found;
}

Test(watch, what_happens_while_its_process_is_down_is_not_missed)
{
	struct gateway_run *g = prepare(RELOAD);
	pid_t watcher;
	long at;

	start(g);
	at = generation(g, "a");
	watcher = watcher_of(g);
	cr_assert(watcher);
	run_announce(g, "watch: its process has ended");
	cr_assert_eq(kill(watcher, SIGSTOP), 0);
	put(g, "a", "file", "1");
	cr_assert_eq(kill(watcher, SIGKILL), 0);
	ctl_await_number(g, "a", "generation", at + 1);
	put(g, "a", "file", "2");
	ctl_await_number(g, "a", "generation", at + 2);
	run_end(g);
}

/* Each decision is an order, which it does not take. */
Test(watch, orders_that_are_not_taken_are_bounded)
{
	struct gateway_run *g = prepare(RELOAD);
	char *manifest = file_of(g, "a", "plugin.yaml");
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
	start(g);
	at = generation(g, "a");
	watcher = watcher_of(g);
	cr_assert(watcher);
	run_announce(g, "watch: its process");
	cr_assert_eq(kill(watcher, SIGSTOP), 0);
	for (int i = 0; i < 100; i++) {
		ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
		ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	}
	run_await_log(g, 0, "watch: its process takes no orders");
	await_said(g, "a", "mode", "inotify");
	put(g, "a", "file", "1");
	ctl_await_number(g, "a", "generation", at + 1);
	free(manifest);
	run_end(g);
}

/* ---- where events do not come ---- */

/* The packages are an overlay of supd's own mount namespace, and the test
 * writes beneath it. */
Test(watch, where_inotify_does_not_serve_files_are_swept)
{
	struct gateway_run *g = prepare(RELOAD);
	char *file = file_of(g, "a", "file"), *script, *why;
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
	await_said(g, "a", "mode", "sweep");
	why = said(g, "a", "why");
	cr_expect(strstr(why, "overlayfs"), "%s", why);
	free(why);
	at = generation(g, "a");
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
	struct gateway_run *g = prepare(RELOAD);
	char *manifest = file_of(g, "a", "plugin.yaml"), *out;
	char *made = file_of(g, "a", "made"), *text;
	long at;

	/* It writes something new each time, and must not follow itself. */
	files_write(manifest, "name: a\nversion: 1.0.0\nrun: hello.so\n"
			      "watch: {also: [../../source], "
			      "run: [sh, -c, 'echo built; date +%%s%%N >stamp; "
			      "cp ../../source made; test -s made']}\n");
	text = memory_format("%s/source", g->dir);
	files_write(text, "1");
	start(g);
	at = generation(g, "a");
	files_write(text, "2");
	ctl_await_number(g, "a", "generation", at + 1);
	await_said(g, "a", "state", "watching"); /* what it wrote is known */
	out = files_read(made);
	cr_expect_str_eq(out, "2");
	free(out);
	expect_no_more(g, "a", at + 1);
	/* One that fails. */
	files_write(text, "%s", "");
	run_await_log(g, 0, "a: the build failed (exit status 1)");
	out = shell_expect(g, 0, "$SUPCTL events | grep watch.build_failed");
	cr_expect(strstr(out, "built"), "%s", out);
	free(out);
	out = shell_expect(g, 0, "$SUPCTL logs a | grep built");
	free(out);
	expect_no_more(g, "a", at + 1);
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
	struct gateway_run *g = prepare(RELOAD);
	char *secret = memory_format("%s/secret", g->dir);
	char *config = memory_format("%s/supd.yaml", g->dir), *good, *more;
	long at;

	files_write(secret, "one");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
	start(g);
	g->may_grow = true;
	run_plugin(g, "d", "use: a, mount: /d, namespace: d");
	run_write_config(g);
	await_answer(g, "/d/hello");
	/* A file that a setting refers to. */
	at = generation(g, "c");
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
	json_t *row = look(g, "a");

	cr_expect_eq(json_is_true(json_object_get(row, "on")), on);
	cr_expect_str_eq(json_string_value(json_object_get(row, "by")), by);
	json_decref(row);
}

Test(watch, a_decision_outlives_supd_and_ends_when_the_file_changes)
{
	struct gateway_run *g = prepare(RELOAD);
	long at;

	start(g);
	expect_on(g, true, "config");
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
	expect_on(g, false, "person");
	at = generation(g, "a");
	put(g, "a", "file", "1");
	expect_no_more(g, "a", at);
	restart(g);
	expect_on(g, false, "person");
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	expect_on(g, true, "person");
	await_said(g, "a", "mode", "inotify");
	at = generation(g, "a");
	put(g, "a", "file", "2");
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
	struct gateway_run *g = prepare("reload: {watch: false}\n");
	struct ctl *c;
	char *state;

	run_start(g);
	state = said(g, "a", "state");
	cr_expect_str_eq(state, "off: reload.watch is false");
	free(state);
	c = ctl_expect(g, 1, "watch", "on", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "reload.watch"), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(watcher_of(g), 0); /* it costs nothing */
	run_end(g);
}

Test(watch, everything_is_watched_by_the_flag)
{
	struct gateway_run *g = prepare("reload: {debounce: 60ms}\n");
	long at;
	char *flag = memory_format("%s/with-flag", g->dir);

	run_no_plugins(g);
	run_plugin(g, "a", "mount: /a, namespace: a");
	run_plugin(g, "b", "mount: /b, namespace: b");
	files_write(flag, "#!/bin/sh\nexec \"$@\" --watch\n");
	cr_assert_eq(chmod(flag, 0755), 0);
	g->wrapper[0] = flag;
	start(g);
	at = generation(g, "a");
	put(g, "a", "file", "1");
	expect_one(g, &at);
	free(flag);
	run_end(g);
}

Test(watch, a_disabled_plugin_is_not_watched)
{
	struct gateway_run *g = prepare(RELOAD);
	char *state;

	start(g);
	ctl_destroy(ctl_expect(g, 0, "disable", "a", NULL));
	await_said(g, "a", "state", "off: the plugin is disabled");
	put(g, "a", "file", "1");
	put(g, "b", "file", "1");
	ctl_await_number(g, "b", "generation", 2);
	state = ctl_status_text(g, "a", "state");
	cr_expect_str_eq(state, "disabled");
	free(state);
	ctl_destroy(ctl_expect(g, 0, "enable", "a", NULL));
	await_said(g, "a", "mode", "inotify");
	run_end(g);
}

Test(watch, off_cancels_what_was_pending)
{
	struct gateway_run *g =
		prepare("reload: {watch: true, debounce: 1h}\n");
	json_t *row;
	long at;

	start(g);
	at = generation(g, "a");
	put(g, "a", "file", "1");
	await_said(g, "a", "state", "pending");
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
	row = look(g, "a");
	cr_expect_not(json_is_true(json_object_get(row, "pending")));
	json_decref(row);
	cr_expect_eq(generation(g, "a"), at);
	run_end(g);
}

/* What waits is not lost when there is something else to watch. */
Test(watch, another_order_keeps_what_was_pending)
{
	struct gateway_run *g =
		prepare("reload: {watch: true, debounce: 1h}\n");
	char *secret = memory_format("%s/secret", g->dir);
	long at;

	files_write(secret, "one");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
	start(g);
	at = generation(g, "a");
	put(g, "a", "file", "1");
	files_write(secret, "two");
	await_said(g, "a", "state", "pending");
	await_said(g, "(configuration)", "state", "pending");
	plan_extra(g, RELOAD);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	ctl_await_number(g, "a", "generation", at + 1);
	run_await_log(g, 0, "configuration: a file changed");
	free(secret);
	run_end(g);
}

/* Watches that the kernel has for a process. */
static unsigned
count_watches(pid_t pid)
{
	char path[320];
	struct dirent *entry;
	unsigned count = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	folder = opendir(path);
	cr_assert(folder);
	while ((entry = readdir(folder))) {
		char *text;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid,
			entry->d_name);
		text = files_read(path);
		for (char *at = text; at && (at = strstr(at, "inotify wd:"));
			at++)
			count++;
		free(text);
	}
	closedir(folder);
	return count;
}

Test(watch, watches_of_the_kernel_do_not_pile_up)
{
	struct gateway_run *g = prepare(RELOAD);
	unsigned before;
	pid_t watcher;

	start(g);
	watcher = watcher_of(g);
	cr_assert(watcher);
	before = count_watches(watcher);
	cr_expect_gt(before, 2);
	for (int i = 0; i < 25; i++) {
		ctl_destroy(ctl_expect(g, 0, "watch", "off", "a", NULL));
		ctl_destroy(ctl_expect(g, 0, "watch", "on", "a", NULL));
	}
	await_said(g, "a", "mode", "inotify");
	cr_expect_eq(watcher_of(g), watcher);
	cr_expect_eq(count_watches(watcher), before);
	ctl_destroy(ctl_expect(g, 0, "watch", "off", "--all", NULL));
	ctl_destroy(ctl_expect(g, 0, "watch", "on", "b", NULL));
	await_said(g, "b", "mode", "inotify");
	cr_expect_lt(count_watches(watcher), before);
	run_end(g);
}

/* ---- who follows ---- */

Test(watch, a_follower_sees_reloads_in_plain_words)
{
	struct gateway_run *g = prepare(RELOAD);
	char *out;

	start(g);
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
	struct gateway_run *g = prepare(RELOAD);
	char *out;

	start(g);
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
