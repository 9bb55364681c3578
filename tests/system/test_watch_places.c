/* Where and how files are watched: too few watches of inotify, mounts, links,
 * permissions, and the programs that save files. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_places, .fini = run_fini, .timeout = 300);

/* ---- too little of inotify ---- */

static void
set_limit(struct gateway_run *g, const char *name, int value)
{
	free(shell_expect(g, 0,
		"nsenter -t %d -U --preserve-credentials sh -c "
		"'echo %d >/proc/sys/user/%s'",
		g->pid, value, name));
}

static void
expect_swept_then_not(
	struct gateway_run *g, const char *limit, const char *reason)
{
	char *why, *file = run_package_file(g, "a", "file");
	long at;

	files_write(file, "0");
	run_start(g);
	watch_await_said(g, "a", "mode", "sweep");
	watch_await_said(g, WATCH_CONFIG, "mode", "sweep");
	why = watch_said(g, "a", "why");
	cr_expect(strstr(why, reason), "%s", why);
	free(why);
	at = watch_generation(g, "a");
	files_overwrite(file, "1", 1);
	ctl_await_number(g, "a", "generation", at + 1);
	files_overwrite(file, "22", 2);
	ctl_await_number(g, "a", "generation", at + 2);
	/* Somebody raises the limit. */
	set_limit(g, limit, 10000);
	watch_await_said(g, "a", "mode", "inotify");
	watch_await_said(g, "b", "mode", "inotify");
	watch_await_said(g, WATCH_CONFIG, "mode", "inotify");
	run_await_log(g, 0, "a: files are watched by inotify again");
	files_overwrite(file, "333", 3);
	ctl_await_number(g, "a", "generation", at + 3);
	watch_expect_no_more(g, "a", at + 3);
	cr_expect_eq(
		capture_count(&g->log, 0, "a: scanning its files every"), 1);
	free(file);
	run_end(g);
}

Test(watch_places, without_watches_files_are_swept_until_there_are_some)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);

	watch_confine(g, "-Ur", "echo 0 >/proc/sys/user/max_inotify_watches");
	expect_swept_then_not(g, "max_inotify_watches", "max_user_watches");
}

Test(watch_places, without_an_instance_of_inotify_too)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);

	watch_confine(g, "-Ur", "echo 0 >/proc/sys/user/max_inotify_instances");
	expect_swept_then_not(g, "max_inotify_instances", "max_user_instances");
}

static long
queue_length(void)
{
	char *text = files_read("/proc/sys/fs/inotify/max_queued_events");
	long length = text ? atol(text) : 0;

	free(text);
	return length;
}

/* Events that the kernel cannot queue, while the process does not read. */
static void
overflow(struct gateway_run *g, long events)
{
	char *one = run_package_file(g, "a", "one");
	char *two = run_package_file(g, "a", "two");
	int fds[2] = {open(one, O_WRONLY | O_CREAT | O_CLOEXEC, 0644),
		open(two, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};

	cr_assert(fds[0] >= 0 && fds[1] >= 0);
	for (long i = 0; i < events; i++) /* equal ones in a row are merged */
		cr_assert_eq(pwrite(fds[i % 2], &i, sizeof(i), 0), sizeof(i));
	close(fds[0]);
	close(fds[1]);
	free(one);
	free(two);
}

Test(watch_places, what_the_kernel_dropped_is_found)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	long length = queue_length(), a, b;
	pid_t watcher;

	if (length <= 0 || length > 1000000)
		cr_skip_test("the queue has %ld places", length);
	watch_start(g);
	a = watch_generation(g, "a");
	b = watch_generation(g, "b");
	watcher = watch_process(g);
	cr_assert(watcher);
	cr_assert_eq(kill(watcher, SIGSTOP), 0);
	overflow(g, length + 1000);
	watch_put(g, "b", "file", "1"); /* an event that is dropped */
	cr_assert_eq(kill(watcher, SIGCONT), 0);
	ctl_await_number(g, "b", "generation", b + 1);
	ctl_await_number(g, "a", "generation", a + 1);
	watch_expect_no_more(g, "a", a + 1);
	run_end(g);
}

/* ---- permissions and links ---- */

Test(watch_places, a_folder_that_cannot_be_read_for_a_while_is_watched_on)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *folder = memory_format("%s/packages/a", g->dir);
	long at;

	if (geteuid() == 0) { /* which may read everything, as a rule */
		g->wrapper[0] = "setpriv";
		g->wrapper[1] = "--bounding-set";
		g->wrapper[2] = "-dac_override,-dac_read_search";
		if (system("setpriv --bounding-set -dac_override true"))
			cr_skip_test("needs CAP_SETPCAP");
	}
	watch_start(g);
	at = watch_generation(g, "a");
	cr_assert_eq(chmod(folder, 0), 0);
	run_await_log(g, 0, "(watch)"); /* refused: the old one goes on */
	cr_expect_eq(watch_generation(g, "a"), at);
	cr_assert_eq(chmod(folder, 0755), 0);
	watch_await_said(g, "a", "state", "watching");
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "1");
	for (uint64_t until_ms = clock_ms() + WATCH_DEADLINE_MS;
		clock_ms() < until_ms && watch_generation(g, "a") == at;)
		;
	cr_expect_gt(watch_generation(g, "a"), at);
	free(folder);
	run_end(g);
}

static char *
digest_of(struct gateway_run *g)
{
	return ctl_status_text(g, "a", "digest");
}

static void
await_digest(struct gateway_run *g, const char *digest)
{
	uint64_t until_ms = clock_ms() + WATCH_DEADLINE_MS;
	bool is_it = false;

	while (!is_it && clock_ms() < until_ms) {
		char *now = digest_of(g);

		is_it = !strcmp(now, digest);
		free(now);
	}
	cr_assert(is_it, "the last content does not serve");
}

Test(watch_places, after_a_hundred_swaps_of_a_link_the_last_content_serves)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *folder = memory_format("%s/packages/a", g->dir), *digests[2];
	char *next = memory_format("%s/packages/next", g->dir);
	unsigned before;

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
	before = watch_count_kernel(watch_process(g));
	digests[0] = digest_of(g);
	cr_assert_eq(symlink("../a1", next), 0);
	cr_assert_eq(rename(next, folder), 0);
	ctl_await_number(g, "a", "generation", 2);
	digests[1] = digest_of(g);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100 + round; i++) {
			cr_assert_eq(
				symlink(i % 2 ? "../a1" : "../a0", next), 0);
			cr_assert_eq(rename(next, folder), 0);
		}
		await_digest(g, digests[1 - round]);
	}
	watch_await_said(g, "a", "state", "watching");
	cr_expect_eq(watch_count_kernel(watch_process(g)), before);
	free(digests[0]);
	free(digests[1]);
	free(folder);
	free(next);
	run_end(g);
}

/* ---- mounts ---- */

static void
expect_reloads(struct gateway_run *g, const char *file, const char *mode)
{
	long at = watch_generation(g, "a");
	char *now;

	files_overwrite(file, "22", 2);
	ctl_await_number(g, "a", "generation", at + 1);
	files_overwrite(file, "333", 3);
	ctl_await_number(g, "a", "generation", at + 2);
	now = watch_said(g, "a", "mode");
	cr_expect_str_eq(now, mode);
	free(now);
}

/* A folder of this machine that is mounted elsewhere, too, as into a container:
 * the test writes to the one, supd watches the other. */
Test(watch_places, a_bind_mount_is_watched_by_inotify)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *outside = memory_format("%s/outside", g->dir), *script;
	char *folder = memory_format("%s/packages/a", g->dir);
	char *file = memory_format("%s/file", outside);

	files_copy_folder(folder, outside);
	files_write(file, "1");
	script = memory_format("mount --bind %s %s", outside, folder);
	watch_confine(g, "-Urm", script);
	watch_start(g);
	expect_reloads(g, file, "inotify");
	free(outside);
	free(script);
	free(folder);
	free(file);
	run_end(g);
}

Test(watch_places, a_tmpfs_is_watched_by_inotify)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *folder = memory_format("%s/packages/a", g->dir);
	char *copy = memory_format("%s/copy", g->dir), *script, *file;

	files_copy_folder(folder, copy);
	script = memory_format("mount -t tmpfs none %s && cp %s/* %s && "
			       "echo 1 >%s/file",
		folder, copy, folder, folder);
	watch_confine(g, "-Urm", script);
	watch_start(g);
	file = memory_format("/proc/%d/root%s/file", g->pid, folder);
	expect_reloads(g, file, "inotify");
	free(folder);
	free(copy);
	free(script);
	free(file);
	run_end(g);
}

/* ---- the configuration ---- */

static void
await_plugin(struct gateway_run *g, const char *id)
{
	uint64_t until_ms = clock_ms() + WATCH_DEADLINE_MS;
	int exit_code = 5;

	while (exit_code && clock_ms() < until_ms) {
		struct ctl *c = ctl_run(g, "status", id, NULL);

		exit_code = c->exit_code;
		ctl_destroy(c);
	}
	ctl_await_state(g, id, "serving");
}

Test(watch_places, a_file_that_a_refused_configuration_lacks_is_awaited)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *secret = memory_format("%s/later/secret", g->dir);
	char *folder = memory_format("%s/later", g->dir);

	watch_start(g);
	g->may_grow = true;
	run_announce(g, "supd.yaml");
	run_announce(g, "configuration");
	run_plugin(g, "c",
		"use: a, mount: /c, namespace: c, settings: {token: "
		"'${file:%s}'}",
		secret);
	run_write_config(g);
	run_await_log(g, 0, "configuration not applied");
	cr_assert_eq(mkdir(folder, 0755), 0);
	files_write(secret, "one");
	await_plugin(g, "c");
	free(folder);
	free(secret);
	run_end(g);
}

/* ---- who saves files ---- */

/* In the folder of the package, where hidden files do not count; `file` is
 * there, with another content. */
static const struct {
	const char *needs, *prepare, *save;
} savers[] = {
	{"sh", NULL, "echo one >file"},
	{"sh", NULL, "echo two >>file"},
	{"sed", NULL, "sed -i s/two/three/ file"},
	{"cp", "echo four >.old; touch -d 2001-01-01 .old", "cp -p .old file"},
	{"mv", "echo five >.new", "mv .new file"},
	{"ln", "echo six >.six", "ln -sfn .six file"},
	{"ln", "echo seven >.seven", "ln -sfn .seven file"},
	{"install", "echo eight >.new", "install .new file"},
	{"tee", NULL, "echo nine | tee file"},
	{"dd", NULL, "echo ten | dd of=file conv=notrunc"},
	{"rsync", "echo eleven eleven >.new", "rsync -I .new file"},
	{"rsync", "echo twelve twelve >.new", "rsync -I --inplace .new file"},
	{"vim.tiny", NULL,
		"vim.tiny -es -u NONE -c 'normal ggcc13' -c wq file"},
	{"vim.tiny", NULL,
		"vim.tiny -es -u NONE -c 'set backupcopy=no' -c "
		"'normal ggcc14' -c wq file"},
	{"vim.tiny", NULL,
		"vim.tiny -es -u NONE -c 'set backupcopy=yes' -c "
		"'normal ggcc15' -c wq file"},
	{"git",
		"git init -q . && hash=$(echo 16 | git hash-object -w --stdin) "
		"&& git update-index --add --cacheinfo 100644,$hash,file",
		"git checkout -q -- file"},
	{"python3", NULL,
		"python3 -c 'f = open(\"file\", \"r+\"); f.write(\"17\"); "
		"f.truncate(); f.close()'"},
	{"tar", "echo 18 >.new; tar -cf .t --transform=s/.new/file/ .new",
		"tar -xf .t"},
	{"emacs", NULL,
		"emacs -Q --batch file --eval '(progn (erase-buffer) (insert "
		"\"19\") (save-buffer))'"},
};

Test(watch_places, each_program_that_saves_a_file_makes_one_reload,
	.timeout = 600)
{
	/* Longer than a busy machine keeps one of them waiting. */
	struct gateway_run *g =
		watch_prepare("reload: {watch: true, debounce: 400ms}\n");
	long at;

	watch_put(g, "a", "file", "zero");
	watch_start(g);
	at = watch_generation(g, "a");
	for (size_t i = 0; i < sizeof(savers) / sizeof(*savers); i++) {
		if (!shell_has(savers[i].needs))
			continue;
		free(shell_expect(g, 0, "cd %s/packages/a && { %s; } 2>&1",
			g->dir, savers[i].prepare ? savers[i].prepare : ":"));
		free(shell_expect(g, 0, "cd %s/packages/a && { %s; } 2>&1",
			g->dir, savers[i].save));
		++at;
		ctl_await_number(g, "a", "generation", at);
		watch_expect_no_more(g, "a", at);
	}
	run_end(g);
}

/* ---- on and off ---- */

Test(watch_places, two_hundred_times_on_and_off_leave_nothing, .timeout = 600)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	unsigned before;
	pid_t watcher;

	watch_start(g);
	watcher = watch_process(g);
	cr_assert(watcher);
	before = watch_count_kernel(watcher);
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
	cr_expect_eq(watch_process(g), watcher);
	run_end(g);
}

/* ---- signals ---- */

Test(watch_places, a_storm_of_hups_while_the_file_changes_makes_two_passes)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	uint64_t begun_ms;
	unsigned most;

	watch_start(g);
	g->may_grow = true;
	run_plugin(g, "c", "use: a, mount: /c, namespace: c");
	run_write_config(g);
	begun_ms = clock_ms();
	/* Until the watching process has also noticed the change. */
	for (int i = 0; i < 100 || !run_log_has(g, 0, "supd.yaml changed"); i++)
		run_signal(g, SIGHUP);
	/* supd cuts a burst after 3 s (HUP_BURST_MS). */
	most = 2 + 2 * (unsigned)((clock_ms() - begun_ms) / 3000);
	await_plugin(g, "c");
	watch_expect_no_more(g, "a", watch_generation(g, "a"));
	cr_expect_leq(capture_count(&g->log, 0, "configuration applied"), most);
	run_end(g);
}

/* ---- the clock ---- */

static void
step_clock(struct gateway_run *g, const char *offset)
{
	char *path = memory_format("%s/offset", g->dir);

	files_write(path, "%s\n", offset);
	free(path);
}

/* Whether supd has written lines on that day. */
static bool
wrote_on(struct gateway_run *g, time_t then)
{
	struct tm parts;
	char text[16];

	gmtime_r(&then, &parts);
	strftime(text, sizeof(text), "%Y-%m-%dT", &parts);
	return run_log_has(g, 0, text);
}

/* The wall clock of supd, which libfaketime reads from a file; that of files is
 * the kernel's. */
Test(watch_places, a_stepped_clock_neither_delays_nor_repeats)
{
	static const char *const offsets[] = {
		"+1d", "-400d", "+0", "+3h", "-1", "+0"};
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	static char path[96];
	long at;

#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("libfaketime and the sanitizer both come first");
#endif
	snprintf(path, sizeof(path), "%s/clocked", g->dir);
	files_write(path,
		"#!/bin/sh\n"
		"export FAKETIME_TIMESTAMP_FILE=%s/offset FAKETIME_NO_CACHE=1 "
		"FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\n"
		"lib=$(ls /usr/lib/*/faketime/libfaketime.so.1 2>/dev/null | "
		"head -n 1)\n"
		"[ -n \"$lib\" ] || exit 1\n"
		"export LD_PRELOAD=$lib\nexec \"$@\"\n",
		g->dir);
	cr_assert_eq(chmod(path, 0755), 0);
	step_clock(g, "+0");
	if (!shell_has("faketime"))
		cr_skip_test("needs libfaketime: apt install faketime");
	g->wrapper[0] = path;
	watch_start(g);
	at = watch_generation(g, "a");
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		watch_put(g, "a", "file", offsets[i]);
		step_clock(g, offsets[i]); /* while it is pending */
		watch_expect_one(g, &at);
	}
	cr_expect(wrote_on(g, time(NULL) - 400 * 24 * 3600),
		"supd's clock was not stepped");
	run_end(g);
}
