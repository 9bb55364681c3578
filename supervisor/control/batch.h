/* batch: the transactions of one call: begins them, follows them and answers
 * with their receipts. They go on if the caller leaves. */
#pragma once

#include "supervisor/control/job.h"
#include "supervisor/reload/reload.h"
#include "supervisor/plugin/store_sync.h"

enum waiting { WAIT_NOT, WAIT_VERDICT, WAIT_SETTLED };

struct batch_item;

struct batch {
	struct command_job job;
	struct command_call *call;
	bool several; /* answered with results[] */
	bool atomic;  /* all of them or none */
	bool if_safe; /* refuse unless can-reload says yes */
	enum waiting waiting;
	struct reload_options options;
	size_t count, awaited;
	struct batch_item *items;
	/* A user's decision is synced before the call is answered; number 0:
	 * nothing was decided. */
	struct store_sync_wait disk;
};

/* Begins one transaction: one of reload_begin*(). */
typedef enum reload_refusal batch_begin_function(struct batch *b,
	struct plugin *p, struct reload_watcher *watcher, char *id_out,
	struct error *err);

struct batch *batch_create(struct command_call *call);
/* Adds a plugin unless it is in the batch; results come in this order. */
void batch_add(struct batch *b, struct plugin *p);
json_t *batch_ids(const struct batch *b); /* a new array */
/* Begins all transactions. The batch then owns itself and ends the call. */
void batch_begin(struct batch *b, batch_begin_function *begin);
/* Runs a whole call whose `id` or `ids` name the plugins. */
void batch_run(struct command_call *call, const json_t *args,
	batch_begin_function *begin);
/* Frees a batch that is not begun. */
void batch_discard(struct batch *b);
