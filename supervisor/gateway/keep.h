/* keep: the store of a plugin: the state on disk that outlives supd. A save
 * that may not stop anything is retried until it succeeds. New stores and
 * decisions of operators are synced. */
#pragma once

#include "supervisor/gateway/gateway.h"

#define KEEP_RETRY_MS 5000
#define KEEP_SAVES_PER_TURN 32

/* -1: the store on disk is unchanged. */
int keep_save(struct plugin *p, struct error *err);
/* Like keep_save(), for a decision of an operator, which is also synced at
 * once. The door waits for that before it answers; see store_sync_wait(). */
int keep_decision(struct plugin *p, struct error *err);
/* Saves now; on failure logs the error and retries later. */
void keep_save_sooner_or_later(struct plugin *p);
/* The plugin's generation could not be saved but is used nevertheless: marks it
 * as claimed beside the stages, and saves later. */
void keep_generation_later(struct plugin *p, const struct error *cause);
/* The next epoch, greater than any that a worker of the plugin has got: the
 * store has it before this returns. -1: it could not be saved. */
#define KEEP_EPOCHS 4 /* saved ahead */
int keep_next_epoch(struct plugin *p, uint64_t *epoch_out, struct error *err);
/* Makes sure that the next `count` epochs, at most KEEP_EPOCHS, need no save.
 */
int keep_reserve_epochs(struct plugin *p, unsigned count, struct error *err);
/* Reads the plugin's store. An unreadable store is moved aside with an error in
 * the log and an event; the plugin then starts as configured. */
void keep_load(struct plugin *p);
/* For a plugin that is not configured any more, before its stages are removed:
 * its store then names none of them, and knows the generations that were only
 * claimed. -1: the store on disk may still name them. */
int keep_forget_stages(const struct gateway *g, const char *plugin_id);
void keep_init(struct gateway *g);
