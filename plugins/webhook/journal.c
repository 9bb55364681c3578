#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)
#define LINES_MIN 1000 /* fewer are not worth a new file */

struct journal {
	struct sup *plugin;
	struct seen *seen;
	char *path, *path_new;
	int fd; /* -1: the disk refuses it */
	off_t at;
	bool complained;
};

static void
complain(struct journal *j, const char *what)
{
	if (!j->complained)
		sup_log(j->plugin, SUP_WARN,
			"%s: cannot %s: %s; deliveries are remembered in "
			"memory only",
			j->path, what, strerror(errno));
	j->complained = true;
}

static void
reopen(struct journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->at = 0;
	j->fd = open(j->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (j->fd < 0)
		complain(j, "open");
}

/* True if the name leads to another file than the open one. */
static bool
is_replaced(const struct journal *j)
{
	struct stat mine, named;

	return j->fd < 0 || fstat(j->fd, &mine) || stat(j->path, &named) ||
	       mine.st_ino != named.st_ino || named.st_size < j->at;
}

/* Stops at the beginning of a line that is not whole yet. */
static void
read_on(struct journal *j)
{
	static char text[READ_BYTES];
	size_t whole;
	ssize_t got;

	while ((got = pread(j->fd, text, sizeof(text), j->at)) > 0) {
		whole = seen_read_lines(j->seen, text, (size_t)got);
		if (!whole && got == sizeof(text))
			whole = sizeof(text); /* no line is so long */
		if (!whole)
			return;
		j->at += (off_t)whole;
	}
}

void
journal_catch_up(struct journal *j)
{
	struct stat now;

	if (is_replaced(j))
		reopen(j);
	if (j->fd >= 0 && !fstat(j->fd, &now) && now.st_size > j->at)
		read_on(j);
}

struct journal *
journal_open(struct sup *p, const char *dir, struct seen *seen)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	*j = (struct journal){.plugin = p, .seen = seen, .fd = -1};
	if (asprintf(&j->path, "%s/delivered", dir) < 0 ||
		asprintf(&j->path_new, "%s/delivered.new", dir) < 0) {
		free(j);
		return NULL;
	}
	journal_catch_up(j);
	return j;
}

void
journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j->path);
	free(j->path_new);
	free(j);
}

/* A line that the disk took only in part is ended, so that the next one is not
 * lost with it. */
void
journal_add(struct journal *j, const struct seen_key *key, uint64_t at_ms)
{
	char line[SEEN_LINE_BYTES + 1];
	ssize_t wrote;

	seen_add(j->seen, key, at_ms);
	if (j->fd < 0)
		return;
	seen_write_line(line, key, at_ms);
	wrote = write(j->fd, line, SEEN_LINE_BYTES);
	if (wrote == SEEN_LINE_BYTES)
		return;
	complain(j, "write");
	if (wrote > 0 && write(j->fd, "\n", 1) < 0)
		complain(j, "write");
}

/* ---- a new file ---- */

static bool
write_all(struct journal *j, FILE *file)
{
	char line[SEEN_LINE_BYTES + 1];
	struct seen_key key;
	uint64_t at_ms;

	for (size_t i = 0; seen_at(j->seen, i, &key, &at_ms); i++) {
		seen_write_line(line, &key, at_ms);
		if (fwrite(line, SEEN_LINE_BYTES, 1, file) != 1)
			return false;
	}
	return !fflush(file);
}

void
journal_compact(struct journal *j)
{
	size_t lines = (size_t)(j->at / SEEN_LINE_BYTES);
	FILE *file;
	bool good;

	journal_catch_up(j);
	if (j->fd < 0 || lines < LINES_MIN || lines / 2 < seen_count(j->seen))
		return;
	file = fopen(j->path_new, "we");
	good = file && write_all(j, file);
	if (file && fclose(file))
		good = false;
	if (!good || rename(j->path_new, j->path)) {
		complain(j, "replace");
		return;
	}
	reopen(j);
	journal_catch_up(j);
}
