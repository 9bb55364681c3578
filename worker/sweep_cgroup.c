#include "worker/sweep_cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/clock.h"

#define DEPTH_MAX 32 /* a plugin that runs as root can make more below it */
#define PAUSE_MS 20  /* a folder that is empty may be busy for a moment */

char *
sweep_cgroup_path(const char *own, const char *mark)
{
	const char *value = strchr(mark, '='), *rest;
	char *path = NULL;

	rest = value ? strchr(value, '-') : NULL;
	if (!rest || asprintf(&path, "%s/" LAUNCH_CGROUP "%.*s%s%s", own,
			     (int)(rest - value - 1), value + 1,
			     rest[1] ? "/" : "", rest + 1) < 0)
		return NULL;
	return path;
}

/* ---- its processes ---- */

/* Reads events, whose descriptor then reports the next change. */
static bool
is_populated(int events)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "populated 1") != NULL;
}

static int
open_in(const char *path, const char *name, int flags)
{
	int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = folder < 0 ? -1 : openat(folder, name, flags | O_CLOEXEC);

	if (folder >= 0)
		close(folder);
	return fd;
}

bool
sweep_cgroup_kill(const char *path)
{
	int events = open_in(path, "cgroup.events", O_RDONLY), fd;
	bool found = events >= 0 && is_populated(events);

	if (events >= 0)
		close(events);
	if (!found)
		return false;
	fd = open_in(path, "cgroup.kill", O_WRONLY);
	if (fd < 0)
		return true;
	found = write(fd, "1", 1) == 1 || errno != ENODEV;
	close(fd);
	return found;
}

static bool
await_empty(int events, uint64_t until_ms)
{
	struct pollfd change = {.fd = events, .events = POLLPRI};
	uint64_t now;

	while (is_populated(events)) {
		now = clock_ms();
		if (now >= until_ms)
			return false;
		poll(&change, 1, (int)(until_ms - now));
	}
	return true;
}

/* ---- its folders ---- */

/* Those below first. A folder of cgroups holds files that cannot be removed,
 * and go with it. */
static void
remove_tree(int parent, const char *name, unsigned depth)
{
	int fd = openat(
		parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (folder && depth < DEPTH_MAX && (entry = readdir(folder)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") &&
			strcmp(entry->d_name, ".."))
			remove_tree(dirfd(folder), entry->d_name, depth + 1);
	if (folder)
		closedir(folder);
	unlinkat(parent, name, AT_REMOVEDIR);
}

bool
sweep_cgroup_remove(const char *path, uint64_t until_ms)
{
	int events = open_in(path, "cgroup.events", O_RDONLY);
	bool is_empty = events < 0 || await_empty(events, until_ms);

	if (events >= 0)
		close(events);
	if (!is_empty)
		return false;
	remove_tree(AT_FDCWD, path, 0);
	while (access(path, F_OK) == 0 && clock_ms() < until_ms) {
		poll(NULL, 0, PAUSE_MS);
		remove_tree(AT_FDCWD, path, 0);
	}
	return true;
}
