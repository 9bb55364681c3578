/* runtime: locks folders by flock(2), RUNTIME and STATE/plugins, so that no
 * lock file is needed; the kernel releases the lock when supd dies. Whoever may
 * read a folder can lock it, so the two are ones that other users cannot read.
 * RUNTIME/lock and STATE/lock contain the pid, for operators and messages. */
#include "supervisor/ops/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"

static int
make_dir(const char *path, mode_t mode, struct error *err)
{
	char *copy = memory_copy_text(path);

	for (char *at = copy + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			break; /* the last mkdir() reports the error */
		*at = '/';
	}
	free(copy);
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return error_set(
			err, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

static int
check_writable(const char *path, struct error *err)
{
	if (!faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS))
		return 0;
	return error_set(err, "cannot write to %s as user %u, group %u: %s",
		path, (unsigned)geteuid(), (unsigned)getegid(),
		strerror(errno));
}

/* Opens the file with the pid; anything else at its path is moved aside. */
static int
open_owner(const char *path, struct error *err)
{
	int fd = own_file_open(path, O_RDWR | O_CREAT, 0644, err);
	char *name;

	if (fd >= 0 || errno != EINVAL ||
		own_file_put_aside(path, &name, err) < 0)
		return fd;
	log_error("%s was not a regular file; it is now %s", path, name);
	free(name);
	return own_file_open(path, O_RDWR | O_CREAT, 0644, err);
}

/* The process that last took the lock; 0: unknown. */
static pid_t
read_owner(int fd)
{
	char pid[24] = "";
	ssize_t size = pread(fd, pid, sizeof(pid) - 1, 0);

	return size > 0 ? (pid_t)strtol(pid, NULL, 10) : 0;
}

/* A pid of supd's own names the supd of another container, as all of them are
 * PID 1 of theirs: whether that one is gone cannot be seen from here. */
static bool
is_elsewhere(pid_t pid)
{
	return pid == getpid();
}

static bool
may_be_gone(pid_t pid)
{
	return is_elsewhere(pid) ||
	       (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH);
}

/* The lock of a supd that was killed while it started a child is held by that
 * child for some milliseconds, until the child executes its program or dies. A
 * container that ends holds it until its last process has ended. */
#define LOCK_WAIT_MS 1000
#define LOCK_PAUSE_MS 5

static bool
try_lock(int folder, int owner)
{
	uint64_t until = clock_ms() + LOCK_WAIT_MS;
	bool taken;

	while (!(taken = flock(folder, LOCK_EX | LOCK_NB) == 0) &&
		may_be_gone(read_owner(owner)) && clock_ms() < until)
		poll(NULL, 0, LOCK_PAUSE_MS);
	return taken;
}

static int
write_owner(const char *dir, int owner, struct error *err)
{
	if (ftruncate(owner, 0) < 0 || dprintf(owner, "%d\n", getpid()) < 0)
		return error_set(
			err, "cannot write %s/lock: %s", dir, strerror(errno));
	return 0;
}

static int
lock_folder(const char *dir, int folder, int owner, struct error *err)
{
	pid_t pid;

	if (try_lock(folder, owner))
		return write_owner(dir, owner, err);
	pid = read_owner(owner);
	if (!pid || is_elsewhere(pid))
		return error_set(err, "%s belongs to another supd%s", dir,
			pid ? ", in another container" : "");
	return error_set(
		err, "%s belongs to another supd (pid %d)", dir, (int)pid);
}

/* Locks `locked`, which stands for dir; returns the descriptor that holds the
 * lock. */
static int
take_lock(const char *dir, const char *locked, struct error *err)
{
	char *path = memory_format("%s/lock", dir);
	int folder = open(locked, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int owner = -1;

	if (folder < 0)
		error_set(err, "cannot open %s: %s", locked, strerror(errno));
	else
		owner = open_owner(path, err);
	free(path);
	if (owner < 0 || lock_folder(dir, folder, owner, err) < 0) {
		if (folder >= 0)
			close(folder);
		folder = -1;
	}
	if (owner >= 0)
		close(owner);
	return folder;
}

static bool
is_there(const char *dir, const char *name)
{
	char *path = memory_format("%s/%s", dir, name);
	struct stat stat;
	bool there = !lstat(path, &stat);

	free(path);
	return there;
}

static bool
is_empty(const char *dir, const char *name)
{
	char *path = memory_format("%s/%s", dir, name);
	DIR *folder = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	while (folder && (entry = readdir(folder)))
		count += entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	free(path);
	return !count;
}

/* Refuses folders like / or /var as state_dir, because stages of unknown
 * plugins are removed from `run` in it. */
static int
check_state_dir(const char *dir, struct error *err)
{
	static const char *const own[] = {
		"lock", "plugins", "tree-mark", "tree-mark.copy"};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (is_there(dir, own[i]))
			return 0;
	if (is_empty(dir, "run"))
		return 0;
	return error_set(err,
		"%s cannot be the state directory: its 'run' has files that "
		"are not supd's",
		dir);
}

/* Removes RUNTIME/w/N/s, left by a dead supd, and nothing else in there. */
static void
clear_endpoints(const char *parent)
{
	char *name;
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
	if (!dir || !rmdir(parent) ||
		own_file_put_aside(parent, &name, NULL) < 0)
		return;
	log_error("%s held something that is not supd's; it is now %s", parent,
		name);
	free(name);
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
		make_dir(state_dir, 0755, err) < 0 ||
		check_state_dir(state_dir, err) < 0 ||
		check_writable(runtime_dir, err) < 0 ||
		check_writable(state_dir, err) < 0)
		goto out;
	r->runtime_lock = take_lock(runtime_dir, runtime_dir, err);
	if (r->runtime_lock < 0)
		goto out;
	if (own_folder_make_or_link(store, 0700, err) < 0)
		goto out;
	r->state_lock = take_lock(state_dir, store, err);
	if (r->state_lock < 0)
		goto out;
	if (own_folder_check(workers, err) < 0)
		goto out;
	clear_endpoints(workers);
	if (own_folder_make(workers, 0711, err) < 0 ||
		own_folder_make(stages, 0711, err) < 0)
		goto out;
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
