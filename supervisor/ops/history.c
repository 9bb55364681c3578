/* history: lines are appended with one write each and read once, at the start;
 * after that the same texts are answered from memory. */
#include "supervisor/ops/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/ops/time_text.h"

#define TEXT_FLAGS                                                             \
	(JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12))
#define BYTES_MAX (2 * (size_t)HISTORY_FILE_BYTES_MAX)

struct entry {
	char *id, *plugin_id, *at, *text; /* text: the line without its end */
	size_t bytes;
};

struct history {
	char *path, *old_path;
	int fd;		    /* -1: not open, tried again at the next note */
	size_t file_bytes;  /* of the file at fd */
	bool torn, failing; /* the file does not end in a line; it was told */
	uint64_t lost, last_number;
	struct entry *entries; /* oldest first */
	size_t count, bytes;
};

/* ---- in memory ---- */

static void
entry_finish(struct entry *e)
{
	free(e->id);
	free(e->plugin_id);
	free(e->at);
	free(e->text);
}

static void
drop_oldest(struct history *h)
{
	h->bytes -= h->entries[0].bytes;
	entry_finish(&h->entries[0]);
	h->count--;
	memmove(h->entries, h->entries + 1, h->count * sizeof(*h->entries));
}

static struct entry *
find(const struct history *h, const char *id)
{
	for (size_t i = h->count; i-- > 0;)
		if (!strcmp(h->entries[i].id, id))
			return &h->entries[i];
	return NULL;
}

static const char *
text_of(const json_t *receipt, const char *key)
{
	const char *text = json_string_value(json_object_get(receipt, key));

	return text ? text : "";
}

static void
note_number(struct history *h, const char *id)
{
	unsigned long long number = 0;

	if (sscanf(id, "r-%llu", &number) == 1 && number > h->last_number &&
		number < UINT32_MAX)
		h->last_number = number;
}

/* receipt has "at" already; text is taken. */
static void
remember(struct history *h, const json_t *receipt, char *text)
{
	const char *id = text_of(receipt, "id");
	struct entry *e = find(h, id);

	note_number(h, id);
	if (e) {
		h->bytes -= e->bytes;
		entry_finish(e);
	} else {
		if (h->count == HISTORY_RECEIPTS_MAX)
			drop_oldest(h);
		h->entries = memory_resize(
			h->entries, (h->count + 1) * sizeof(*h->entries));
		e = &h->entries[h->count++];
	}
	*e = (struct entry){.id = memory_copy_text(id),
		.plugin_id = memory_copy_text(text_of(receipt, "pluginId")),
		.at = memory_copy_text(text_of(receipt, "at")),
		.text = text,
		.bytes = strlen(text) + 1};
	h->bytes += e->bytes;
	while (h->bytes > BYTES_MAX && h->count > 1)
		drop_oldest(h);
}

/* ---- reading ---- */

static bool
is_receipt(const json_t *value)
{
	return *text_of(value, "id") && *text_of(value, "pluginId") &&
	       *text_of(value, "state") && *text_of(value, "at");
}

static void
read_line(struct history *h, const char *line, size_t length)
{
	json_t *value = json_loadb(line, length, JSON_ALLOW_NUL, NULL);

	if (is_receipt(value))
		remember(h, value, memory_copy_bytes(line, length));
	json_decref(value);
}

static void
read_lines(struct history *h, const char *text, size_t length)
{
	const char *end = text + length, *next;

	for (; text < end; text = next + 1) {
		next = memchr(text, '\n', (size_t)(end - text));
		h->torn = !next;
		if (!next)
			return;
		read_line(h, text, (size_t)(next - text));
	}
}

/* What is no file of ours, or too long for one, does not keep supd from
 * starting. */
static void
read_file(struct history *h, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buffer text = {0};
	struct stat now;
	ssize_t got;

	if (fd < 0)
		return;
	if (!fstat(fd, &now) && S_ISREG(now.st_mode))
		while (buffer_length(&text) < BYTES_MAX &&
			(got = read(fd, buffer_reserve(&text, 65536), 65536)) >
				0)
			buffer_commit(&text, (size_t)got);
	close(fd);
	read_lines(h, (const char *)buffer_bytes(&text), buffer_length(&text));
	buffer_finish(&text);
}

struct history *
history_open(const char *state_dir)
{
	struct history *h = memory_alloc(sizeof(*h));

	h->path = memory_format("%s/history.jsonl", state_dir);
	h->old_path = memory_format("%s.1", h->path);
	h->fd = -1;
	read_file(h, h->old_path);
	h->torn = false;
	read_file(h, h->path);
	return h;
}

void
history_close(struct history *h)
{
	if (!h)
		return;
	if (h->fd >= 0)
		close(h->fd);
	for (size_t i = 0; i < h->count; i++)
		entry_finish(&h->entries[i]);
	free(h->entries);
	free(h->path);
	free(h->old_path);
	free(h);
}

/* ---- writing ---- */

static int
open_file(struct history *h)
{
	struct stat now;

	if (h->fd >= 0)
		return 0;
	h->fd = open(h->path,
		O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
	if (h->fd < 0)
		return -1;
	h->file_bytes = fstat(h->fd, &now) ? 0 : (size_t)now.st_size;
	return 0;
}

static int
make_room(struct history *h, size_t bytes)
{
	if (open_file(h) < 0)
		return -1;
	if (!h->file_bytes || h->file_bytes + bytes <= HISTORY_FILE_BYTES_MAX)
		return 0;
	if (rename(h->path, h->old_path) < 0)
		return -1;
	close(h->fd);
	h->fd = -1;
	h->torn = false;
	return open_file(h);
}

static int
write_line(struct history *h, const char *text)
{
	char *line = memory_format("%s%s\n", h->torn ? "\n" : "", text);
	size_t length = strlen(line);
	ssize_t written = -1;

	if (!make_room(h, length))
		written = write(h->fd, line, length);
	free(line);
	if (written > 0) {
		h->file_bytes += (size_t)written;
		h->torn = (size_t)written < length;
		errno = ENOSPC;
	}
	return written == (ssize_t)length ? 0 : -1;
}

/* Told once until it works again: it must not fill the log as well. */
static void
append(struct history *h, const char *text)
{
	if (!write_line(h, text)) {
		h->failing = false;
		return;
	}
	h->lost++;
	if (!h->failing)
		log_warn("history: cannot write %s: %s; verdicts are still "
			 "given, and kept in memory",
			h->path, strerror(errno));
	h->failing = true;
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

void
history_note(struct history *h, const json_t *receipt)
{
	const struct entry *before = find(h, text_of(receipt, "id"));
	json_t *line = json_object();
	char now[TIME_TEXT_BYTES], *text;

	json_object_set_new(line, "at",
		json_string(
			before ? before->at : time_text(now, clock_wall_ms())));
	/* jansson reads it only; its interface lacks the const. */
	json_object_update(line, (json_t *)(uintptr_t)receipt);
	text = json_dumps(line, TEXT_FLAGS);
	if (text && is_receipt(line)) {
		append(h, text);
		remember(h, line, text);
	} else {
		free(text);
	}
	json_decref(line);
}

/* ---- asking ---- */

static bool
is_of(const struct entry *e, const char *plugin_id)
{
	return !plugin_id || !strcmp(e->plugin_id, plugin_id);
}

json_t *
history_last(const struct history *h, const char *plugin_id, uint64_t count)
{
	json_t *receipts = json_array();
	size_t first = h->count;

	while (first > 0 && count > 0)
		count -= is_of(&h->entries[--first], plugin_id);
	for (size_t i = first; i < h->count; i++)
		if (is_of(&h->entries[i], plugin_id))
			json_array_append_new(
				receipts, json_loads(h->entries[i].text,
						  JSON_ALLOW_NUL, NULL));
	return receipts;
}

uint64_t
history_last_number(const struct history *h)
{
	return h->last_number;
}

uint64_t
history_lost(const struct history *h)
{
	return h->lost;
}
