#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "recent.h"

#define OPEN_TRIES 10 /* while others rotate it */

/* How much of the end is read for ids: more than one line can have. */
#define TAIL_BYTES ((off_t)2 * 1024 * 1024)

struct journal {
	struct journal_options options;
	int fd; /* -1: not open */
	/* As far as this file was read or written by us; the ids in it are in
	 * `recent`. */
	off_t known;
	bool is_read; /* the end of the file, and of the one before */
	bool is_synced;
	int rotate_error;
	struct recent recent;
};

struct journal *
journal_create(const struct journal_options *options)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->options = *options;
	j->fd = -1;
	j->is_synced = true;
	return j;
}

static void
close_file(struct journal *j)
{
	int error = errno;

	if (j->fd >= 0)
		close(j->fd); /* which also unlocks it */
	j->fd = -1;
	errno = error;
}

void
journal_destroy(struct journal *j)
{
	if (!j)
		return;
	close_file(j);
	free(j);
}

/* ---- opening and locking ---- */

static int
open_file(struct journal *j)
{
	struct stat s;

	j->fd = open(j->options.path,
		O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
	if (j->fd < 0)
		return -1;
	if (fstat(j->fd, &s) || !S_ISREG(s.st_mode)) {
		errno = EINVAL; /* it would be renamed and cut */
		close_file(j);
		return -1;
	}
	j->known = 0;
	j->is_read = false;
	return 0;
}

static int
lock(int fd)
{
	int result;

	do
		result = flock(fd, LOCK_EX);
	while (result && errno == EINTR);
	return result;
}

/* Whether the path is still the open file: others may have renamed it. */
static bool
is_current(const struct journal *j)
{
	struct stat here, there;

	return !stat(j->options.path, &there) && !fstat(j->fd, &here) &&
	       here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

static int
open_locked(struct journal *j)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		if (j->fd < 0 && open_file(j))
			return -1;
		if (lock(j->fd)) {
			close_file(j);
			return -1;
		}
		if (is_current(j))
			return 0;
		if (!j->is_synced && !fdatasync(j->fd))
			j->is_synced = true;
		close_file(j);
	}
	errno = EBUSY;
	return -1;
}

static void
unlock(struct journal *j)
{
	int error = errno;

	if (j->fd >= 0)
		flock(j->fd, LOCK_UN);
	errno = error;
}

int
journal_try(struct journal *j)
{
	if (open_locked(j))
		return -1;
	unlock(j);
	return 0;
}

/* ---- reading what others wrote ---- */

/* Adds the ids of the lines from `from` on; the end of the last whole line in
 * *end_out. */
static int
read_lines(struct journal *j, int fd, off_t from, off_t size, off_t *end_out)
{
	size_t bytes = (size_t)(size - from), have = 0;
	char *text = malloc(bytes + 1);
	ssize_t got = 1;

	while (text && have < bytes && got > 0) {
		got = pread(fd, text + have, bytes - have, from + (off_t)have);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			have += (size_t)got;
	}
	if (!text || got < 0) {
		free(text);
		return -1;
	}
	*end_out = from + (off_t)recent_add_lines(&j->recent, text, have);
	free(text);
	return 0;
}

/* The end of PATH.1: the event in flight may be there. It need not exist. */
static int
read_older(struct journal *j)
{
	char path[PATH_MAX];
	struct stat s;
	off_t end;
	int fd, result = 0;

	snprintf(path, sizeof(path), "%s.1", j->options.path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (!fstat(fd, &s) && S_ISREG(s.st_mode))
		result = read_lines(j, fd,
			s.st_size > TAIL_BYTES ? s.st_size - TAIL_BYTES : 0,
			s.st_size, &end);
	close(fd);
	return result;
}

/* A line that a crash cut short is one of ours if it begins like one. What
 * somebody else left stays, and a new line begins. */
static int
end_last_line(struct journal *j, off_t end, off_t size)
{
	static const char ours[] = "{\"id\":";
	char begin[sizeof(ours)] = "";
	ssize_t got;

	if (end == size)
		return 0;
	got = pread(j->fd, begin, sizeof(ours) - 1, end);
	if (got < 0)
		return -1;
	if (!strncmp(begin, ours, (size_t)got))
		return ftruncate(j->fd, end);
	return write(j->fd, "\n", 1) == 1 ? 0 : -1;
}

/* After this all ids of the file's end are known, and it ends in a newline. */
static int
catch_up(struct journal *j)
{
	off_t from, end;
	struct stat s;

	if (fstat(j->fd, &s))
		return -1;
	if (j->is_read && s.st_size == j->known)
		return 0;
	if (!j->is_read && s.st_size < TAIL_BYTES && read_older(j))
		return -1;
	from = s.st_size > TAIL_BYTES ? s.st_size - TAIL_BYTES : 0;
	if (j->is_read && j->known >= from && j->known < s.st_size)
		from = j->known;
	if (read_lines(j, j->fd, from, s.st_size, &end) ||
		end_last_line(j, end, s.st_size) || fstat(j->fd, &s))
		return -1;
	j->known = s.st_size;
	j->is_read = true;
	return 0;
}

/* ---- rotation ---- */

static void
sync_folder(const char *path)
{
	char folder[PATH_MAX];
	char *slash;
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		return;
	slash[slash == folder] = 0;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* The first number whose name is free, or the oldest file's, which goes. */
static unsigned
first_free(const struct journal *j)
{
	char path[PATH_MAX];
	struct stat s;
	unsigned i = 1;

	for (; i < j->options.keep; i++) {
		snprintf(path, sizeof(path), "%s.%u", j->options.path, i);
		if (lstat(path, &s))
			break;
	}
	return i;
}

/* PATH.2 becomes PATH.3 and so on, and PATH becomes PATH.1. If only the last
 * step fails, PATH.1 is free for the next try, which then moves no others. */
static int
shift_names(const struct journal *j)
{
	char from[PATH_MAX], to[PATH_MAX];

	for (unsigned i = first_free(j); i; i--) {
		snprintf(to, sizeof(to), "%s.%u", j->options.path, i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%u", j->options.path,
				i - 1);
		else
			snprintf(from, sizeof(from), "%s", j->options.path);
		if (rename(from, to) && errno != ENOENT)
			return -1;
	}
	return 0;
}

static int
rotate(struct journal *j)
{
	if (j->options.sync_names)
		(void)fdatasync(j->fd);
	if (shift_names(j)) {
		j->rotate_error = errno; /* a large file is better than none */
		return 0;
	}
	close_file(j);
	if (open_locked(j) || catch_up(j))
		return -1;
	if (j->options.sync_names)
		sync_folder(j->options.path);
	return 0;
}

/* ---- writing ---- */

/* All of it, or nothing: what a full disk took of it is taken back. */
static int
write_line(struct journal *j, const char *line, size_t bytes)
{
	size_t written = 0;
	ssize_t now;
	int error;

	while (written < bytes) {
		now = write(j->fd, line + written, bytes - written);
		if (now < 0 && errno == EINTR)
			continue;
		if (now <= 0)
			break;
		written += (size_t)now;
	}
	if (written == bytes)
		return 0;
	error = errno;
	if (written && ftruncate(j->fd, j->known))
		j->is_read = false; /* catch_up() looks at it again */
	errno = error;
	return -1;
}

static enum journal_result
sync_each(struct journal *j, enum journal_result result)
{
	return j->options.sync_each && journal_sync(j) ? JOURNAL_UNSYNCED
						       : result;
}

static enum journal_result
append_locked(struct journal *j, uint64_t id, const char *line, size_t bytes)
{
	if (catch_up(j))
		return JOURNAL_FAILED;
	if (recent_has(&j->recent, id))
		return sync_each(j, JOURNAL_KNOWN);
	if (j->known && (uint64_t)j->known + bytes > j->options.rotate_bytes &&
		rotate(j))
		return JOURNAL_FAILED;
	if (write_line(j, line, bytes))
		return JOURNAL_FAILED;
	j->known += (off_t)bytes;
	j->is_synced = false;
	recent_add(&j->recent, id);
	return sync_each(j, JOURNAL_WRITTEN);
}

enum journal_result
journal_append(struct journal *j, uint64_t id, const char *line, size_t bytes)
{
	enum journal_result result;

	if (open_locked(j))
		return JOURNAL_FAILED;
	result = append_locked(j, id, line, bytes);
	unlock(j);
	return result;
}

int
journal_knows(struct journal *j, uint64_t id)
{
	int result;

	if (open_locked(j))
		return -1;
	result = catch_up(j) ? -1 : recent_has(&j->recent, id);
	unlock(j);
	return result;
}

int
journal_sync(struct journal *j)
{
	if (j->fd >= 0 && fdatasync(j->fd))
		return -1;
	j->is_synced = true;
	return 0;
}

bool
journal_is_synced(const struct journal *j)
{
	return j->is_synced;
}

int
journal_rotate_error(struct journal *j)
{
	int error = j->rotate_error;

	j->rotate_error = 0;
	return error;
}
