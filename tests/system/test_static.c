/* The package static behind the built programs: what is served and what never,
 * conditions and ranges, and files on their way: in little memory, given up
 * when the client leaves, cut when the file changes. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/run.h"

TestSuite(static_files, .fini = run_fini, .timeout = 120);

#define MIB ((size_t)1024 * 1024)
#define LONG_AGO 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Two streams, of which each may be 1 MiB ahead, and the link's copies. */
#define GROWTH_MAX_KIB (6 * 1024)

static char *
path_of(struct gateway_run *g, const char *name)
{
	return memory_format("%s/site/%s", g->dir, name);
}

/* A file that has not changed for long. */
static void
put(struct gateway_run *g, const char *name, const char *text)
{
	const struct timespec times[2] = {{LONG_AGO, 0}, {LONG_AGO, 0}};
	char *path = path_of(g, name);

	files_write(path, "%s", text);
	cr_assert(!utimensat(AT_FDCWD, path, times, 0));
	free(path);
}

static void
put_folder(struct gateway_run *g, const char *name)
{
	char *path = path_of(g, name);

	cr_assert(!mkdir(path, 0755));
	free(path);
}

/* All zeros, and takes no space. */
static void
put_big(struct gateway_run *g, const char *name, size_t bytes)
{
	char *path = path_of(g, name);

	files_write(path, "%s", "");
	cr_assert(!truncate(path, (off_t)bytes));
	free(path);
}

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	put_folder(g, "");
	put(g, "a.txt", "0123456789");
	run_package(g, "static", "static");
	run_plugin(g, "static", "mount: /s, settings: {root: \"%s/site\"%s%s}",
		g->dir, *settings ? ", " : "", settings);
	plan_extra(g, "limits: {write_timeout: 5m}\n");
	run_start(g);
	return g;
}

/* One request with more header lines; the caller finishes the answer. */
static struct answer
ask(struct gateway_run *g, const char *method, const char *path,
	const char *lines)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method,
		path, lines));
	cr_assert(
		client_read(&c, &a, !strcmp(method, "HEAD"), HTTP_DEADLINE_MS),
		"%s %s: no answer", method, path);
	client_close(&c);
	return a;
}

static void
expect_header(const struct answer *a, const char *name, const char *value)
{
	const char *is = answer_header(a, name);

	cr_expect(is && !strcmp(is, value), "%s: %s, not %s", name, is, value);
}

static void
expect_status(struct gateway_run *g, const char *path, int status)
{
	struct answer a = ask(g, "GET", path, "");

	cr_expect_eq(
		a.status, status, "%s: %d, not %d", path, a.status, status);
	answer_finish(&a);
}

/* ---- what is served ---- */

Test(static_files, a_file_comes_with_what_is_known_of_it)
{
	struct gateway_run *g = start("");
	struct answer a = ask(g, "GET", "/s/a.txt", ""), head;
	char *etag;

	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(a.body, "0123456789");
	expect_header(&a, "Content-Type", "text/plain; charset=utf-8");
	expect_header(&a, "Content-Length", "10");
	expect_header(&a, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
	expect_header(&a, "Accept-Ranges", "bytes");
	expect_header(&a, "X-Content-Type-Options", "nosniff");
	cr_expect_null(answer_header(&a, "Cache-Control"));
	etag = memory_copy_text(answer_header(&a, "ETag"));
	cr_expect_eq(etag[0], '"', "%s is a weak tag", etag);
	head = ask(g, "HEAD", "/s/a.txt", "");
	cr_expect_eq(head.status, 200);
	expect_header(&head, "Content-Length", "10");
	expect_header(&head, "ETag", etag);
	answer_finish(&a);
	answer_finish(&head);
	free(etag);
	run_end(g);
}

Test(static_files, a_file_that_was_just_written_has_a_weak_tag)
{
	struct gateway_run *g = start("");
	char *path = path_of(g, "new.txt");
	struct answer a;

	files_write(path, "new");
	a = ask(g, "GET", "/s/new.txt", "");
	cr_expect(!strncmp(answer_header(&a, "ETag"), "W/\"", 3));
	answer_finish(&a);
	free(path);
	run_end(g);
}

Test(static_files, folders_have_an_index_and_a_slash)
{
	struct gateway_run *g = start("");
	struct answer a;

	put_folder(g, "docs");
	put(g, "docs/index.html", "docs");
	put_folder(g, "bare");
	put(g, "a b.txt", "blank");
	a = ask(g, "GET", "/s/docs?x=1", "");
	cr_expect_eq(a.status, 301);
	expect_header(&a, "Location", "/s/docs/?x=1");
	answer_finish(&a);
	a = ask(g, "GET", "/s/docs/", "");
	cr_expect_str_eq(a.body, "docs");
	expect_header(&a, "Content-Type", "text/html; charset=utf-8");
	answer_finish(&a);
	a = ask(g, "GET", "/s/a%20b.txt", "");
	cr_expect_str_eq(a.body, "blank");
	answer_finish(&a);
	expect_status(g, "/s/", 404);
	expect_status(g, "/s/bare/", 404);
	expect_status(g, "/s/a.txt/", 404);
	expect_status(g, "/s/none", 404);
	run_end(g);
}

Test(static_files, nothing_hidden_and_nothing_outside_is_served)
{
	struct gateway_run *g = start("");
	char *path;

	put(g, ".env", "secret");
	put_folder(g, ".git");
	put(g, ".git/config", "secret");
	put_folder(g, "docs");
	path = path_of(g, "evil");
	cr_assert(!symlink("/etc/passwd", path));
	free(path);
	path = path_of(g, "up");
	cr_assert(!symlink("../supd.yaml", path));
	free(path);
	path = path_of(g, "out");
	cr_assert(!symlink("/", path));
	free(path);
	path = path_of(g, "good");
	cr_assert(!symlink("docs/../a.txt", path));
	free(path);
	path = path_of(g, "fifo");
	cr_assert(!mkfifo(path, 0644));
	free(path);
	expect_status(g, "/s/.env", 404);
	expect_status(g, "/s/%2eenv", 404);
	expect_status(g, "/s/.git/config", 404);
	expect_status(g, "/s/.git/", 404);
	expect_status(g, "/s/evil", 404);
	expect_status(g, "/s/up", 404);
	expect_status(g, "/s/out/etc/passwd", 404);
	expect_status(g, "/s/fifo", 404);
	expect_status(g, "/s/../supd.yaml", 404);
	expect_status(g, "/s/%2e%2e/supd.yaml", 404);
	expect_status(g, "/s/..%2fsupd.yaml", 400);
	expect_status(g, "/s//etc/passwd", 400);
	expect_status(g, "/s/good", 200);
	run_end(g);
}

Test(static_files, settings_say_more)
{
	struct gateway_run *g =
		start("hidden: true, index: a.txt, cache: max-age=60, "
		      "types: {txt: text/x-own, odd: a/b}");
	struct answer a = ask(g, "GET", "/s/", "");

	cr_expect_str_eq(a.body, "0123456789");
	expect_header(&a, "Content-Type", "text/x-own");
	expect_header(&a, "Cache-Control", "max-age=60");
	answer_finish(&a);
	put(g, ".x.odd", "hidden");
	a = ask(g, "GET", "/s/.x.odd", "");
	cr_expect_str_eq(a.body, "hidden");
	expect_header(&a, "Content-Type", "a/b");
	answer_finish(&a);
	run_end(g);
	g = start("index: \"\"");
	put(g, "index.html", "index");
	expect_status(g, "/s/", 404);
	expect_status(g, "/s/index.html", 200);
	run_end(g);
}

Test(static_files, a_root_that_is_none_fails_the_start)
{
	struct gateway_run *g = run_create();

	run_package(g, "static", "static");
	run_plugin(g, "static", "settings: {root: /no/such/folder}");
	run_announce(g, "static");
	run_announce(g, "init of plugin");
	g->may_grow = true;
	run_spawn(g);
	run_await_log(g, 0, "root is not a folder: /no/such/folder");
	run_end(g);
}

/* A site that is part of the package is swapped with it. */
Test(static_files, the_packages_own_folder_changes_with_a_reload)
{
	struct gateway_run *g = run_create();
	char *folder, *page;
	struct answer a;

	run_package(g, "static", "static");
	folder = run_package_file(g, "static", "public");
	page = run_package_file(g, "static", "public/index.html");
	cr_assert(!mkdir(folder, 0755));
	files_write(page, "first");
	run_plugin(g, "static", "mount: /s");
	run_start(g);
	files_write(page, "second");
	a = ask(g, "GET", "/s/", "");
	cr_expect_str_eq(a.body, "first");
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "reload", "static", NULL));
	a = ask(g, "GET", "/s/", "");
	cr_expect_str_eq(a.body, "second");
	answer_finish(&a);
	free(folder);
	free(page);
	run_end(g);
}

/* Around the sizes where an answer begins to go in pieces. */
Test(static_files, each_size_comes_whole_and_says_its_length)
{
	static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 100000,
		131072, 131073, 262144, 262145, 1000000};
	struct gateway_run *g = start("");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *length = memory_format("%zu", sizes[i]);
		struct answer a;

		put_big(g, "big", sizes[i]);
		a = ask(g, "GET", "/s/big", "");
		cr_expect_eq(a.status, 200);
		cr_expect_eq(a.body_bytes, sizes[i]);
		expect_header(&a, "Content-Length", length);
		answer_finish(&a);
		free(length);
	}
	run_end(g);
}

/* ---- conditions and ranges ---- */

/* Each generation serves copies of its own; the files are the same. */
Test(static_files, a_reload_changes_no_file_for_its_clients)
{
	const struct timespec times[2] = {{LONG_AGO, 5}, {LONG_AGO, 5}};
	struct gateway_run *g = run_create();
	char *path, *match, *resume;
	struct answer a;

	run_package(g, "static", "static");
	path = run_package_file(g, "static", "public");
	cr_assert(!mkdir(path, 0755));
	free(path);
	path = run_package_file(g, "static", "public/a.txt");
	files_write(path, "0123456789");
	cr_assert(!utimensat(AT_FDCWD, path, times, 0));
	free(path);
	run_plugin(g, "static", "mount: /s");
	run_start(g);
	a = ask(g, "GET", "/s/a.txt", "");
	cr_expect_eq(a.status, 200);
	match = memory_format(
		"If-None-Match: %s\r\n", answer_header(&a, "ETag"));
	resume = memory_format("Range: bytes=4-\r\nIf-Range: %s\r\n",
		answer_header(&a, "ETag"));
	answer_finish(&a);
	ctl_destroy(ctl_expect(g, 0, "reload", "static", NULL));
	a = ask(g, "GET", "/s/a.txt", match);
	cr_expect_eq(a.status, 304);
	answer_finish(&a);
	a = ask(g, "GET", "/s/a.txt", resume);
	cr_expect_eq(a.status, 206);
	cr_expect_str_eq(a.body, "456789");
	answer_finish(&a);
	free(match);
	free(resume);
	run_end(g);
}

Test(static_files, a_client_that_has_it_is_told_so)
{
	struct gateway_run *g = start("");
	struct answer a = ask(g, "GET", "/s/a.txt", "");
	char *line = memory_format(
		"If-None-Match: %s\r\n", answer_header(&a, "ETag"));

	answer_finish(&a);
	a = ask(g, "GET", "/s/a.txt", line);
	cr_expect_eq(a.status, 304);
	cr_expect_eq(a.body_bytes, 0);
	cr_expect(answer_header(&a, "ETag"));
	answer_finish(&a);
	put(g, "a.txt", "abcdefghijk"); /* another file of that name */
	a = ask(g, "GET", "/s/a.txt", line);
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	a = ask(g, "GET", "/s/a.txt",
		"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	cr_expect_eq(a.status, 304);
	answer_finish(&a);
	a = ask(g, "GET", "/s/a.txt", "If-Match: \"other\"\r\n");
	cr_expect_eq(a.status, 412);
	answer_finish(&a);
	free(line);
	run_end(g);
}

Test(static_files, parts_of_small_and_large_files)
{
	struct gateway_run *g = start("");
	struct answer a = ask(g, "GET", "/s/a.txt", "Range: bytes=2-4\r\n");

	cr_expect_eq(a.status, 206);
	cr_expect_str_eq(a.body, "234");
	expect_header(&a, "Content-Range", "bytes 2-4/10");
	answer_finish(&a);
	a = ask(g, "GET", "/s/a.txt", "Range: bytes=-3\r\nIf-Range: \"x\"\r\n");
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(a.body, "0123456789");
	answer_finish(&a);
	a = ask(g, "GET", "/s/a.txt", "Range: bytes=10-\r\n");
	cr_expect_eq(a.status, 416);
	expect_header(&a, "Content-Range", "bytes */10");
	answer_finish(&a);
	put_big(g, "big", 8 * MIB);
	a = ask(g, "GET", "/s/big", "Range: bytes=1000-3000999\r\n");
	cr_expect_eq(a.status, 206);
	cr_expect_eq(a.body_bytes, 3000000);
	expect_header(&a, "Content-Range", "bytes 1000-3000999/8388608");
	expect_header(&a, "Content-Length", "3000000");
	answer_finish(&a);
	run_end(g);
}

/* ---- on their way ---- */

/* How many files of the site the worker has open. */
static unsigned
open_files(struct gateway_run *g, pid_t pid)
{
	char *folder = memory_format("/proc/%d/fd", (int)pid);
	char *site = memory_format("%s/site/", g->dir);
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;
	char target[256];

	cr_assert(dir);
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(
			dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = 0;
		count += !strncmp(target, site, strlen(site));
	}
	closedir(dir);
	free(folder);
	free(site);
	return count;
}

static void
await_open_files(struct gateway_run *g, pid_t pid, unsigned count)
{
	uint64_t until = clock_ms() + HTTP_DEADLINE_MS;

	while (open_files(g, pid) != count)
		cr_assert_lt(clock_ms(), until, "never %u open files", count);
}

static struct client
begin_big(struct gateway_run *g)
{
	struct client c;
	char byte;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /s/big HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_assert_eq(recv(c.fd, &byte, 1, 0), 1);
	return c;
}

/* Bytes until the end. */
static size_t
read_all(struct client *c)
{
	static char piece[256 * 1024];
	size_t all = 0;
	ssize_t got;

	while ((got = recv(c->fd, piece, sizeof(piece), 0)) > 0)
		all += (size_t)got;
	return all;
}

Test(static_files, a_big_file_takes_little_memory_and_delays_nobody)
{
	struct gateway_run *g = start("");
	pid_t worker;
	struct client slow, c;
	long before, most = 0;
	struct answer a;

	put_big(g, "big", 256 * MIB);
	expect_status(g, "/s/a.txt", 200);
	worker = (pid_t)ctl_status_number(g, "static", "pid");
	before = process_rss_kib(worker);
	slow = begin_big(g); /* and does not read on */
	for (int i = 0; i < 3; i++) {
		cr_assert(client_open(&c, g->http));
		cr_assert(client_say(&c, "GET /s/big HTTP/1.1\r\nHost: x\r\n"
					 "Connection: close\r\n\r\n"));
		cr_expect_gt(read_all(&c), 256 * MIB);
		client_close(&c);
		most = process_rss_kib(worker) - before > most
			       ? process_rss_kib(worker) - before
			       : most;
		a = ask(g, "GET", "/s/a.txt", "");
		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
	cr_expect_leq(most, process_worker_growth_max_kib(GROWTH_MAX_KIB),
		"memory grew by %ld KiB", most);
	cr_expect_eq(open_files(g, worker), 1);
	client_close(&slow);
	await_open_files(g, worker, 0);
	run_end(g);
}

static void
expect_cut(const char *what, void (*change)(const char *path))
{
	struct gateway_run *g = start("");
	char *path = path_of(g, "big");
	struct client c;
	size_t got;

	put_big(g, "big", 64 * MIB);
	c = begin_big(g);
	change(path);
	got = read_all(&c);
	cr_expect(got > 0 && got < 64 * MIB, "%s: %zu bytes came", what, got);
	client_close(&c);
	run_await_log(g, 0, "abandoned the answer to /s/big");
	expect_status(g, "/s/a.txt", 200);
	await_open_files(g, (pid_t)ctl_status_number(g, "static", "pid"), 0);
	free(path);
	run_end(g);
}

static void
shorten(const char *path)
{
	cr_assert(!truncate(path, 1000));
}

static void
overwrite(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	cr_assert_eq(write(fd, "x", 1), 1);
	close(fd);
}

Test(static_files, a_file_that_changes_on_its_way_is_cut)
{
	expect_cut("shorter", shorten);
	expect_cut("overwritten", overwrite);
}

static void
replace(const char *path)
{
	files_write(path, "%s", "new");
}

Test(static_files, a_file_that_is_replaced_on_its_way_is_the_old_one)
{
	struct gateway_run *g = start("");
	char *path = path_of(g, "big");
	struct client c;

	put_big(g, "big", 16 * MIB);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /s/big HTTP/1.1\r\nHost: x\r\n"
				 "Connection: close\r\n\r\n"));
	await_open_files(g, (pid_t)ctl_status_number(g, "static", "pid"), 1);
	replace(path);
	cr_expect_gt(read_all(&c), 16 * MIB);
	client_close(&c);
	free(path);
	run_end(g);
}
