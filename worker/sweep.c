/* sweep: opens a pidfd before it reads the environment. If the process ends in
 * between and another one gets its pid, the environment is that of the other
 * one, but the signal goes to the process that has ended, and has no effect. */
#include "worker/sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "worker/sweep_cgroup.h"

#define ENVIRONMENT_MAX ((size_t)1024 * 1024)
#define PAUSE_MS 50 /* at most, for what was killed to go */

static bool
is_marked(const char *variable, char *const *marks, int count)
{
	for (int i = 0; i < count; i++) {
		size_t length = strlen(marks[i]);

		if (length && marks[i][length - 1] == '-'
				? !strncmp(variable, marks[i], length)
				: !strcmp(variable, marks[i]))
			return true;
	}
	return false;
}

static bool
carries(pid_t pid, char *const *marks, int count, char *room)
{
	size_t length = 0;
	bool found = false;
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while (length < ENVIRONMENT_MAX &&
		(n = read(fd, room + length, ENVIRONMENT_MAX - length)) > 0)
		length += (size_t)n;
	close(fd);
	room[length] = '\0';
	for (size_t at = 0; at < length && !found; at += strlen(room + at) + 1)
		found = is_marked(room + at, marks, count);
	return found;
}

struct walk {
	char *const *marks;
	int count;
	uint64_t until_ms;
	char *room; /* for an environment */
	int killed; /* a pidfd of the latest that was killed; -1: none */
	unsigned signals;
};

static void
look_at(struct walk *w, pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		return;
	if (!carries(pid, w->marks, w->count, w->room) ||
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0)) {
		close(pidfd);
		return;
	}
	if (w->killed >= 0)
		close(w->killed);
	w->killed = pidfd;
	w->signals++;
}

/* Signals every process that is found before it waits for any, so a process
 * that does not die keeps no other alive. True: there were some; the next walk
 * finds what they forked during this one. */
static bool
pass(struct walk *w)
{
	DIR *all = opendir("/proc");
	struct pollfd ended = {.events = POLLIN};
	struct dirent *entry;
	char *end;
	long pid;

	w->killed = -1;
	while (all && clock_ms() < w->until_ms && (entry = readdir(all))) {
		pid = strtol(entry->d_name, &end, 10);
		if (!*end && pid > 1 && pid != getpid())
			look_at(w, (pid_t)pid);
	}
	if (all)
		closedir(all);
	if (w->killed < 0)
		return false;
	ended.fd = w->killed;
	poll(&ended, 1, PAUSE_MS);
	close(w->killed);
	return true;
}

static int
sweep_marks(char *const *marks, int count, uint64_t until_ms, struct sweep *s)
{
	struct walk w = {.marks = marks,
		.count = count,
		.until_ms = until_ms,
		.room = malloc(ENVIRONMENT_MAX + 1)};
	int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool more = own >= 0 && w.room;

	while (more && clock_ms() < w.until_ms)
		more = pass(&w);
	s->killed += w.signals;
	s->is_unfinished = more || clock_ms() >= w.until_ms;
	free(w.room);
	if (own < 0)
		return -1;
	close(own);
	return 0;
}

/* Kills the cgroups first, because nothing in them can escape that, and waits
 * for them last, so that one that does not die saves no other. */
int
sweep_run(const char *own, char *const *marks, int count, uint64_t limit_ms,
	struct sweep *sweep_out)
{
	uint64_t until_ms = clock_ms() + limit_ms;
	char **paths = calloc((size_t)count + 1, sizeof(*paths));
	int failed;

	*sweep_out = (struct sweep){0};
	for (int i = 0; i < count && own && paths; i++) {
		paths[i] = sweep_cgroup_path(own, marks[i]);
		if (paths[i] && sweep_cgroup_kill(paths[i]))
			sweep_out->killed++;
	}
	failed = sweep_marks(marks, count, until_ms, sweep_out);
	for (int i = 0; i < count && own && paths; i++) {
		if (paths[i] && !sweep_cgroup_remove(paths[i], until_ms))
			sweep_out->is_unfinished = true;
		free(paths[i]);
	}
	free(paths);
	return failed;
}
