/* ledger: what outlives supd: for each schedule its anchor and up to where
 * nothing is owed. A tick is noted when it has ended, and notes are written
 * together, at most once a second: if supd is killed in between, a tick may
 * come again, under the same id, and none is lost. Nothing is synced for a
 * tick; after a power failure the other copy, or none, is read. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"
#include "supervisor/plugin/store_sync.h"
#include "supervisor/schedule/parts.h"

#define FILE_MAX_BYTES (8 * 1024 * 1024)
#define SAVES_PER_TURN 8
#define RETRY_MS 5000
#define COPIES 2

/* head: version, sequence, whether the plugin's schedules were active
 * line: name, anchor, settled, last tick, zone or -, when
 * end: checksum of all before it */
#define HEAD "supd-schedules 1 "
#define END "end "

static char *
path_of(const struct schedule_set *set, uint64_t sequence)
{
	return memory_format("%s/schedules/%s.%c",
		set->schedules->gateway->state_dir, set->plugin->id,
		sequence % COPIES ? 'b' : 'a');
}

static uint64_t
checksum(const char *at, size_t size)
{
	uint64_t sum = 14695981039346656037ull;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ (unsigned char)at[i]) * 1099511628211ull;
	return sum;
}

/* ---- reading ---- */

static char *
read_file(const char *path, size_t *size_out)
{
	int fd = own_file_open(path, O_RDONLY, 0, NULL);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	char *text = NULL;

	if (size > 0 && size <= FILE_MAX_BYTES) {
		text = memory_alloc((size_t)size + 1);
		if (pread(fd, text, (size_t)size, 0) != size) {
			free(text);
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	*size_out = (size_t)size;
	return text;
}

/* Cuts the last line off, if its checksum is right. */
static bool
check(char *text, size_t size)
{
	char *end = size > 1 ? memrchr(text, '\n', size - 1) : NULL;
	uint64_t sum;

	if (!end || strlen(text) != size || text[size - 1] != '\n' ||
		sscanf(end + 1, END "%16" SCNx64, &sum) != 1 ||
		sum != checksum(text, (size_t)(end + 1 - text)))
		return false;
	end[1] = '\0';
	return true;
}

bool
ledger_exists(const struct gateway *g, const char *plugin_id)
{
	char *path =
		memory_format("%s/schedules/%s.a", g->state_dir, plugin_id);
	bool exists = access(path, F_OK) == 0;

	path[strlen(path) - 1] = 'b';
	exists = exists || access(path, F_OK) == 0;
	free(path);
	return exists;
}

/* The record of a sequence; NULL: it is damaged or there is none. */
static char *
load_copy(const struct schedule_set *set, unsigned copy, uint64_t *sequence_out,
	bool *is_damaged)
{
	char *path = path_of(set, copy);
	size_t size;
	char *text = read_file(path, &size);

	if (text && (!check(text, size) ||
			    sscanf(text, HEAD "%" SCNu64, sequence_out) != 1)) {
		free(text);
		text = NULL;
		*is_damaged = true;
	}
	free(path);
	return text;
}

static void
take_line(struct schedule_set *set, char *line)
{
	char name[REGISTRATION_NAME_BYTES + 1], zone[80];
	int64_t anchor, settled, last;
	struct schedule *s;
	int when_at = 0;

	if (sscanf(line, "%128s %" SCNd64 " %" SCNd64 " %" SCNd64 " %79s%n",
		    name, &anchor, &settled, &last, zone, &when_at) != 5 ||
		line[when_at] != ' ' ||
		map_get(&set->by_name, name, strlen(name)))
		return;
	s = schedule_add(set, bytes_of(name));
	s->anchor_ms = anchor;
	s->settled_ms = settled;
	s->last_ms = last;
	s->zone_name = strcmp(zone, "-") ? memory_copy_text(zone) : NULL;
	s->when_text = memory_copy_text(line + when_at + 1);
}

static void
take(struct schedule_set *set, char *text)
{
	char *line = strsep(&text, "\n");
	unsigned active = 0;

	sscanf(line, HEAD "%" SCNu64 " %u", &set->sequence, &active);
	set->is_stored = active;
	while ((line = strsep(&text, "\n")))
		take_line(set, line);
}

void
ledger_load(struct schedule_set *set)
{
	struct log_subject subject = {.plugin = set->plugin->id};
	uint64_t sequence = 0, other = 0;
	bool is_damaged = false;
	char *a = load_copy(set, 0, &sequence, &is_damaged);
	char *b = load_copy(set, 1, &other, &is_damaged);

	if (a && (!b || sequence > other))
		take(set, a);
	else if (b)
		take(set, b);
	if (is_damaged)
		log_write(LOG_WARN, &subject,
			"a record of the schedules is damaged; %s",
			a || b ? "reading the one before it"
			       : "nothing that was due before is caught up");
	free(a);
	free(b);
}

/* ---- writing ---- */

static void
write_line(struct buffer *out, const struct schedule *s)
{
	size_t room = 512 + strlen(s->name) + strlen(s->when_text);
	char *to = (char *)buffer_reserve(out, room);
	int length = snprintf(to, room,
		"%s %" PRId64 " %" PRId64 " %" PRId64 " %.79s %s\n", s->name,
		s->anchor_ms, s->settled_ms, s->last_ms,
		s->zone_name ? s->zone_name : "-", s->when_text);

	buffer_commit(out, (size_t)length);
}

static int
save(struct schedule_set *set, struct error *err)
{
	const struct gateway *g = set->schedules->gateway;
	char *folder = memory_format("%s/schedules", g->state_dir);
	char *path = path_of(set, set->sequence + 1);
	const struct map_entry *entry;
	struct buffer text = {0};
	char line[64];
	int result;

	buffer_append(&text, line,
		(size_t)snprintf(line, sizeof(line), HEAD "%" PRIu64 " %d\n",
			set->sequence + 1, set->is_active));
	for (size_t i = 0; (entry = map_next(&set->by_name, &i));)
		write_line(&text, entry->value);
	buffer_append(&text, line,
		(size_t)snprintf(line, sizeof(line), END "%016" PRIx64 "\n",
			checksum((const char *)buffer_bytes(&text),
				buffer_length(&text))));
	result = own_folder_make_or_link(folder, 0700, err);
	if (!result)
		result = own_file_replace(path,
			(const char *)buffer_bytes(&text), buffer_length(&text),
			err);
	if (!result)
		set->sequence++;
	buffer_finish(&text);
	free(folder);
	free(path);
	return result;
}

void
ledger_save(struct schedule_set *set)
{
	struct log_subject subject = {.plugin = set->plugin->id};
	struct error err;

	list_remove(&set->dirty_node);
	if (save(set, &err) < 0)
		log_write(LOG_ERROR, &subject,
			"cannot save when its schedules last ran: %s",
			err.text);
}

static void
save_later(struct schedules *all, uint64_t ms)
{
	if (!wheel_timer_is_set(&all->save))
		wheel_set(&all->gateway->wheel, &all->save, clock_ms() + ms);
}

static void
save_is_due(struct wheel_timer *timer)
{
	struct schedules *all = container_of(timer, struct schedules, save);
	struct error err;

	for (int i = 0; i < SAVES_PER_TURN && !list_is_empty(&all->dirty);
		i++) {
		struct schedule_set *set = container_of(
			all->dirty.next, struct schedule_set, dirty_node);
		struct log_subject subject = {.plugin = set->plugin->id};

		if (save(set, &err) < 0) {
			if (!set->is_unsaved)
				log_write(LOG_ERROR, &subject,
					"%s; retrying every %d s", err.text,
					RETRY_MS / 1000);
			set->is_unsaved = true;
			/* the others may be saved before the next try */
			list_remove(&set->dirty_node);
			list_append(&all->dirty, &set->dirty_node);
			save_later(all, RETRY_MS);
			return;
		}
		set->is_unsaved = false;
		list_remove(&set->dirty_node);
	}
	if (!list_is_empty(&all->dirty))
		save_later(all, WHEEL_TICK_MS);
}

void
ledger_touch(struct schedule_set *set)
{
	struct schedules *all = set->schedules;

	if (!list_is_empty(&set->dirty_node))
		return;
	list_append(&all->dirty, &set->dirty_node);
	save_later(all, LEDGER_DELAY_MS);
}

void
ledger_init(struct schedules *all)
{
	list_init(&all->dirty);
	wheel_timer_init(&all->save, save_is_due);
}
