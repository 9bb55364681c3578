/* history: the receipts of the past in STATE/history.jsonl, a line each: kept
 * over restarts, bounded, the oldest going first. Never waits for the disk, and
 * what cannot be written is logged, never a reason to fail. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "proto/util/error.h"

#define HISTORY_FILE_BYTES_MAX (1u << 20) /* then it is put aside as .1 */
#define HISTORY_RECEIPTS_MAX 2000	  /* readable; as many bytes as files */

struct history;

/* Reads what is there; a line that is torn or no receipt is left out. */
struct history *history_open(const char *state_dir);
void history_close(struct history *h); /* NULL is fine */
/* A verdict or what became of it; the same id later replaces the earlier
 * line's receipt for readers. Borrowed. */
void history_note(struct history *h, const json_t *receipt);
/* The last `count` receipts (of one plugin, or NULL: of all), oldest first: a
 * new array. Each has "at", the time of the verdict, beside its own keys. */
json_t *history_last(
	const struct history *h, const char *plugin_id, uint64_t count);
/* The greatest N of the ids "r-N" that it knows, 0 if none: ids go on from
 * there, so that none means two receipts. */
uint64_t history_last_number(const struct history *h);
uint64_t history_lost(const struct history *h); /* lines not written */
