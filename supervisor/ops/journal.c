/* journal: the rings keep each event as JSON text, which takes a tenth of the
 * memory of the value and is rarely read. A seq is found by binary search. */
#include "supervisor/ops/journal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/event_name.h"
#include "proto/json_text.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/ops/time_text.h"

#define NAME_KEY "\"event\":\""
#define ID_KEY "\",\"pluginId\":\""

struct kept {
	char *text;
	size_t bytes;
	uint64_t seq;
};

struct ring {
	struct kept items[JOURNAL_EVENTS_MAX];
	uint64_t added; /* events so far; i is at i % JOURNAL_EVENTS_MAX */
	uint64_t count; /* events kept: the last ones added */
	size_t bytes;
};

enum { RING_OWN, RING_OTHERS, RING_COUNT };

struct journal {
	struct ring rings[RING_COUNT];
	uint64_t begin; /* the seq before this process's first event */
	uint64_t last;	/* seq of the newest event */
	struct list readers;
	struct list watchers;
};

struct journal *
journal_create(void)
{
	struct journal *j = memory_alloc(sizeof(*j));

	/* starts at the time in microseconds, which no earlier supd can have
	 * reached by counting events, and which JSON numbers hold exactly */
	j->begin = j->last = clock_wall_ms() * 1000;
	list_init(&j->readers);
	list_init(&j->watchers);
	return j;
}

void
journal_destroy(struct journal *j)
{
	if (!j)
		return;
	for (unsigned r = 0; r < RING_COUNT; r++)
		for (size_t i = 0; i < JOURNAL_EVENTS_MAX; i++)
			free(j->rings[r].items[i].text);
	free(j);
}

/* ---- names ---- */

static size_t
text_bytes(const json_t *value)
{
	struct buffer text = {0};
	size_t bytes;

	json_text_append(&text, value, JSON_TEXT_COMPACT);
	bytes = buffer_length(&text);
	buffer_finish(&text);
	return bytes;
}

int
journal_check(const char *event, const json_t *data, struct error *err)
{
	if (!event_name_is_valid(bytes_of(event)))
		return error_set(err,
			"the name of an event must be 1 to %d letters, digits, "
			"'_', '-', ':' and single dots inside",
			JOURNAL_NAME_MAX);
	if (event_name_is_own(bytes_of(event)))
		return error_set(err, "the name '%s' is supd's own", event);
	if (data && value_is_deeper(data, VALUE_DEPTH_MAX))
		return error_set(err,
			"the data of an event is nested deeper than %d",
			VALUE_DEPTH_MAX);
	if (data && text_bytes(data) > JOURNAL_DATA_MAX)
		return error_set(err,
			"the data of an event is larger than %d KiB",
			JOURNAL_DATA_MAX / 1024);
	return 0;
}

/* ---- the rings ---- */

/* The i-th kept event, oldest first. */
static const struct kept *
ring_at(const struct ring *r, uint64_t i)
{
	return &r->items[(r->added - r->count + i) % JOURNAL_EVENTS_MAX];
}

/* The number of kept events up to `seq`. */
static uint64_t
ring_count_until(const struct ring *r, uint64_t seq)
{
	uint64_t low = 0, high = r->count;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (ring_at(r, middle)->seq <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
drop_oldest(struct ring *r)
{
	struct kept *k = &r->items[(r->added - r->count) % JOURNAL_EVENTS_MAX];

	r->bytes -= k->bytes;
	r->count--;
	free(k->text);
	*k = (struct kept){0};
}

static void
keep(struct ring *r, uint64_t seq, const json_t *event)
{
	char *text = json_text(event, JSON_TEXT_COMPACT);
	size_t bytes = strlen(text);

	if (r->count == JOURNAL_EVENTS_MAX)
		drop_oldest(r);
	r->items[r->added++ % JOURNAL_EVENTS_MAX] =
		(struct kept){text, bytes, seq};
	r->count++;
	r->bytes += bytes;
	while (r->bytes > JOURNAL_BYTES_MAX && r->count > 1)
		drop_oldest(r);
}

void
journal_note(struct journal *j, const char *name, const char *plugin_id,
	json_t *data)
{
	journal_note_called(j, name, plugin_id, data, NULL);
}

static void
show(struct list *readers, json_t *event)
{
	list_for_each_safe (node, readers) {
		struct journal_reader *r =
			container_of(node, struct journal_reader, node);

		r->on_event(r, event);
	}
}

void
journal_note_called(struct journal *j, const char *name, const char *plugin_id,
	json_t *data, json_t *chain)
{
	char at[TIME_TEXT_BYTES];
	json_t *event = json_pack("{s:I,s:s,s:s,s:s?,s:o,s:o*}", "seq",
		(json_int_t)(j->last + 1), "at", time_text(at, clock_wall_ms()),
		"event", name, "pluginId", plugin_id, "data",
		data ? data : json_null(), "chain", chain);

	if (!event)
		return;
	keep(&j->rings[event_name_is_own(bytes_of(name)) ? RING_OWN
							 : RING_OTHERS],
		++j->last, event);
	show(&j->watchers, event);
	show(&j->readers, event);
	json_decref(event);
}

/* ---- reading ---- */

/* A walk over all kept events, newest first. */
struct walk {
	const struct journal *journal;
	uint64_t left[RING_COUNT]; /* events left in each ring */
};

static struct walk
walk_begin(const struct journal *j)
{
	return (struct walk){
		j, {j->rings[RING_OWN].count, j->rings[RING_OTHERS].count}};
}

/* NULL: no more events. */
static const struct kept *
walk_back(struct walk *w)
{
	const struct kept *newest = NULL;
	unsigned of = 0;

	for (unsigned r = 0; r < RING_COUNT; r++) {
		const struct kept *k =
			w->left[r]
				? ring_at(&w->journal->rings[r], w->left[r] - 1)
				: NULL;

		if (!k || (newest && newest->seq > k->seq))
			continue;
		newest = k;
		of = r;
	}
	if (newest)
		w->left[of]--;
	return newest;
}

/* Finds name and id in the text: the third and fourth key, after a number and a
 * time. Neither has escapes. */
static struct journal_text
text_of(const struct kept *k)
{
	const char *name = strstr(k->text, NAME_KEY) + strlen(NAME_KEY);
	size_t length = strcspn(name, "\"");
	const char *id = name + length + strlen(ID_KEY);
	bool has_id = id[-1] == '"';

	return (struct journal_text){.seq = k->seq,
		.name = {name, length},
		.plugin_id = {id, has_id ? strcspn(id, "\"") : 0},
		.text = {k->text, k->bytes}};
}

bool
journal_is_of(const struct journal_text *event, const char *plugin_id)
{
	return !plugin_id || bytes_equal(event->plugin_id, bytes_of(plugin_id));
}

uint64_t
journal_cursor_last(
	const struct journal *j, uint64_t count, const char *plugin_id)
{
	struct walk w = walk_begin(j);
	uint64_t cursor = j->last;
	struct journal_text event;
	const struct kept *k;

	while (count && (k = walk_back(&w))) {
		event = text_of(k);
		if (!journal_is_of(&event, plugin_id))
			continue;
		cursor = k->seq - 1;
		count--;
	}
	return cursor;
}

uint64_t
journal_cursor_since(
	const struct journal *j, uint64_t seq, uint64_t *missed_out)
{
	*missed_out = seq < j->begin;
	if (seq < j->begin)
		return j->begin;
	return seq < j->last ? seq : j->last;
}

uint64_t
journal_cursor_fit(const struct journal *j, uint64_t cursor, uint64_t *missed)
{
	struct walk w = walk_begin(j);
	uint64_t begin = j->last;
	const struct kept *k;
	size_t bytes = 0;

	while ((k = walk_back(&w)) && k->seq > cursor) {
		bytes += k->bytes;
		if (bytes > JOURNAL_ANSWER_MAX && begin < j->last) {
			*missed += begin - cursor;
			return begin;
		}
		begin = k->seq - 1;
	}
	return cursor;
}

bool
journal_next(const struct journal *j, uint64_t seq, struct journal_text *out)
{
	const struct kept *next = NULL;

	for (unsigned r = 0; r < RING_COUNT; r++) {
		const struct ring *ring = &j->rings[r];
		uint64_t i = ring_count_until(ring, seq);
		const struct kept *k =
			i < ring->count ? ring_at(ring, i) : NULL;

		if (k && (!next || k->seq < next->seq))
			next = k;
	}
	if (!next)
		return false;
	*out = text_of(next);
	out->missed = next->seq - seq - 1;
	return true;
}

uint64_t
journal_seq(const struct journal *j)
{
	return j->last;
}

uint64_t
journal_total(const struct journal *j)
{
	return j->last - j->begin;
}

/* ---- followers ---- */

unsigned
journal_followers(const struct journal *j)
{
	unsigned count = 0;

	list_for_each (node, &j->readers)
		count++;
	return count;
}

void
journal_follow(struct journal *j, struct journal_reader *r)
{
	list_append(&j->readers, &r->node);
}

void
journal_watch(struct journal *j, struct journal_reader *r)
{
	list_append(&j->watchers, &r->node);
}

void
journal_leave(struct journal_reader *r)
{
	list_remove(&r->node);
}
