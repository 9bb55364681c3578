/* prune: removes finished messages that are too old, and when the database is
 * too large also those that are not, the oldest first. The last PRUNE_KEEP_IDS
 * of each channel and direction stay, so that they are recognised when they
 * come again; if need be, without their bodies. It works in small steps, each
 * of which is a group of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/channel/store/db.h"

#define PRUNE_KEEP_IDS 10000
/* Bodies of this size or more have pages of their own, so that removing one
 * gives room. */
#define PRUNE_BODY_BYTES 4096

enum prune_stage { PRUNE_AGE, PRUNE_SIZE, PRUNE_BODIES, PRUNE_DONE };

struct prune {
	enum prune_stage stage;
	uint64_t after_seq; /* how far the stage has come */
	uint64_t removed;   /* since prune_begin() */
};

void prune_begin(struct prune *p);
/* Is the database larger than max_bytes, 0: no bound. -1 as in db.h. */
int prune_is_over(struct db *db, uint64_t max_bytes);
/* One step, and db_commit(). 1: there is more to do; 0: done; -1. No group may
 * be open. */
int prune_step(struct prune *p, struct db *db, uint64_t keep_ms,
	uint64_t max_bytes, uint64_t now_ms);
