/* channels: the channels of the database in memory: their epochs, cursors, and
 * the counts of their messages. Changes are written when their group ends, so a
 * row is written once a group, however many messages it has. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "supervisor/channel/store/db.h"
#include "supervisor/channel/store/stored.h"

#define CHANNELS_MAX 65536 /* that ever were in one database */

/* The messages of a channel in one direction; `line` in the database is twice
 * the channel's number, plus one if they are outbound. */
struct tally {
	uint64_t last; /* number of its last message; they count from 1 */
	uint64_t kept;
	uint64_t states[STORED_STATE_COUNT]; /* see struct stored_counts */
	bool is_dirty;
};

struct channel {
	uint64_t number;
	struct bytes name; /* its own */
	uint64_t epoch;
	struct buffer cursor;
	bool is_new, is_dirty;
	struct tally tallies[2]; /* inbound, outbound */
};

struct channels;

/* Reads them; replaces those in memory. */
int channels_load(struct db *db);
void channels_destroy(struct channels *c);
/* Writes what has changed; part of db_commit(). */
int channels_write(struct db *db);
/* Those in memory become the ones of a new database, with epochs beyond what
 * the old one can have had; their counts begin at 0. */
void channels_move(struct db *db);

/* NULL: unknown. */
struct channel *channels_find(const struct db *db, struct bytes name);
/* Adds it if it is unknown. NULL: there are too many. */
struct channel *channels_need(struct db *db, struct bytes name);
/* NULL: the database has no such line, so it is damaged. */
struct channel *channels_of_line(const struct db *db, uint64_t line);
uint32_t channels_count(const struct db *db);
struct channel *channels_at(const struct db *db, uint32_t index);

static inline uint64_t
channel_line(const struct channel *c, bool outbound)
{
	return 2 * c->number + outbound;
}

/* A message of the channel went from one state to another; `from` is
 * STORED_STATE_COUNT if it was added. */
void channels_note(struct db *db, struct channel *c, bool outbound,
	enum stored_state from, enum stored_state to);
/* One was removed by age or size. */
void channels_note_pruned(struct db *db, struct channel *c, bool outbound);
void channels_set_cursor(struct db *db, struct channel *c, struct bytes cursor);
void channels_set_epoch(struct db *db, struct channel *c, uint64_t epoch);
