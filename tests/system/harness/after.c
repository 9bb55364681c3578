/* after: see after.h. It reads /proc and the log; it kills nothing. */
#include "tests/system/harness/after.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/run.h"

#define FDS_DEADLINE_MS 10000
#define REMOVAL_DEADLINE_MS 60000
#define ORPHAN_DEADLINE_MS 10000

unsigned
after_count_fds(pid_t pid)
{
	char *path = memory_format("/proc/%d/fd", (int)pid);
	unsigned count = files_count(path);

	free(path);
	return count;
}

/* Whether a file of /proc/PID has a string in it. A process was started for a
 * run if its environment, or for supd's helpers its command line, names the
 * folder. */
static bool
names(const char *pid, const char *name, const char *text)
{
	char *path = memory_format("/proc/%s/%s", pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	static char bytes[64 * 1024];
	ssize_t got = 0, more;
	bool found;

	free(path);
	if (fd < 0)
		return false;
	while (got < (ssize_t)sizeof(bytes) &&
		(more = read(fd, bytes + got, sizeof(bytes) - (size_t)got)) > 0)
		got += more;
	close(fd);
	found = got > 0 && memmem(bytes, (size_t)got, text, strlen(text));
	return found;
}

static void
await_exit(struct gateway_run *g, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd gone = {.fd = fd, .events = POLLIN};

	if (fd < 0)
		return;
	if (poll(&gone, 1, ORPHAN_DEADLINE_MS) != 1) {
		cr_expect_fail("process %d is left behind", (int)pid);
		kill(pid, SIGKILL);
	}
	close(fd);
}

void
after_await_no_process(struct gateway_run *g)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 0 || pid == getpid() || pid == g->pid)
			continue;
		if (names(entry->d_name, "environ", g->dir) ||
			names(entry->d_name, "cmdline", g->dir))
			await_exit(g, pid);
	}
	if (proc)
		closedir(proc);
}

/* supd holds pipes to the child that removes old stages, which gives way to
 * everybody else on the machine. */
static bool
is_removing(const struct gateway_run *g)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (proc && !found && (entry = readdir(proc)))
		found = atoi(entry->d_name) > 0 &&
			names(entry->d_name, "cmdline", LAUNCH_UNSTAGE) &&
			names(entry->d_name, "cmdline", g->dir);
	if (proc)
		closedir(proc);
	return found;
}

/* What they are, for the reader of a failure. */
static void
show_fds(pid_t pid)
{
	char *folder = memory_format("/proc/%d/fd", (int)pid);
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *path = memory_format("%s/%s", folder, entry->d_name);
		char target[256];
		ssize_t size = readlink(path, target, sizeof(target) - 1);

		if (size > 0)
			fprintf(stderr, "descriptor %s: %.*s\n", entry->d_name,
				(int)size, target);
		free(path);
	}
	if (dir)
		closedir(dir);
	free(folder);
}

static void
show_children(pid_t pid)
{
	char *path =
		memory_format("/proc/%d/task/%d/children", (int)pid, (int)pid);
	char *pids = files_read(path), *at = pids;

	while (at && *at) {
		char *end, *file;
		long child = strtol(at, &end, 10);
		char *line;

		if (end == at)
			break;
		file = memory_format("/proc/%ld/cmdline", child);
		line = files_read(file);
		fprintf(stderr, "child %ld: %s %s\n", child, line ? line : "",
			line ? line + strlen(line) + 1 : "");
		free(line);
		free(file);
		at = end;
	}
	free(pids);
	free(path);
}

/* Descriptors are closed by events that a test does not see, so this looks
 * again with growing pauses until the deadline, which begins when the last old
 * stage is removed. */
void
after_check_running(struct gateway_run *g)
{
	uint64_t begun = clock_ms(), now = begun;
	uint64_t until = now + FDS_DEADLINE_MS;
	unsigned count;
	int pause_ms = 5;

	while ((count = after_count_fds(g->pid)) > g->fds_at_start &&
		!g->may_grow && (now = clock_ms()) < until) {
		poll(NULL, 0, pause_ms);
		pause_ms = pause_ms < 200 ? pause_ms * 2 : 200;
		if (now - begun < REMOVAL_DEADLINE_MS && is_removing(g))
			until = clock_ms() + FDS_DEADLINE_MS;
	}
	cr_expect(count > 0, "supd (pid %d) is gone", (int)g->pid);
	if (!g->may_grow && count > g->fds_at_start)
		show_fds(g->pid), show_children(g->pid);
	cr_expect(g->may_grow || count <= g->fds_at_start,
		"supd holds %u descriptors; after the start it held %u", count,
		g->fds_at_start);
}

void
after_check_gone(struct gateway_run *g)
{
	char *workers = memory_format("%s/run/w", g->dir);

	after_await_no_process(g);
	cr_expect_eq(
		files_count(workers), 0, "endpoints are left in %s", workers);
	free(workers);
}

static bool
is_announced(struct gateway_run *g, const char *line)
{
	for (unsigned i = 0; i < g->announced_count; i++)
		if (strstr(line, g->announced[i]))
			return true;
	return false;
}

/* The level is the second word of a line. */
static bool
is_error(const char *line)
{
	const char *level = strchr(line, ' ');

	return level && !strncmp(level, " error ", 7) && level - line < 30;
}

static bool
is_from_sanitizer(const char *line)
{
	return strstr(line, "Sanitizer") || strstr(line, "runtime error:") ||
	       strstr(line, "Assertion `");
}

void
after_check_log(struct gateway_run *g)
{
	char *text = capture_copy(&g->log), *rest = text, *line;
	bool sanitizer = false;

	while ((line = strsep(&rest, "\n"))) {
		if (is_error(line))
			cr_expect(is_announced(g, line),
				"an error that was not announced: %s", line);
		sanitizer = sanitizer || is_from_sanitizer(line);
	}
	cr_expect(!sanitizer, "a sanitizer or an assertion spoke");
	if (sanitizer) {
		free(text);
		text = capture_copy(&g->log);
		fprintf(stderr, "%s\n", text);
	}
	free(text);
}
