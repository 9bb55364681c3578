/* journal: the ring keeps each event as its text: a tenth of what the value
 * would take, and it is rarely asked for. */
#include "supervisor/ops/journal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/ops/time_text.h"

#define NAME_KEY "\"event\":\""
#define TEXT_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(12))

struct kept {
	char *text;
	size_t bytes;
};

struct journal {
	struct kept ring[JOURNAL_EVENTS_MAX]; /* seq % JOURNAL_EVENTS_MAX */
	uint64_t begin; /* the seq before the first one of this process */
	uint64_t last;	/* of the newest */
	uint64_t count; /* kept */
	size_t bytes;
	struct list readers;
};

static const char *const own_words[] = {
	"gateway", "config", "reload", "worker", "plugin", "hold"};

struct journal *
journal_create(void)
{
	struct journal *j = memory_alloc(sizeof(*j));

	/* Microseconds: no supd has told as many events by the time that
	 * another starts, and a number in JSON holds them exactly. */
	j->begin = j->last = clock_wall_ms() * 1000;
	list_init(&j->readers);
	return j;
}

void
journal_destroy(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < JOURNAL_EVENTS_MAX; i++)
		free(j->ring[i].text);
	free(j);
}

/* ---- names ---- */

static bool
is_well_formed(const char *event)
{
	size_t length = strspn(event,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_.:-");

	return length && length <= JOURNAL_NAME_MAX && !event[length] &&
	       event[0] != '.' && event[length - 1] != '.' &&
	       !strstr(event, "..");
}

static bool
is_own(const char *event)
{
	size_t length = strcspn(event, ".");

	if (event[length] != '.')
		return false;
	for (size_t i = 0; i < sizeof(own_words) / sizeof(*own_words); i++)
		if (strlen(own_words[i]) == length &&
			!memcmp(event, own_words[i], length))
			return true;
	return false;
}

int
journal_check(const char *event, const json_t *data, struct error *err)
{
	if (!is_well_formed(event))
		return error_set(err,
			"the name of an event is 1 to %d letters, digits, "
			"'_', '-', ':' and single dots inside",
			JOURNAL_NAME_MAX);
	if (is_own(event))
		return error_set(err, "the name '%s' is supd's own", event);
	if (data && json_dumpb(data, NULL, 0, TEXT_FLAGS | JSON_ENCODE_ANY) >
			    JOURNAL_DATA_MAX)
		return error_set(err,
			"the data of an event is larger than %d KiB",
			JOURNAL_DATA_MAX / 1024);
	if (data && value_is_deeper(data, JOURNAL_DEPTH_MAX))
		return error_set(err,
			"the data of an event is nested deeper than %d",
			JOURNAL_DEPTH_MAX);
	return 0;
}

/* ---- the ring ---- */

static struct kept *
place_of(struct journal *j, uint64_t seq)
{
	return &j->ring[seq % JOURNAL_EVENTS_MAX];
}

static void
drop_oldest(struct journal *j)
{
	struct kept *k = place_of(j, j->last + 1 - j->count);

	j->bytes -= k->bytes;
	j->count--;
	free(k->text);
	*k = (struct kept){0};
}

/* An event without a text keeps its number and is told to nobody later. */
static void
keep(struct journal *j, const json_t *event)
{
	char *text = json_dumps(event, TEXT_FLAGS);
	size_t bytes = text ? strlen(text) : 0;

	if (j->count == JOURNAL_EVENTS_MAX)
		drop_oldest(j);
	j->last++;
	j->count++;
	j->bytes += bytes;
	*place_of(j, j->last) = (struct kept){text, bytes};
	while (j->bytes > JOURNAL_BYTES_MAX && j->count > 1)
		drop_oldest(j);
}

void
journal_note(struct journal *j, const char *name, const char *plugin_id,
	json_t *data)
{
	char at[TIME_TEXT_BYTES];
	json_t *event = json_pack("{s:I,s:s,s:s,s:s?,s:o}", "seq",
		(json_int_t)(j->last + 1), "at", time_text(at, clock_wall_ms()),
		"event", name, "pluginId", plugin_id, "data",
		data ? data : json_null());

	if (!event)
		return;
	keep(j, event);
	list_for_each_safe (node, &j->readers) {
		struct journal_reader *r =
			container_of(node, struct journal_reader, node);

		r->on_event(r, event);
	}
	json_decref(event);
}

/* From `first` on. */
static json_t *
read_from(const struct journal *j, uint64_t first)
{
	json_t *events = json_array();

	for (uint64_t seq = first; seq <= j->last; seq++) {
		const struct kept *k = &j->ring[seq % JOURNAL_EVENTS_MAX];
		json_t *event = k->text ? json_loadb(k->text, k->bytes,
						  JSON_ALLOW_NUL, NULL)
					: NULL;

		if (event)
			json_array_append_new(events, event);
	}
	return events;
}

json_t *
journal_last(const struct journal *j, uint64_t count)
{
	uint64_t wanted = count < j->count ? count : j->count;

	return read_from(j, j->last + 1 - wanted);
}

json_t *
journal_since(const struct journal *j, uint64_t seq, uint64_t *missed_out)
{
	uint64_t oldest = j->last + 1 - j->count;

	*missed_out = 0;
	if (seq >= j->last)
		return json_array();
	if (seq < j->begin)
		*missed_out = 1 + oldest - (j->begin + 1);
	else if (seq + 1 < oldest)
		*missed_out = oldest - (seq + 1);
	return read_from(j, seq + 1 > oldest ? seq + 1 : oldest);
}

bool
journal_next(const struct journal *j, uint64_t seq, struct journal_text *out)
{
	uint64_t oldest = j->last + 1 - j->count;
	uint64_t next = seq + 1 > oldest ? seq + 1 : oldest;
	const struct kept *k;
	const char *name;

	while (next <= j->last && !j->ring[next % JOURNAL_EVENTS_MAX].text)
		next++;
	if (next > j->last)
		return false;
	k = &j->ring[next % JOURNAL_EVENTS_MAX];
	/* The third key, after a number and a time; a name has no escapes. */
	name = strstr(k->text, NAME_KEY) + strlen(NAME_KEY);
	*out = (struct journal_text){.seq = next,
		.missed = next - seq - 1,
		.name = {name, strcspn(name, "\"")},
		.text = {k->text, k->bytes}};
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
journal_leave(struct journal_reader *r)
{
	list_remove(&r->node);
}
