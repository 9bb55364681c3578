/* services: what a worker runs on its own: its services and channels, and
 * before them the take of what only one worker may have. A job starts or stops
 * them one after the other, in the order of registration; reload/ gives such
 * jobs for a take-over. Without a job of reload/, services_serve() keeps them
 * running. A channel is a service with other messages: its start has an epoch
 * and the cursor from which it goes on. In this house "service" means both. A
 * worker that has neither of them nor `reload: exclusive` in its manifest has
 * no struct services, and all functions do nothing for it. */
#pragma once

#include <jansson.h>

#include "supervisor/plugin/plugin.h"

/* Callbacks of supervisor/channel/ about the life of channels: g->channel_life,
 * which is NULL in tests of other rooms. r is the worker's registration. */
struct channel_life {
	/* The channel is about to be started: its epoch, at least as great as
	 * it is, and its cursor, borrowed until the next call. False: they are
	 * not known yet, which text_out (static) explains; services_look() says
	 * when it may be asked again. */
	bool (*starts)(struct worker *w, const struct registration *r,
		uint64_t *epoch, struct bytes *cursor_out,
		const char **text_out);
	void (*runs)(struct worker *w, const struct registration *r);
	/* It is about to be asked to stop. */
	void (*stops)(struct worker *w, const struct registration *r);
	/* It does not run any more; cursor: as the worker says, at NULL if it
	 * says none. */
	void (*ended)(struct worker *w, const struct registration *r,
		uint64_t epoch, struct bytes cursor);
	void (*down)(struct worker *w); /* the worker, with all its channels */
};

/* Which of them a job is about. */
enum services_which {
	SERVICES_EXCLUSIVE = 1, /* without `overlap`; and take, quiesce */
	SERVICES_OVERLAP = 2,
	SERVICES_ALL = 3,
};

struct services_job {
	bool stops; /* false: starts */
	enum services_which which;
	uint64_t epoch;	 /* for `take` and channels; 0: the next one */
	unsigned tries;	 /* of a start; the pauses between them grow */
	uint64_t due_ms; /* clock_ms() by which it must be done */
	/* Goes on after a failure, and never fails. */
	bool is_tolerant;
	/* Once, possibly before services_begin() returns; not if another job
	 * begins before, or the worker goes down. */
	void (*done)(struct worker *w, const struct error *err);
};

/* ---- life ---- */
/* `ready` came: from here on w->services exists, if it needs them. */
void services_declare(struct worker *w);
/* Before the set of a worker that serves changes: stops the services that the
 * new set does not have. done follows, possibly before this returns, unless the
 * worker goes down. With err, they are as before: one could not be stopped, or
 * the services are needed for something else. One change at a time. */
void services_change(struct worker *w, const struct registration_set *set,
	void (*done)(struct worker *w, const struct error *err));
/* The worker's set has changed: forgets those that are not in it any more, and
 * begins to start new ones as after a crash. */
void services_renew(struct worker *w);
void services_down(struct worker *w); /* the worker went down */
void services_destroy(struct worker *w);

/* Whether a reload from or to this worker needs a take-over. NULL: no. */
bool services_are_exclusive(const struct worker *w);
/* Whether it has a service with `overlap`. */
bool services_overlap(const struct worker *w);
/* Begins a job; ends another one, and a task in progress. */
void services_begin(struct worker *w, const struct services_job *job);
/* The services of `w` that did not run in `old`, where it has them, too: their
 * start may fail in a job. The same goes for the take. */
void services_excuse(struct worker *w, const struct worker *old);
/* The worker serves: starts what is not running, and again after failures, with
 * growing pauses, for as long as it serves. */
void services_serve(struct worker *w);
/* It does not serve any more: what runs goes on, and nothing is begun. */
void services_rest(struct worker *w);
/* Begins to stop what runs, for a worker that drains. */
void services_retire(struct worker *w, enum services_which which);
/* worker_stop(), after what runs was stopped, or after stop_timeout. */
void services_end(struct worker *w);

/* What kept a channel from its start may be over. */
void services_look(struct worker *w);
/* The epoch of a channel that the worker may run, by its registration; 0: it
 * does not run. */
uint64_t services_channel_epoch(
	const struct worker *w, const struct registration *r);
/* Whether it runs for certain. */
bool services_channel_is_up(
	const struct worker *w, const struct registration *r);

/* `service.status` or `channel.status` came. */
void services_on_status(struct worker *w, const struct message *m);
/* worker_ops.on_task */
void services_on_task(struct worker *w, enum worker_task_end end,
	const struct error *err, const msgpack_object *result);

/* ---- views ---- */
/* [{"name", "state", "text"}] of its services or of its channels; at most that
 * many, and if there are more, only those that do not run. */
json_t *services_view(
	const struct worker *w, enum registration_kind kind, uint32_t most);
/* The same of those that do not run; NULL: there are none. */
json_t *services_idle_view(
	const struct worker *w, enum registration_kind kind, uint32_t most);
/* The state of a channel in a word, and the text about it ("" if none). */
const char *services_channel_state(const struct worker *w,
	const struct registration *r, const char **text_out);
/* How many there are in each of these states. */
struct services_count {
	uint32_t running, waiting, failed;
};
struct services_count services_count(const struct worker *w);
/* {"epoch", "state", "text"} of the take of an exclusive worker; else null. */
json_t *services_take_view(const struct worker *w);
/* The same if the worker has not taken yet; else NULL. */
json_t *services_idle_take_view(const struct worker *w);
