/* journal: the last events of the gateway, in bounded rings, and their
 * followers. It decides nothing. Events are lost with the process; history.h
 * keeps what must last. supd's own events have a separate ring, so that events
 * of plugins and clients cannot push them out; readers see both as one
 * sequence, in the order of seq. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/event_name.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "proto/util/list.h"

/* Of supd's own, and as much again of all others: */
#define JOURNAL_EVENTS_MAX 1000		    /* kept; older ones go, */
#define JOURNAL_BYTES_MAX (4 * 1024 * 1024) /* also beyond this much text */
#define JOURNAL_ANSWER_MAX (512 * 1024)	    /* of text, in one answer */
#define JOURNAL_NAME_MAX EVENT_NAME_MAX
#define JOURNAL_DATA_MAX (64 * 1024) /* of what others emit, as JSON text */

/* An event as everybody sees it (supctl events, GET /api/events): {"seq": N,
 * "at": "2026-11-21T10:00:00.123Z", "event": NAME, "pluginId": ID or null,
 * "data": ANY} seq counts up by one, from a number greater than any of an
 * earlier supd, so that a reconnecting client learns what it missed. Names of
 * supd's own: gateway.ready, gateway.stopping, config.applied, config.planned,
 * config.scanned, config.refused, reload.phase, reload.verdict, reload.settled,
 * reload.reverted, routes.changed, worker.crashed, plugin.failed,
 * plugin.enabled, plugin.disabled, plugin.offered, plugin.state_lost,
 * hold.overflow. Plugins and clients choose names freely, except names that
 * begin with one of supd's words and a dot. */
struct journal;

struct journal_reader {
	struct list node;
	/* The event is borrowed. The callback may call journal_leave() for its
	 * own reader only. */
	void (*on_event)(struct journal_reader *r, json_t *event);
};

struct journal *journal_create(void);
void journal_destroy(struct journal *j); /* all readers must have left */
/* Adds an event. Takes data's reference; NULL: null. plugin_id may be NULL.
 * Never fails; an event that cannot be encoded is dropped. */
void journal_note(struct journal *j, const char *event, const char *plugin_id,
	json_t *data);
/* The same with the chain of calls that led to it, an array of strings, as one
 * more member, "chain"; takes its reference too. */
void journal_note_called(struct journal *j, const char *event,
	const char *plugin_id, json_t *data, json_t *chain);
/* Checks an event that a plugin or client emits. -1 with the reason: the name
 * is malformed or reserved, or the data is too large. data is borrowed; NULL:
 * null. */
int journal_check(const char *event, const json_t *data, struct error *err);
/* Where to begin reading: the seq before the first event to read. Either the
 * last `count` events kept, or the events after `seq`, of which journal_next()
 * says how many are no longer kept. A seq from an earlier supd is older than
 * every event: what was missed before the first one is unknown, and *missed_out
 * is 1, else 0. */
/* plugin_id: only the events of that plugin count; NULL: all do. */
uint64_t journal_cursor_last(
	const struct journal *j, uint64_t count, const char *plugin_id);
uint64_t journal_cursor_since(
	const struct journal *j, uint64_t seq, uint64_t *missed_out);
/* If more than JOURNAL_ANSWER_MAX came after `cursor`: where to begin for the
 * newest of it; *missed grows by what is left out. */
uint64_t journal_cursor_fit(
	const struct journal *j, uint64_t cursor, uint64_t *missed);
/* An event as it is kept; valid until the next journal_note(). */
struct journal_text {
	uint64_t seq, missed; /* missed: between the seq asked for and this,
				 as they are no longer kept */
	struct bytes name, plugin_id, text; /* plugin_id: length 0: none */
};
/* Whether the event is of that plugin; NULL: always. */
bool journal_is_of(const struct journal_text *event, const char *plugin_id);
/* The first kept event after `seq`; false: none. */
bool journal_next(
	const struct journal *j, uint64_t seq, struct journal_text *out);
uint64_t journal_seq(const struct journal *j);	 /* of the newest event, or 0 */
uint64_t journal_total(const struct journal *j); /* events since the start */
unsigned journal_followers(const struct journal *j);
void journal_follow(struct journal *j, struct journal_reader *r);
/* Like a follower that is not counted as one: for supd's own parts. They come
 * first, in this order. */
void journal_watch(struct journal *j, struct journal_reader *r);
void journal_leave(struct journal_reader *r); /* idempotent */
