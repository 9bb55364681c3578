/* Reloads that cause what they are caused by: they end, and the reason is
 * reported; and files that change all the time, or in ways that nobody expects.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/shell.h"
#include "tests/system/watch_bed.h"

TestSuite(watch_loops, .fini = run_fini, .timeout = 300);

#define STOPPED "not reloaded: it changes with each reload"

/* A plugin that writes to $TARGET when it starts, something new each time. */
static void
add_writer(struct gateway_run *g, const char *id, const char *target)
{
	char *manifest = run_package_file(g, id, "plugin.yaml");
	char *program = run_package_file(g, id, "main.py");

	run_package(g, "echo", id);
	files_write(manifest,
		"name: %s\nversion: 1.0.0\nexec: [python3, main.py]\n", id);
	files_write(program, "import os, time\n"
			     "with open(os.environ['TARGET'], 'w') as f:\n"
			     "    f.write(str(time.time_ns()))\n"
			     "import supd\n"
			     "plugin = supd.Plugin('writer', '1.0.0')\n"
			     "@plugin.http('GET', '/writer')\n"
			     "async def answer(req):\n"
			     "    return 'here'\n"
			     "plugin.run()\n");
	run_plugin(g, id, "mount: /%s, watch: true, env: {TARGET: '%s'}", id,
		target);
	free(manifest);
	free(program);
}

Test(watch_loops,
	a_plugin_that_writes_into_its_package_is_not_reloaded_for_ever)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *note = run_package_file(g, "w", "note"), *out;
	long at;

	add_writer(g, "w", note);
	watch_start(g);
	watch_await_said(g, "w", "mode", "inotify");
	watch_put(g, "w", "file", "1");
	run_await_log(g, 0,
		"w: note changes whenever it is reloaded; reloads "
		"for that reason wait");
	watch_await_said(g, "w", "state", STOPPED);
	run_await_log(g, 0, "$SUPD_DATA_DIR");
	at = watch_generation(g, "w");
	watch_expect_no_more(g, "w", at);
	cr_expect_eq(http_status(g->http, "/w/writer"), 200);
	out = shell_expect(g, 0, "$SUPCTL --json events | grep watch.looping");
	cr_expect(strstr(out, "\"stopped\":true") ||
			  strstr(out, "\"stopped\": true"),
		"%s", out);
	free(out);
	/* A save is in force nevertheless, and does not begin it anew. */
	watch_put(g, "w", "file", "2");
	ctl_await_number(g, "w", "generation", at + 1);
	watch_await_said(g, "w", "state", STOPPED);
	watch_expect_no_more(g, "w", at + 1);
	free(note);
	run_end(g);
}

/* b is reloaded, which takes a debounce at least. */
static void
pass_time(struct gateway_run *g)
{
	static unsigned count;
	long before = watch_generation(g, "b");
	char text[32];

	snprintf(text, sizeof(text), "%u", ++count);
	watch_put(g, "b", "clock", text);
	ctl_await_number(g, "b", "generation", before + 1);
}

static bool
is_pending(struct gateway_run *g, const char *id)
{
	json_t *row = watch_look(g, id);
	bool pending = json_is_true(json_object_get(row, "pending"));

	json_decref(row);
	return pending;
}

/* Both came to rest: neither waits, nor has it been reloaded for a while. */
static void
await_rest(struct gateway_run *g, const char *one, const char *two)
{
	struct patience p = patience_for(WATCH_DEADLINE_MS);
	bool rests = false;

	while (!rests) {
		long first = watch_generation(g, one);
		long second = watch_generation(g, two);

		pass_time(g);
		pass_time(g);
		rests = !is_pending(g, one) && !is_pending(g, two) &&
			watch_generation(g, one) == first &&
			watch_generation(g, two) == second;
		cr_assert(rests || patience_lasts(&p), "they go on");
	}
}

Test(watch_loops, nor_are_two_that_write_into_the_package_of_the_other)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *one = run_package_file(g, "one", "note");
	char *two = run_package_file(g, "two", "note");

	add_writer(g, "one", two);
	add_writer(g, "two", one);
	watch_start(g);
	watch_await_said(g, "one", "mode", "inotify");
	watch_await_said(g, "two", "mode", "inotify");
	watch_put(g, "one", "file", "1");
	/* Either of them is the last. */
	run_await_log(g, 0, "is reloaded; no more reloads for that reason");
	cr_expect(run_log_has(g, 0, "note changes whenever one is") ||
		  run_log_has(g, 0, "note changes whenever two is"));
	await_rest(g, "one", "two");
	free(one);
	free(two);
	run_end(g);
}

/* The build changes a source that somebody changed, too. */
Test(watch_loops, a_build_that_changes_its_source_runs_less_and_less_often)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	long at;

	watch_put(g, "a", "plugin.yaml",
		"name: a\nversion: 1.0.0\nrun: hello.so\n"
		"watch: {run: [sh, -c, 'date +%s%N >stamp.c']}\n");
	watch_put(g, "a", "stamp.c", "1");
	watch_start(g);
	watch_put(g, "a", "stamp.c", "2");
	run_await_log(g, 0,
		"a: each build changes stamp.c, which it is built "
		"from; reloads for that reason wait");
	watch_await_said(g, "a", "state", "pending");
	/* It waits at least 20 debounces, one of which b needs. */
	at = watch_generation(g, "a");
	watch_expect_no_more(g, "a", at);
	/* A save does not wait. */
	watch_put(g, "a", "other.h", "1");
	watch_await_generation(g, "a", at + 1);
	run_end(g);
}

/* Writes a thousand times a second and more, until it is killed. */
static pid_t
begin_writing(const char *path)
{
	pid_t pid = fork();

	cr_assert(pid >= 0);
	if (pid)
		return pid;
	for (unsigned i = 0; getppid() != 1; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		char text[16];
		int length = snprintf(text, sizeof(text), "%u", i);

		if (fd < 0 || write(fd, text, (size_t)length) != length)
			_exit(1);
		close(fd);
	}
	_exit(0);
}

/* A log, for example. It is reloaded though it never rests, and after a while
 * less often. */
Test(watch_loops, a_file_that_never_rests_is_loaded_and_then_less_often)
{
	struct gateway_run *g =
		watch_prepare("reload: {watch: true, debounce: 10ms}\n");
	char *busy = run_package_file(g, "a", "busy");
	pid_t writer;
	long at;

	watch_start(g);
	at = watch_generation(g, "a");
	writer = begin_writing(busy);
	for (uint64_t until_ms = clock_ms() + WATCH_DEADLINE_MS;
		clock_ms() < until_ms && watch_generation(g, "a") < at + 2;)
		;
	cr_expect_geq(watch_generation(g, "a"), at + 2);
	for (int i = 0;
		i < 6 && !run_log_has(g, 0, "reloads for that reason wait");
		i++) {
		at = watch_generation(g, "a");
		for (uint64_t until_ms = clock_ms() + WATCH_DEADLINE_MS;
			clock_ms() < until_ms &&
			watch_generation(g, "a") < at + 20 &&
			!run_log_has(g, 0, "reloads for that reason wait");)
			;
	}
	/* Right after each reload, or during it. */
	run_await_log(g, 0, "a: busy changes ");
	run_await_log(g, 0, "; reloads for that reason wait");
	cr_assert_eq(kill(writer, SIGKILL), 0);
	cr_assert_eq(waitpid(writer, NULL, 0), writer);
	at = watch_generation(g, "a");
	watch_put(g, "a", "file", "1"); /* a save acts at once, or soon */
	watch_await_generation(g, "a", at + 1);
	free(busy);
	run_end(g);
}

/* ---- what nobody expects in a package ---- */

static void
make_deep(const char *folder, int levels)
{
	int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert(at >= 0);
	for (int i = 0; i < levels; i++) {
		int next;

		cr_assert_eq(mkdirat(at, "deep", 0755), 0);
		next = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		cr_assert(next >= 0);
		close(at);
		at = next;
	}
	close(at);
}

static void
make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd >= 0 && strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

/* DIR/odd has everything that a folder may have, and a file whose name is all
 * newlines; returns the path of that file, which the caller frees. */
static char *
make_odd(const char *odd)
{
	char name[256], *path, *file;
	int fd;

	cr_assert_eq(mkdir(odd, 0755), 0);
	memset(name, '\n', sizeof(name) - 1);
	name[0] = '\x1b';
	name[1] = (char)0xff;
	name[sizeof(name) - 1] = '\0';
	file = memory_format("%s/%s", odd, name);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	cr_assert(fd >= 0);
	close(fd);
	path = memory_format("%s/fifo", odd);
	cr_assert_eq(mkfifo(path, 0644), 0);
	free(path);
	path = memory_format("%s/socket", odd);
	make_socket(path);
	free(path);
	path = memory_format("%s/null", odd);
	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
		cr_assert(geteuid() != 0 || errno == EPERM);
	free(path);
	path = memory_format("%s/loop", odd);
	cr_assert_eq(symlink("loop", path), 0);
	free(path);
	path = memory_format("%s/up", odd);
	cr_assert_eq(symlink("..", path), 0);
	free(path);
	make_deep(odd, 5000);
	return file;
}

/* The folder is watched, but is not of the package. */
Test(watch_loops, whatever_is_in_a_folder_it_is_watched)
{
	struct gateway_run *g = watch_prepare(WATCH_RELOAD);
	char *odd = memory_format("%s/odd", g->dir), *file = make_odd(odd);
	char *builds = memory_format("%s/builds", g->dir);
	struct patience p;

	watch_put(g, "a", "plugin.yaml",
		"name: a\nversion: 1.0.0\nrun: hello.so\n"
		"watch: {also: [../../odd], ignore: [up], run: [sh, -c, "
		"'echo x >>../../builds']}\n");
	watch_start(g);
	run_await_log(g, 0,
		"a: some files are not watched: some are more than "
		"64 folders deep");
	files_overwrite(file, "22", 2);
	p = patience_for(WATCH_DEADLINE_MS);
	while (access(builds, F_OK) < 0)
		cr_assert(patience_lasts(&p), "nothing was built");
	free(shell_expect(g, 0, "rm -rf %s", odd));
	watch_await_said(g, "a", "why", "");
	free(file);
	free(odd);
	free(builds);
	run_end(g);
}
