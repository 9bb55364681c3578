/* schedule: supd's clock for the schedules of plugins: when each is due, the
 * tick that tells the worker, and what became of it. At most one tick for each
 * due time, and at most one in flight per schedule. What is due while nobody
 * can take it is put together and delivered once, as soon as somebody can.
 *
 * Whoever changes what a plugin serves (a commit, a revert, a stop, an offer)
 * calls schedule_follow(), before held requests are released. */
#pragma once

#include <jansson.h>

#include "supervisor/gateway/gateway.h"

struct schedules;

/* Sets g->schedules and g->on_ticks. */
void schedules_create(struct gateway *g);
/* Saves what is unsaved. All plugins must be gone; NULL is fine. */
void schedules_destroy(struct gateway *g);

/* A plugin is added: if it is not to run, nothing that is due meanwhile will be
 * caught up. */
void schedule_begin(struct plugin *p);
/* Follows the registrations of the worker that serves; none, if the plugin is
 * stopped or disabled. Sends nothing. Costs nothing without schedules. */
void schedule_follow(struct plugin *p);
/* The plugin goes, all its requests have ended. */
void schedule_forget(struct plugin *p);

/* For people: an array, with next and last. */
json_t *schedule_view(const struct plugin *p);

/* Due times for which there was no tick of their own. */
uint64_t schedule_missed(const struct plugin *p);
/* Ticks by how they ended: done, or not. */
uint64_t schedule_ticks(const struct plugin *p, bool failed);
/* How late ticks were sent that nothing kept from it. */
const struct metrics_histogram *schedule_lateness(const struct gateway *g);

/* One tick by hand, in the caller's memory. */
struct schedule_run {
	/* Once, unless it is left. error: one sentence, or NULL. */
	void (*on_end)(struct schedule_run *run, enum wire_error code,
		const char *error);
	struct schedule *schedule; /* NULL: not running */
};

enum schedule_refusal {
	SCHEDULE_RUNS,
	SCHEDULE_UNKNOWN,
	SCHEDULE_BUSY, /* a tick is in flight, or the plugin does not run */
};

/* name: "PLUGIN/NAME", or the name alone if one plugin has it. Fires now,
 * without changing when it is due. tick_id_out needs SCHEDULE_TICK_ID_BYTES.
 * on_end may be called before this returns. */
#define SCHEDULE_TICK_ID_BYTES 320
enum schedule_refusal schedule_run(struct gateway *g, const char *name,
	struct schedule_run *run, char *tick_id_out, struct error *err);
void schedule_leave(struct schedule_run *run); /* the tick goes on */
