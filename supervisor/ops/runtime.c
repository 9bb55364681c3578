/* runtime: flock(2) on RUNTIME/lock and STATE/lock says whose they are; the
 * kernel lets go of it when supd dies, however it dies. */
#include "supervisor/ops/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"

static int
make_dir(const char *path, mode_t mode, struct error *err)
{
	char *copy = memory_copy_text(path);

	for (char *at = copy + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			break; /* the last mkdir says why */
		*at = '/';
	}
	free(copy);
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return error_set(
			err, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

static int
name_owner(int fd, const char *dir, struct error *err)
{
	char pid[24] = "";
	ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[size > 0 ? strcspn(pid, "\n") : 0] = '\0';
	return error_set(err, "%s belongs to another supd (pid %s)", dir,
		*pid ? pid : "unknown");
}

static int
take_lock(const char *dir, struct error *err)
{
	char *path = memory_format("%s/lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0) {
		error_set(err, "cannot open %s: %s", path, strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		name_owner(fd, dir, err);
		close(fd);
		fd = -1;
	} else if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0) {
		error_set(err, "cannot write %s: %s", path, strerror(errno));
		close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

/* RUNTIME/w/N/s: all of it is a dead supd's. */
static void
clear_endpoints(const char *runtime_dir)
{
	char *parent = memory_format("%s/w", runtime_dir);
	DIR *dir = opendir(parent);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *socket, *folder;

		if (entry->d_name[0] == '.')
			continue;
		folder = memory_format("%s/%s", parent, entry->d_name);
		socket = memory_format("%s/s", folder);
		unlink(socket);
		rmdir(folder);
		free(socket);
		free(folder);
	}
	if (dir)
		closedir(dir);
	free(parent);
}

int
runtime_open(struct runtime *r, const char *runtime_dir, const char *state_dir,
	struct error *err)
{
	char *workers = memory_format("%s/w", runtime_dir);
	char *stages = memory_format("%s/run", state_dir);
	char *store = memory_format("%s/plugins", state_dir);
	int result = -1;

	memset(r, 0, sizeof(*r));
	r->runtime_lock = r->state_lock = -1;
	if (make_dir(runtime_dir, 0711, err) < 0 ||
		make_dir(state_dir, 0755, err) < 0)
		goto out;
	r->runtime_lock = take_lock(runtime_dir, err);
	if (r->runtime_lock < 0)
		goto out;
	r->state_lock = take_lock(state_dir, err);
	if (r->state_lock < 0)
		goto out;
	if (make_dir(workers, 0711, err) < 0 ||
		make_dir(stages, 0711, err) < 0 ||
		make_dir(store, 0700, err) < 0)
		goto out;
	clear_endpoints(runtime_dir);
	r->runtime_dir = realpath(runtime_dir, NULL);
	r->state_dir = realpath(state_dir, NULL);
	result = 0;
out:
	free(workers);
	free(stages);
	free(store);
	if (result < 0)
		runtime_close(r);
	return result;
}

void
runtime_close(struct runtime *r)
{
	if (r->state_lock >= 0)
		close(r->state_lock);
	if (r->runtime_lock >= 0)
		close(r->runtime_lock);
	free(r->runtime_dir);
	free(r->state_dir);
	memset(r, 0, sizeof(*r));
	r->runtime_lock = r->state_lock = -1;
}
