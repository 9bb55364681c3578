/* history: appends each line with one write. The file is read once, at the
 * start; queries are answered from memory. */
#include "supervisor/ops/history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"
#include "supervisor/ops/time_text.h"

#define BYTES_MAX (2 * (size_t)HISTORY_FILE_BYTES_MAX)
#define LINE_BYTES_MAX (HISTORY_FILE_BYTES_MAX / 2)

struct entry {
	uint32_t hash;			  /* of the id, for a quick search */
	char *id, *plugin_id, *at, *text; /* text: the line without its end */
	size_t bytes;
};

struct history {
	char *path, *old_path;
	int fd;		   /* -1: not open; retried at the next note */
	size_t file_bytes; /* of the file at fd */
	bool torn;	   /* the file does not end with a newline */
	uint64_t failing;  /* lines lost since the last successful write */
	uint64_t lost, last_number;
	struct entry *entries; /* oldest first */
	size_t count, bytes;
	uint64_t dropped; /* number of older entries that were dropped */
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
	h->dropped++;
	memmove(h->entries, h->entries + 1, h->count * sizeof(*h->entries));
}

/* FNV-1a */
static uint32_t
hash_of(const char *id)
{
	uint32_t hash = 2166136261u;

	for (; *id; id++)
		hash = (hash ^ (uint8_t)*id) * 16777619u;
	return hash;
}

static struct entry *
find(const struct history *h, const char *id)
{
	uint32_t hash = hash_of(id);

	for (size_t i = h->count; i-- > 0;)
		if (h->entries[i].hash == hash && !strcmp(h->entries[i].id, id))
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

/* Adds an entry. The receipt must have "at"; text is taken. */
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
	*e = (struct entry){.hash = hash_of(id),
		.id = memory_copy_text(id),
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

/* Reads a line. A line damaged by a crash, a full disk or a power failure does
 * not affect others. */
static bool
read_line(struct history *h, const char *line, size_t length)
{
	json_t *value = length <= LINE_BYTES_MAX
				? json_loadb(line, length, JSON_ALLOW_NUL, NULL)
				: NULL;
	bool is_good = is_receipt(value);

	if (is_good)
		/* formatted again, because another program may have added
		 * control sequences */
		remember(h, value, json_text(value, JSON_TEXT_COMPACT));
	json_decref(value);
	return is_good;
}

/* The good and the damaged lines of a file. */
struct lines {
	struct buffer good, bad;
	unsigned good_count, bad_count;
	size_t first_bad; /* where in the text */
};

static void
sort_lines(struct history *h, const char *text, size_t length, struct lines *l)
{
	const char *begin = text, *end = text + length, *next;

	for (; text < end; text = next + 1) {
		size_t size;
		bool is_good;

		next = memchr(text, '\n', (size_t)(end - text));
		h->torn = !next;
		if (!next)
			next = end;
		size = (size_t)(next - text);
		if (!size)
			continue;
		is_good = read_line(h, text, size);
		if (!is_good && !l->bad_count++)
			l->first_bad = (size_t)(text - begin);
		l->good_count += is_good;
		buffer_append(is_good ? &l->good : &l->bad, text, size);
		buffer_append(is_good ? &l->good : &l->bad, "\n", 1);
	}
}

/* Puts the damaged lines aside, and then the good ones in the place of all. A
 * file that cannot be written stays as it is. */
static void
put_aside(struct history *h, const char *path, const struct lines *l)
{
	const char *s = l->bad_count == 1 ? "" : "s";
	struct error err;
	char *name;

	if (own_file_save_aside(path, (const char *)buffer_bytes(&l->bad),
		    buffer_length(&l->bad), &name, &err) < 0) {
		log_warn("history: %u damaged line%s of %s left out, the first "
			 "at byte %zu; not put aside: %s",
			l->bad_count, s, path, l->first_bad, err.text);
		return;
	}
	if (own_file_replace(path, (const char *)buffer_bytes(&l->good),
		    buffer_length(&l->good), &err) < 0)
		log_warn("history: %s; its damaged lines stay", err.text);
	else
		h->torn = false;
	log_warn("history: %u damaged line%s of %s left out, the first at byte "
		 "%zu, and put aside in %s; %u good one%s kept",
		l->bad_count, s, path, l->first_bad, name, l->good_count,
		l->good_count == 1 ? " is" : "s are");
	free(name);
}

/* start: position of the text in the file. If that is not 0, the file was too
 * large and only its end was read, so it is not replaced. */
static void
read_lines(struct history *h, const char *path, off_t start, const char *text,
	size_t length)
{
	struct lines lines = {0};

	sort_lines(h, text, length, &lines);
	if (lines.bad_count && !start)
		put_aside(h, path, &lines);
	else if (lines.bad_count)
		log_warn("history: %u damaged line%s of %s left out, the first "
			 "at byte %lld",
			lines.bad_count, lines.bad_count == 1 ? "" : "s", path,
			(long long)start + (long long)lines.first_bad);
	buffer_finish(&lines.good);
	buffer_finish(&lines.bad);
}

/* Reads the file, or if it is too large its end, from the first complete line
 * on. Returns the offset of the text. */
static off_t
read_tail(int fd, struct buffer *text)
{
	struct stat now;
	off_t start = 0;
	ssize_t got;
	const char *line;

	if (!fstat(fd, &now) && now.st_size > (off_t)BYTES_MAX)
		start = lseek(fd, now.st_size - (off_t)BYTES_MAX, SEEK_SET);
	while (buffer_length(text) < BYTES_MAX &&
		(got = read(fd, buffer_reserve(text, 65536), 65536)) > 0)
		buffer_commit(text, (size_t)got);
	if (start <= 0)
		return 0;
	line = memchr(buffer_bytes(text), '\n', buffer_length(text));
	if (!line)
		return start;
	start += line + 1 - (const char *)buffer_bytes(text);
	buffer_consume(
		text, (size_t)(line + 1 - (const char *)buffer_bytes(text)));
	return start;
}

/* Reads a file; one that is invalid or too large does not keep supd from
 * starting. */
static void
read_file(struct history *h, const char *path)
{
	struct buffer text = {0};
	struct error err;
	int fd = own_file_open(path, O_RDONLY, 0, &err);
	off_t start;

	if (fd < 0) {
		if (errno == ENOENT)
			return;
		log_error("history: %s; past verdicts are unknown", err.text);
		if (errno == EINVAL && own_file_put_aside(path, NULL, &err) < 0)
			log_error("history: %s", err.text);
		return;
	}
	start = read_tail(fd, &text);
	close(fd);
	read_lines(h, path, start, (const char *)buffer_bytes(&text),
		buffer_length(&text));
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
	h->fd = own_file_open(
		h->path, O_WRONLY | O_APPEND | O_CREAT, 0600, NULL);
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

/* Appends a line. A failure is logged once until writing works again, so that
 * it does not flood the log. */
static void
append(struct history *h, const char *text)
{
	if (!write_line(h, text)) {
		if (h->failing)
			log_warn("history: %s is written again; %llu verdict%s "
				 "are missing in it",
				h->path, (unsigned long long)h->failing,
				h->failing == 1 ? "" : "s");
		h->failing = 0;
		return;
	}
	h->lost++;
	if (!h->failing++)
		log_warn("history: cannot write %s: %s; verdicts are still "
			 "given, and kept in memory",
			h->path, strerror(errno));
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
	/* jansson only reads receipt, but its interface lacks the const */
	json_object_update(line, (json_t *)(uintptr_t)receipt);
	text = json_text(line, JSON_TEXT_COMPACT);
	if (is_receipt(line)) {
		append(h, text);
		remember(h, line, text);
	} else {
		free(text);
	}
	json_decref(line);
}

/* ---- queries ---- */

static bool
is_of(const struct entry *e, const char *plugin_id)
{
	return !plugin_id || !strcmp(e->plugin_id, plugin_id);
}

uint64_t
history_end(const struct history *h)
{
	return h->dropped + h->count;
}

uint64_t
history_first(const struct history *h, const char *plugin_id, uint64_t count)
{
	size_t first = h->count;

	while (first > 0 && count > 0)
		count -= is_of(&h->entries[--first], plugin_id);
	return h->dropped + first;
}

bool
history_next(const struct history *h, const char *plugin_id, uint64_t *cursor,
	uint64_t end, struct bytes *text_out)
{
	if (*cursor < h->dropped)
		*cursor = h->dropped;
	while (*cursor < end && *cursor < history_end(h)) {
		const struct entry *e = &h->entries[(*cursor)++ - h->dropped];

		if (!is_of(e, plugin_id))
			continue;
		*text_out = (struct bytes){e->text, e->bytes - 1};
		return true;
	}
	return false;
}

json_t *
history_last(const struct history *h, const char *plugin_id, uint64_t count)
{
	json_t *receipts = json_array();
	uint64_t cursor = history_first(h, plugin_id, count);
	struct bytes text;

	while (history_next(h, plugin_id, &cursor, UINT64_MAX, &text))
		json_array_append_new(receipts,
			json_loadb(text.at, text.length, JSON_ALLOW_NUL, NULL));
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
