#include "dead.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
line_of(const struct letter *l)
{
	json_t *body = json_loads(l->body, JSON_ALLOW_NUL, NULL);
	json_t *map = json_pack("{ss ss ss sI sI sI sI so}", "target",
		l->target, "id", l->id, "reason", l->reason, "status",
		(json_int_t)l->status, "failures", (json_int_t)l->failures,
		"added_ms", (json_int_t)l->added_ms, "given_up_ms",
		(json_int_t)l->given_up_ms, "body", body ? body : json_null());
	char *text = map ? json_dumps(map, JSON_COMPACT) : NULL;
	char *line = NULL;

	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	json_decref(map);
	return line;
}

static int
make_room(const char *path, const char *dir, uint64_t limit, size_t bytes)
{
	struct stat now;
	char *old;
	int rc;

	if (stat(path, &now) || (uint64_t)now.st_size + bytes <= limit / 2)
		return 0;
	if (asprintf(&old, "%s/dead-letters.1.jsonl", dir) < 0)
		return -1;
	rc = rename(path, old);
	free(old);
	return rc;
}

/* Whether the last line is whole; one that a crash or a full disk cut short is
 * not. */
static bool
ends_line(int fd, off_t size)
{
	char last;

	return !size || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

/* All of the line, or nothing if the disk lets it be taken back. */
static int
append(int fd, const char *line)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t bytes = strlen(line);
	ssize_t wrote;

	if (!ends_line(fd, size) && write(fd, "\n", 1) == 1)
		size++;
	wrote = write(fd, line, bytes);
	if (wrote == (ssize_t)bytes)
		return 0;
	if (wrote >= 0 && !ftruncate(fd, size))
		errno = ENOSPC;
	return -1;
}

int
dead_write(const char *dir, uint64_t limit_bytes, const struct letter *l)
{
	char *line = line_of(l), *path = NULL;
	int fd = -1, rc = -1;

	if (line && asprintf(&path, "%s/dead-letters.jsonl", dir) >= 0 &&
		!make_room(path, dir, limit_bytes, strlen(line)))
		fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		rc = append(fd, line);
		close(fd);
	}
	free(path);
	free(line);
	return rc;
}
