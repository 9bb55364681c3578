/* history: past receipts in STATE/history.jsonl, one per line: kept over
 * restarts, bounded, the oldest dropped first. Never syncs to disk. A write
 * error is logged and fails nothing. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

#define HISTORY_FILE_BYTES_MAX                                                 \
	(1u << 20)		  /* past it, the file is renamed to .1 */
#define HISTORY_RECEIPTS_MAX 2000 /* kept for queries */

struct history;

/* Opens the history and reads it. Damaged lines are put aside (PATH.bad-N) and
 * counted in the log, and the good ones stay; anything that is not a regular
 * file is moved aside. */
struct history *history_open(const char *state_dir);
void history_close(struct history *h); /* NULL is fine */
/* Adds a receipt, which is borrowed. A later receipt with the same id replaces
 * the earlier one for readers. */
void history_note(struct history *h, const json_t *receipt);
/* The last `count` receipts (of one plugin, or NULL: of all), oldest first: a
 * new array. Each has "at", the time of the verdict, besides its own keys. */
json_t *history_last(
	const struct history *h, const char *plugin_id, uint64_t count);
/* The same in steps. Each receipt has a number, which is stable while the
 * receipt is kept. history_first() gives that of the first of the last `count`,
 * history_end() the one after the newest. */
uint64_t history_first(
	const struct history *h, const char *plugin_id, uint64_t count);
uint64_t history_end(const struct history *h);
/* The text of the first receipt from *cursor on and before `end`; moves *cursor
 * behind it. The text is valid until the next history_note(). */
bool history_next(const struct history *h, const char *plugin_id,
	uint64_t *cursor, uint64_t end, struct bytes *text_out);
/* The greatest N of the ids "r-N"; 0: none. New ids continue from it, so that
 * ids are unique. */
uint64_t history_last_number(const struct history *h);
uint64_t history_lost(const struct history *h); /* lines not written */
