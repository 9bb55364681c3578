/* journal: what happened in the gateway, in order: the last events in a bounded
 * ring, and those who follow. Holds texts and JSON; decides nothing. Lost with
 * the process: what must last is in history.h. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "proto/util/list.h"

#define JOURNAL_EVENTS_MAX 1000		    /* kept; older ones go, */
#define JOURNAL_BYTES_MAX (4 * 1024 * 1024) /* also beyond this much text */
#define JOURNAL_NAME_MAX 128
#define JOURNAL_DEPTH_MAX 24 /* of that, so that every follower can read it */
#define JOURNAL_DATA_MAX (64 * 1024) /* of what others emit, as JSON text */

/* An event as everybody sees it (supctl events, GET /api/events):
 *   {"seq": N, "at": "2026-11-21T10:00:00.123Z", "event": NAME,
 *    "pluginId": ID or null, "data": ANY}
 * seq counts up by one, from a number that is greater than those of any supd
 * that ran before, so that a client that comes back is told what it missed.
 * Names of supd's own: gateway.ready, gateway.stopping, config.applied,
 * config.planned, config.scanned, config.refused, reload.phase, reload.verdict,
 * reload.settled, reload.reverted, worker.crashed, plugin.failed,
 * plugin.enabled, plugin.disabled, hold.overflow. Those of plugins and people
 * are whatever they emit, but never begin with one of supd's own words and a
 * dot. */
struct journal;

struct journal_reader {
	struct list node;
	/* Borrowed. The reader may leave in it, others may not. */
	void (*on_event)(struct journal_reader *r, json_t *event);
};

struct journal *journal_create(void);
void journal_destroy(struct journal *j); /* readers are out by then */
/* data's reference is taken; NULL: null. plugin_id may be NULL. Never fails:
 * what cannot be told is left out. */
void journal_note(struct journal *j, const char *event, const char *plugin_id,
	json_t *data);
/* What somebody other than supd may emit; -1 with the reason: the name is
 * malformed or supd's own, or the data too large. data is borrowed; NULL:
 * null. */
int journal_check(const char *event, const json_t *data, struct error *err);
/* The last `count` of what is kept, oldest first: a new array. */
json_t *journal_last(const struct journal *j, uint64_t count);
/* What is kept of what came after `seq`, oldest first: a new array;
 * *missed_out: how many came in between and are kept no more. A seq of a supd
 * that ran before is older than all: what that one still told is not known,
 * and counts as 1. */
json_t *journal_since(
	const struct journal *j, uint64_t seq, uint64_t *missed_out);
/* An event as it is kept; valid until the next journal_note(). */
struct journal_text {
	uint64_t seq, missed; /* missed: between the seq asked for and this */
	struct bytes name, text;
};
/* The first one that is kept of what came after `seq`; false: none. */
bool journal_next(
	const struct journal *j, uint64_t seq, struct journal_text *out);
uint64_t journal_seq(const struct journal *j);	 /* of the last one, or 0 */
uint64_t journal_total(const struct journal *j); /* events since the start */
unsigned journal_followers(const struct journal *j);
void journal_follow(struct journal *j, struct journal_reader *r);
void journal_leave(struct journal_reader *r); /* idempotent */
