/* plugin: one configured instance: its slots for workers (active, candidate,
 * retiring), its hold queue, its ring of output, its counters and what of it
 * is stored. Holds; decides nothing: the use cases in gateway/ do. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/config/config.h"
#include "supervisor/ops/metrics.h"
#include "supervisor/plugin/output.h"
#include "supervisor/plugin/store.h"
#include "supervisor/plugin/worker.h"
#include "supervisor/route/hold.h"

/* X(ENUM, "name in status") */
#define PLUGIN_STATES(X)                                                       \
	X(STARTING, "starting") /* the first worker is on its way */           \
	X(SERVING, "serving")                                                  \
	X(RELOADING, "reloading") /* serving, and a candidate is on its way */ \
	X(HOLDING, "holding")	  /* no worker, one will be back */            \
	X(STOPPED, "stopped")	  /* by a person */                            \
	X(DISABLED, "disabled")                                                \
	X(FAILED, "failed") /* given up; a person or a change wakes it */

enum plugin_state {
#define X(name, text) PLUGIN_##name,
	PLUGIN_STATES(X)
#undef X
		PLUGIN_STATE_COUNT,
};

struct crash_history {
	unsigned early_deaths; /* in a row, within the policy's window */
	uint64_t first_ms;     /* of these */
};

/* answered: by workers that are gone; plugin_answered() has all. */
struct plugin_counters {
	uint64_t requests, answered, failed, replayed, reloads, reloads_failed,
		restarts, crashes;
	uint64_t rolled_back, reverted, refused; /* reloads and starts */
	uint64_t answers[6];			 /* of http by status / 100 */
	uint64_t failures[REQUEST_FAILURE_COUNT];
	uint64_t calls[REGISTRATION_KIND_COUNT][2]; /* by kind; [1]: failed */
	uint64_t cancelled;			    /* the client left */
	uint64_t events, events_refused;  /* that its workers emitted */
	struct metrics_histogram latency; /* to the answer's head */
};

/* What became of the last reload or start, for /metrics. */
struct plugin_last_reload {
	bool known, success;
	double seconds;
	uint64_t wall_ms; /* of the verdict */
};

/* How many events its workers may still emit now. */
struct plugin_emit {
	double left;
	uint64_t at_us;	 /* when that was so */
	uint64_t untold; /* refused since the last line about it */
	struct wheel_timer again;
};

/* Told once a second at most while it lasts. */
struct plugin_overflow {
	uint64_t told; /* of hold.overflow_total */
	struct wheel_timer again;
};

struct plugin {
	uint32_t number; /* slot in the route table; never reused */
	char *id;
	struct plugin_config *config; /* a reference: what serves, or what a
					 crash restart starts */
	struct plugin_config *wanted; /* a reference: what the file says and
					 the next reload starts */
	char *source; /* package folder, as last found; NULL if never */
	/* What was in it when it was last read, by a staging or a survey. */
	struct {
		char *folder, *fingerprint, *digest; /* NULL: never read */
	} seen;
	bool enabled;
	bool announced; /* its enabled has been told of since supd began */
	bool stopped;	/* by a person */
	bool removed;	/* no longer configured: goes when its workers went */
	bool given_up;	/* crash policy: `failed` */
	/* A reference: its package's when its first start was near, for what
	 * that requires; or NULL. */
	struct manifest *before_start;
	bool start_is_applied; /* an apply begins its first start */
	bool settled_once;     /* was serving or failed once since supd began */
	char failure[512]; /* why it is failed, or the last rollback's cause */
	struct worker *active, *candidate;
	struct list others;    /* struct worker.node, oldest first: retiring,
				  standing by, or stopping */
	struct reload *reload; /* the transaction that has the plugin, if any */
	struct list settling;  /* struct reload.node: committed, not settled */
	bool reload_wanted;    /* a change came during it: exactly one more */
	struct hold hold;
	bool is_held; /* a hand-over: requests wait though a worker serves */
	uint32_t hold_passes; /* but for those that this worker calls */
	struct output *output;
	struct store store;
	struct plugin_counters counters;
	struct plugin_last_reload last;
	struct plugin_overflow overflow;
	struct plugin_emit emit;
	json_t *last_reload; /* its receipt, or NULL */
	struct crash_history crash;
	struct wheel_timer restart; /* armed while backing off */
	void *gateway;
};

struct plugin *plugin_create(uint32_t number, const char *id);
void plugin_destroy(struct plugin *p);
/* Both take a reference. plugin_want: for the next reload. plugin_configure:
 * in force now; hold limits and those of the active worker follow at once. */
void plugin_want(struct plugin *p, const struct plugin_config *config);
void plugin_configure(struct plugin *p, const struct plugin_config *config);
/* NULL texts forget what was seen. */
void plugin_note_seen(struct plugin *p, const char *folder,
	const char *fingerprint, const char *digest);
enum plugin_state plugin_state(const struct plugin *p);
const char *plugin_state_text(enum plugin_state s);
/* The worker that requests go to, or NULL. */
struct worker *plugin_serving(const struct plugin *p);
/* True if a worker serves or one will be back by itself. */
bool plugin_will_be_back(const struct plugin *p);
/* By worker number, wherever it is in the plugin's slots; NULL: gone. */
struct worker *plugin_worker(const struct plugin *p, uint32_t worker_id);
uint32_t plugin_in_flight(const struct plugin *p); /* all its workers */
uint64_t plugin_answered(const struct plugin *p);  /* since supd's start */
