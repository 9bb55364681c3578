/* batch: the transactions of one call: begins them, follows them and answers
 * with their receipts. The transactions are the gateway's; they go on when the
 * caller leaves. */
#pragma once

#include "supervisor/control/job.h"
#include "supervisor/gateway/reload.h"

enum waiting { WAIT_NOT, WAIT_VERDICT, WAIT_SETTLED };

struct batch_item;

struct batch {
	struct command_job job;
	struct command_call *call;
	bool several; /* answered with results[] */
	bool atomic;  /* all of them or none */
	bool if_safe; /* refuse where can-reload says no */
	enum waiting waiting;
	struct reload_options options;
	size_t count, awaited;
	struct batch_item *items;
};

/* How one of them begins: one of reload_begin*(). */
typedef enum reload_refusal batch_begin_function(struct batch *b,
	struct plugin *p, struct reload_watcher *watcher, char *id_out,
	struct error *err);

struct batch *batch_create(struct command_call *call);
/* Once each, in the order of the results. */
void batch_add(struct batch *b, struct plugin *p);
json_t *batch_ids(const struct batch *b); /* a new array */
/* Owns itself from here on and ends the call. */
void batch_begin(struct batch *b, batch_begin_function *begin);
/* A call whose `id` names the one plugin, from its arguments to its end. */
void batch_run_one(struct command_call *call, const json_t *args,
	batch_begin_function *begin);
/* Instead of batch_begin(). */
void batch_discard(struct batch *b);
