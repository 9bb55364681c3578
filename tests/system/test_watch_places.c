/* Where files are watched: with too little of inotify, without permission,
 * through links, on mounts, and where inotify reports nothing. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

Test(watch_places, a_folder_that_was_unreadable_for_a_while_is_still_watched)
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
	watch_await_generation(g, "a", at + 1);
	free(folder);
	run_end(g);
}

/* The package a is a link to DIR/a0, beside which there is DIR/a1 with another
 * content. */
static void
make_link(struct gateway_run *g)
{
	char *folder = memory_format("%s/packages/a", g->dir);

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
	free(folder);
}

/* As ConfigMaps are swapped: a link is renamed over a link. */
static void
swap_link(struct gateway_run *g, const char *target)
{
	char *folder = memory_format("%s/packages/a", g->dir);
	char *next = memory_format("%s/packages/next", g->dir);

	cr_assert_eq(symlink(target, next), 0);
	cr_assert_eq(rename(next, folder), 0);
	free(folder);
	free(next);
}

Test(watch_places, a_folder_that_is_a_link_is_followed_through_swaps)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	long at;

	make_link(g);
	watch_start(g);
	at = watch_generation(g, "a");
	for (int i = 1; i <= 12; i++) {
		swap_link(g, i % 2 ? "../a1" : "../a0");
		ctl_await_number(g, "a", "generation", at + i);
	}
	watch_expect_no_more(g, "a", at + 12);
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
	struct patience p = patience_for(WATCH_DEADLINE_MS);
	bool is_it = false;

	while (!is_it) {
		char *now = digest_of(g);

		is_it = !strcmp(now, digest);
		cr_assert(is_it || patience_lasts(&p),
			"the last content does not serve");
		free(now);
	}
}

Test(watch_places, after_a_hundred_swaps_of_a_link_the_last_content_serves)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *digests[2];
	unsigned before;

	make_link(g);
	watch_start(g);
	before = watch_count_kernel(watch_process(g));
	digests[0] = digest_of(g);
	swap_link(g, "../a1");
	ctl_await_number(g, "a", "generation", 2);
	digests[1] = digest_of(g);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100 + round; i++)
			swap_link(g, i % 2 ? "../a1" : "../a0");
		await_digest(g, digests[1 - round]);
	}
	watch_await_said(g, "a", "state", "watching");
	cr_expect_eq(watch_count_kernel(watch_process(g)), before);
	free(digests[0]);
	free(digests[1]);
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

/* The packages are an overlay of supd's own mount namespace, and the test
 * writes beneath it. */
Test(watch_places, where_inotify_does_not_serve_files_are_swept)
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
