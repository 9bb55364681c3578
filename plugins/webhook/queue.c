/* A line is one of
 *	+ID ADDED BODY		a delivery
 *	-ID			it is done
 *	!ID FAILURES NEXT	it is the first, and has failed so often
 * and lines that are none of these are skipped: the disk was full, or the
 * worker died while it wrote. */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_LENGTH (QUEUE_ID_BYTES - 1)
#define RECENT 256 /* ids that are known again */
#define WASTE_BYTES_MAX ((uint64_t)1024 * 1024)

struct item {
	struct item *next;
	char id[QUEUE_ID_BYTES];
	uint64_t added_ms;
	off_t at; /* of the body */
	size_t body_bytes;
};

struct queue {
	char *path, *path_new;
	int fd;
	off_t end;
	struct item *first, **last;
	size_t count;
	uint64_t bytes; /* of the bodies that wait */
	unsigned failures;
	uint64_t next_ms;
	char recent[RECENT][QUEUE_ID_BYTES];
	size_t recent_count;
};

/* ---- in memory ---- */

static bool
is_recent(const struct queue *q, const char *id)
{
	for (size_t i = 0; i < RECENT; i++)
		if (!strcmp(q->recent[i], id))
			return true;
	return false;
}

static int
item_add(struct queue *q, const char *id, uint64_t added_ms, off_t at,
	size_t body_bytes)
{
	struct item *item = malloc(sizeof(*item));

	if (!item)
		return -1;
	*item = (struct item){
		.added_ms = added_ms, .at = at, .body_bytes = body_bytes};
	memcpy(item->id, id, ID_LENGTH);
	memcpy(q->recent[q->recent_count++ % RECENT], item->id, QUEUE_ID_BYTES);
	*q->last = item;
	q->last = &item->next;
	q->count++;
	q->bytes += body_bytes;
	return 0;
}

static void
item_remove_first(struct queue *q)
{
	struct item *item = q->first;

	q->first = item->next;
	if (!q->first)
		q->last = &q->first;
	q->count--;
	q->bytes -= item->body_bytes;
	q->failures = 0;
	q->next_ms = 0;
	free(item);
}

/* ---- reading ---- */

static bool
is_id(const char *text, char end)
{
	return strspn(text, "0123456789abcdef") == ID_LENGTH &&
	       text[ID_LENGTH] == end;
}

static bool
is_first(const struct queue *q, const char *id)
{
	return q->first && !strncmp(q->first->id, id, ID_LENGTH);
}

/* The line ends with a NUL; `at` is where it begins in the file. */
static int
read_line(struct queue *q, char *line, size_t length, off_t at)
{
	char *id = line + 1, *rest = line + 1 + ID_LENGTH;
	uint64_t number;

	if (length < 1 + ID_LENGTH)
		return 0;
	if (*line == '-' && is_id(id, 0) && is_first(q, id))
		item_remove_first(q);
	if (*line == '!' && is_id(id, ' ') && is_first(q, id)) {
		q->failures = (unsigned)strtoul(rest, &rest, 10);
		q->next_ms = strtoull(rest, NULL, 10);
	}
	if (*line != '+' || !is_id(id, ' '))
		return 0;
	number = strtoull(rest + 1, &rest, 10);
	if (*rest != ' ')
		return 0;
	rest++;
	return item_add(q, id, number, at + (rest - line),
		length - (size_t)(rest - line));
}

/* A last line without its newline was never whole, and is cut off. */
static int
read_all(struct queue *q)
{
	FILE *file = fdopen(fcntl(q->fd, F_DUPFD_CLOEXEC, 0), "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t got;
	int rc = 0;

	if (!file)
		return -1;
	while (!rc && (got = getline(&line, &room, file)) > 0 &&
		line[got - 1] == '\n') {
		line[got - 1] = 0;
		rc = read_line(q, line, (size_t)got - 1, q->end);
		q->end += got;
	}
	if (ferror(file))
		rc = -1;
	free(line);
	fclose(file);
	return rc ? rc : ftruncate(q->fd, q->end);
}

struct queue *
queue_open(const char *dir, const char *name)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->last = &q->first;
	q->fd = -1;
	if (asprintf(&q->path, "%s/%s.queue", dir, name) < 0 ||
		asprintf(&q->path_new, "%s/%s.queue.new", dir, name) < 0)
		abort();
	q->fd = open(q->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (q->fd >= 0 && !read_all(q))
		return q;
	queue_close(q);
	return NULL;
}

void
queue_close(struct queue *q)
{
	int error = errno;

	if (!q)
		return;
	while (q->first)
		item_remove_first(q);
	if (q->fd >= 0)
		close(q->fd);
	free(q->path);
	free(q->path_new);
	free(q);
	errno = error;
}

/* ---- writing ---- */

/* All of it, or nothing that is left behind. */
static int
append(int fd, off_t *end, const char *bytes, size_t size)
{
	size_t done = 0;
	ssize_t wrote;

	while (done < size) {
		wrote = pwrite(
			fd, bytes + done, size - done, *end + (off_t)done);
		if (wrote <= 0 && errno != EINTR) {
			int error = wrote ? errno : ENOSPC;

			if (ftruncate(fd, *end))
				return -1;
			errno = error;
			return -1;
		}
		done += wrote > 0 ? (size_t)wrote : 0;
	}
	*end += (off_t)size;
	return 0;
}

static int __attribute__((format(printf, 2, 3)))
note(struct queue *q, const char *format, ...)
{
	va_list arguments;
	char line[120];
	int length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	return append(q->fd, &q->end, line, (size_t)length);
}

enum queue_result
queue_add(struct queue *q, const struct queue_limits *limits, const char *id,
	uint64_t now_ms, const char *body)
{
	size_t bytes = strlen(body);
	off_t at;
	char *line;
	int length;

	if (is_recent(q, id))
		return QUEUE_KNOWN;
	if (q->count >= limits->events || q->bytes + bytes > limits->bytes)
		return QUEUE_FULL;
	length = asprintf(&line, "+%s %" PRIu64 " %s\n", id, now_ms, body);
	if (length < 0)
		return QUEUE_FAILED;
	at = q->end + length - 1 - (off_t)bytes;
	if (append(q->fd, &q->end, line, (size_t)length)) {
		free(line);
		return QUEUE_FAILED;
	}
	free(line);
	return item_add(q, id, now_ms, at, bytes) ? QUEUE_FAILED : QUEUE_ADDED;
}

bool
queue_first(const struct queue *q, struct queue_head *head_out)
{
	if (!q->first)
		return false;
	*head_out = (struct queue_head){.added_ms = q->first->added_ms,
		.next_ms = q->next_ms,
		.failures = q->failures,
		.body_bytes = q->first->body_bytes};
	memcpy(head_out->id, q->first->id, QUEUE_ID_BYTES);
	return true;
}

char *
queue_first_body(const struct queue *q)
{
	size_t bytes = q->first->body_bytes;
	char *body = malloc(bytes + 1);

	if (!body)
		return NULL;
	if (pread(q->fd, body, bytes, q->first->at) != (ssize_t)bytes) {
		free(body);
		return NULL;
	}
	body[bytes] = 0;
	return body;
}

void
queue_fail_first(struct queue *q, uint64_t next_ms)
{
	q->failures++;
	q->next_ms = next_ms;
	/* without the note, a successor would only come earlier */
	(void)!note(
		q, "!%s %u %" PRIu64 "\n", q->first->id, q->failures, next_ms);
}

/* ---- a new file ---- */

/* Copies what waits; on a failure the old file stays. */
static int
copy_items(struct queue *q, int fd, off_t *end)
{
	for (struct item *i = q->first; i; i = i->next) {
		char *body = malloc(i->body_bytes), *line = NULL;
		int length = -1;

		if (body && pread(q->fd, body, i->body_bytes, i->at) ==
				    (ssize_t)i->body_bytes)
			length = asprintf(&line, "+%s %" PRIu64 " %.*s\n",
				i->id, i->added_ms, (int)i->body_bytes, body);
		free(body);
		if (length < 0 || append(fd, end, line, (size_t)length)) {
			free(line);
			return -1;
		}
		free(line);
	}
	return 0;
}

static void
compact(struct queue *q)
{
	off_t end = 0, at = 0;
	int fd;

	if ((uint64_t)q->end < 2 * q->bytes + WASTE_BYTES_MAX)
		return;
	fd = open(q->path_new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (copy_items(q, fd, &end) || rename(q->path_new, q->path)) {
		close(fd);
		return;
	}
	close(q->fd);
	q->fd = fd;
	q->end = end;
	for (struct item *i = q->first; i; i = i->next) {
		char head[80];

		at += snprintf(head, sizeof(head), "+%s %" PRIu64 " ", i->id,
			i->added_ms);
		i->at = at;
		at += (off_t)i->body_bytes + 1;
	}
}

/* If the disk is too full for the note, the next owner sends it again, which
 * its id tells the receiver. */
void
queue_remove_first(struct queue *q)
{
	(void)!note(q, "-%s\n", q->first->id);
	item_remove_first(q);
	compact(q);
}

size_t
queue_count(const struct queue *q)
{
	return q->count;
}
