/* journal: what happened in the gateway, in order: the last events in a bounded
 * ring, and those who follow. Holds texts and JSON; decides nothing. Lost with
 * the process: what must last is in history.h. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "proto/util/list.h"

#define JOURNAL_EVENTS_MAX 1000 /* kept; older ones go */

/* An event as everybody sees it (supctl events, GET /api/events):
 *   {"seq": N, "at": "2026-11-21T10:00:00.123Z", "event": NAME,
 *    "pluginId": ID or null, "data": ANY}
 * Names of supd's own: gateway.ready, gateway.stopping, config.applied,
 * config.refused, reload.phase, reload.verdict, reload.settled,
 * reload.reverted, worker.crashed, plugin.failed, plugin.enabled,
 * plugin.disabled, hold.overflow. Those of plugins and people are whatever they
 * emit, but never begin with one of supd's own words and a dot. */
struct journal;

struct journal_reader {
	struct list node;
	/* Borrowed. The reader may leave in it, others may not. */
	void (*on_event)(struct journal_reader *r, json_t *event);
};

struct journal *journal_create(void);
void journal_destroy(struct journal *j); /* readers are out by then */
/* data's reference is taken; NULL: null. plugin_id may be NULL. */
void journal_note(struct journal *j, const char *event, const char *plugin_id,
	json_t *data);
/* Whether somebody other than supd may emit an event of this name. */
bool journal_name_is_free(const char *event);
/* The last `count` of what is kept, oldest first: a new array. */
json_t *journal_last(const struct journal *j, uint64_t count);
void journal_follow(struct journal *j, struct journal_reader *r);
void journal_leave(struct journal_reader *r); /* idempotent */
