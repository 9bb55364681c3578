/* services_parts: what the files services*.c share. No other file includes it.
 */
#pragma once

#include "supervisor/event/services.h"
#include "supervisor/gateway/gateway.h"

enum service_state {
	SERVICE_OFF,
	SERVICE_STARTING,
	SERVICE_ON,
	SERVICE_STOPPING,
	SERVICE_UNSURE, /* it may run */
};

/* A service; the first one of a worker is its take. */
struct service {
	char *name; /* NULL: the take */
	bool is_channel;
	uint32_t registration; /* its index in the worker's set */
	bool overlap;
	bool is_excused; /* services_excuse() */
	bool is_skipped; /* by the present job, after a failure */
	bool is_dropped; /* services_change(): the new set does not have it */
	/* If UNSURE: it must be stopped before it is started. */
	bool stop_first;
	enum service_state state;
	unsigned failures;   /* since it ran for long, or since the job began */
	uint64_t again_ms;   /* the next try; 0: at once */
	uint64_t started_ms; /* clock_ms() */
	uint64_t epoch;	     /* of the last start of a channel */
	bool is_unready;     /* a channel: see services_look() */
	/* What is shown: the worker's word, one of services_status.c, or why it
	 * does not run. NULL: nothing was said. */
	const char *word;
	bool has_reported; /* the worker, since supd asked for its start */
	bool is_new;	   /* its start is to be reported */
	char text[SERVICE_TEXT_MAX + 1];
	bool is_unreported; /* an event about it is due */
};

static inline bool
service_is_take(const struct service *service)
{
	return !service->name;
}

static inline bool
service_is_in(const struct service *service, enum services_which which)
{
	return which &
	       (service->overlap ? SERVICES_OVERLAP : SERVICES_EXCLUSIVE);
}

static inline bool
service_may_run(const struct service *service)
{
	return service->state != SERVICE_OFF;
}

enum services_goal {
	SERVICES_REST, /* nothing is to be done */
	SERVICES_JOB,  /* of reload/ */
	SERVICES_SERVE,
	SERVICES_RETIRE, /* stop them */
	SERVICES_END,	 /* stop them, then the worker */
};

struct services {
	struct worker *worker;
	struct plugin *plugin;
	struct service *items;
	uint32_t count;
	bool is_exclusive; /* a take-over is needed */
	enum services_goal goal;
	struct services_job job; /* for all goals but REST */
	bool serves;		 /* its worker is the active one */
	/* Of services_change(), while dropped ones are stopped. */
	void (*changed)(struct worker *w, const struct error *err);
	uint64_t epoch;		   /* of the last take; 0: none */
	struct service *asked;	   /* a task about it is in progress */
	struct wheel_timer again;  /* the next try */
	struct wheel_timer report; /* while set, events wait for it */
};

/* ---- services.c ---- */
void services_again_due(struct wheel_timer *t);
/* Counts a failure, and sets when to try again. */
void service_note_failure(struct services *s, struct service *service);
/* The change in progress, if any, ends with this error. */
void services_end_change(struct services *s, const struct error *err);
void services_go_on(struct services *s); /* as far as that is possible now */

/* ---- services_jobs.c ---- */
/* The worker reports that it has failed. */
void service_broke(struct services *s, struct service *service);

/* ---- services_set.c ---- */
/* Of a channel or service. */
const struct registration *service_declared(
	const struct services *s, const struct service *service);
const struct channel_life *services_channel_life(const struct services *s);
/* By its kind and name; NULL: it has none. */
struct service *services_find_declared(
	const struct services *s, const struct registration *r);
struct wheel *services_wheel(const struct services *s);
/* By its index in the worker's set; NULL: it is none. */
struct service *services_find(const struct services *s, uint32_t registration);

/* ---- services_status.c ---- */
/* It runs. */
void service_show_start(struct services *s, struct service *service);
/* It is not asked to start yet. */
void service_show_wait(
	struct services *s, struct service *service, const char *why);
/* what: "did not start" */
void service_show_failure(struct services *s, struct service *service,
	const char *what, const char *why);
void services_report_all(struct services *s); /* the worker serves now */
void services_report_due(struct wheel_timer *t);
