/* services: what a worker runs on its own: its services, and before them the
 * take of what only one worker may have. A job starts or stops them one after
 * the other, in the order of registration; reload/ gives such jobs for a
 * take-over. Without a job of reload/, services_serve() keeps them running.
 * A worker that has neither a service nor `reload: exclusive` in its manifest
 * has no struct services, and all functions do nothing for it. */
#pragma once

#include <jansson.h>

#include "supervisor/plugin/plugin.h"

/* Which of them a job is about. */
enum services_which {
	SERVICES_EXCLUSIVE = 1, /* without `overlap`; and take, quiesce */
	SERVICES_OVERLAP = 2,
	SERVICES_ALL = 3,
};

struct services_job {
	bool stops; /* false: starts */
	enum services_which which;
	uint64_t epoch;	 /* for `take` */
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

/* `service.status` came. */
void services_on_status(struct worker *w, const struct message *m);
/* worker_ops.on_task */
void services_on_task(
	struct worker *w, enum worker_task_end end, const struct error *err);

/* ---- views ---- */
/* [{"name", "state", "text"}]: running, waiting or failed; at most that many.
 */
json_t *services_view(const struct worker *w, uint32_t most);
/* The same of those that do not run; NULL: there are none. */
json_t *services_idle_view(const struct worker *w, uint32_t most);
/* How many there are in each of these states. */
struct services_count {
	uint32_t running, waiting, failed;
};
struct services_count services_count(const struct worker *w);
/* {"epoch", "state", "text"} of the take of an exclusive worker; else null. */
json_t *services_take_view(const struct worker *w);
/* The same if the worker has not taken yet; else NULL. */
json_t *services_idle_take_view(const struct worker *w);
