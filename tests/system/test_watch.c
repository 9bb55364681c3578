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
	watch_add_token(g, secret);
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
	watch_await_generation(g, "a", at + 1);
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
