/* plugin: one configured instance: its slots for workers (active, candidate,
 * retiring), its hold queue, its ring of output, its counters and its store. It
 * holds state; decisions are made in reload/ and apply/. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/config/config.h"
#include "supervisor/ops/metrics.h"
#include "supervisor/plugin/hook_counters.h"
#include "supervisor/plugin/output.h"
#include "supervisor/plugin/receipt.h"
#include "supervisor/plugin/store.h"
#include "supervisor/plugin/worker.h"
#include "supervisor/route/hold.h"

/* X(ENUM, "name in status") */
#define PLUGIN_STATES(X)                                                       \
	X(STARTING, "starting") /* the first worker is starting */             \
	X(SERVING, "serving")                                                  \
	X(RELOADING, "reloading") /* serving, and a candidate is starting */   \
	X(HOLDING, "holding")	  /* no worker, but one will start */          \
	X(STOPPED, "stopped")	  /* by a user */                              \
	X(DISABLED, "disabled")                                                \
	X(FAILED, "failed") /* given up until a user or change starts it */

enum plugin_state {
#define X(name, text) PLUGIN_##name,
	PLUGIN_STATES(X)
#undef X
		PLUGIN_STATE_COUNT,
};

/* What a worker is started from: the package or a stage. */
enum plugin_source {
	PLUGIN_FROM_PACKAGE,
	PLUGIN_FROM_STAGE,	 /* the last proven one, as it is */
	PLUGIN_FROM_OLDER_STAGE, /* the stage proven before the last one */
};

struct crash_history {
	unsigned early_deaths; /* consecutive, within the policy's window */
	uint64_t first_ms;     /* of the first of these */
	/* Consecutive starts that failed because space, memory, descriptors or
	 * processes ran out; such a start is no death. */
	unsigned starved;
	enum plugin_source retry_from; /* for the next retry */
};

/* answered counts workers that are gone; plugin_answered() adds the others. */
struct plugin_counters {
	uint64_t requests, answered, failed, replayed, reloads, reloads_failed,
		restarts, crashes;
	/* reloads and starts */
	uint64_t rolled_back, not_given_back, reverted, refused;
	uint64_t answers[6]; /* HTTP answers by status / 100 */
	uint64_t failures[REQUEST_FAILURE_COUNT];
	uint64_t calls[REGISTRATION_KIND_COUNT][2]; /* [1]: failed */
	uint64_t cancelled;			    /* the client left */
	uint64_t events, events_refused;	    /* emitted by its workers */
	uint64_t calls_refused; /* too many of its workers' calls */
	uint64_t offers, offers_refused;
	uint64_t service_starts, service_failures;
	uint64_t calls_too_deep; /* refused: their chain is full */
	/* calls and events in the name of a request that was not in flight */
	uint64_t calls_stray;
	uint64_t cut[WORKER_CUT_COUNT];	  /* workers ended by supd */
	struct metrics_histogram latency; /* HTTP, up to the answer's head */
	struct metrics_histogram call_latency;
};

/* The WebSocket connections of clients; see gateway/ws_conn.h. */
struct plugin_conns {
	uint32_t count; /* open ones, those on the move included */
	/* To be opened at the worker that serves, in this order. */
	struct list moving;
	uint32_t leaving, reopening; /* answers awaited from workers */
	struct wheel_timer due;
	bool is_pumping;
	/* since the start: accepted; moved to a successor; closed because they
	 * could not be */
	uint64_t opened, moved, cut;
	uint64_t messages_in, messages_out;
	/* messages that a worker had taken when it died, at most */
	uint64_t messages_lost;
	/* messages of workers that were ignored: about no connection, or
	 * ill-formed; and those beyond credit or limit */
	uint64_t strays, excesses;
};

/* The outcome of the last reload or start, for /metrics. */
struct plugin_last_reload {
	bool known, success;
	double seconds;
	uint64_t wall_ms; /* of the verdict */
};

/* A token bucket: the events that the plugin's workers may emit now. */
struct plugin_emit {
	double left;
	uint64_t at_us;	     /* when that was so */
	uint64_t unreported; /* refused since the last log line about it */
	struct wheel_timer again;
};

/* A token bucket: the offers that its worker may make now. */
struct plugin_offers {
	double left;
	uint64_t at_us;		    /* when that was so */
	struct offer_wait *waiting; /* of reload/: one is in progress */
};

/* Limits reports of failed reloads: each is reported until there are too many,
 * then only their number. */
struct plugin_repeats {
	double left;
	uint64_t at_us;	     /* when that was so */
	uint64_t unreported; /* since the last line about them */
	struct wheel_timer again;
};

/* Limits log lines about hold overflows to one a second. */
struct plugin_overflow {
	uint64_t reported; /* part of hold.overflow_total that was reported */
	struct wheel_timer again;
};

struct plugin {
	uint32_t number; /* slot in the route table; never reused */
	char *id;
	struct plugin_config
		*config; /* a reference: in force, used by crash restarts */
	struct plugin_config
		*wanted; /* a reference: the file's, used by the next reload */
	char *source;	 /* package folder, as last found; NULL if never */
	/* The package's content when it was last read, by a staging or a
	 * survey. */
	struct {
		char *folder, *fingerprint, *digest; /* NULL: never read */
	} seen;
	bool enabled;
	bool announced;	  /* its enablement was reported once */
	bool stopped;	  /* by a user */
	bool removed;	  /* no longer configured */
	uint32_t claimed; /* a generation not in the store yet, or 0 */
	uint64_t epoch;	  /* the last one sent to a worker, or earlier ones */
	bool unsaved;	  /* the last save failed: keep.h */
	bool given_up;	  /* failed too often; not restarted */
	/* A reference, or NULL: the package's manifest, read before the first
	 * start for its `requires`. */
	struct manifest *before_start;
	bool start_is_applied; /* begun by an apply */
	bool settled_once;     /* has served or failed since supd started */
	char *last_crash; /* why its last serving worker went down, or NULL */
	uint32_t last_crash_worker; /* the number of that worker */
	/* Trace of the last worker that ended badly; text "" if none did. */
	struct worker_trace last_exit;
	uint32_t last_exit_generation;
	/* Why the plugin is failed or starved, or the cause of the last
	 * rollback. */
	char failure[1024];
	struct worker *active, *candidate;
	struct list others;    /* struct worker.node, oldest first: retiring,
				  standing by, or stopping */
	struct reload *reload; /* its transaction until the verdict, or NULL */
	struct list settling;  /* struct reload.node: committed, not settled */
	/* reload/required: the last set and wave that it was reloaded in; the
	 * wave in which it is to be reloaded, or 0, and after whom; the last
	 * search that met it */
	uint64_t last_set, wave, follows, searched;
	char follows_after[64];
	struct hold hold;
	bool is_held; /* hand-over: requests are held though a worker serves */
	bool keeps_held; /* take-over: held requests wait for the outcome */
	uint32_t hold_passes; /* except calls by this worker */
	struct output *output;
	struct store store;
	/* Why its store was lost at the start, until a user decides again
	 * whether it is enabled; or "". */
	char state_lost[512];
	/* Both of the room of schedules; NULL: it has none. */
	struct schedule_set *schedules;
	bool ticks_wait; /* g->on_ticks is wanted */
	bool sends_wait; /* g->on_sends is wanted */
	struct plugin_counters counters;
	struct hook_counters *hooks; /* NULL: it has never had hooks */
	struct plugin_conns conns;
	struct plugin_last_reload last;
	struct plugin_overflow overflow;
	struct plugin_repeats repeats;
	struct plugin_emit emit;
	struct plugin_offers offers;
	struct receipt *last_reload; /* a reference, or NULL */
	struct crash_history crash;
	struct wheel_timer restart; /* armed while backing off */
	/* Reads the proven stage after a start from it failed, or the older one
	 * before a start from it. */
	struct survey *stage_check;
	enum plugin_source stage_checked; /* which stage is read */
	/* Why stages were given up, until a start needs no fallback; or NULL.
	 */
	char *stage_damaged;
	/* Why the older stage was started; or NULL. See plugin_runs_older(). */
	char *older_reason;
	struct gateway *gateway; /* the floor above; opaque here */
};

struct plugin *plugin_create(uint32_t number, const char *id);
void plugin_destroy(struct plugin *p);
/* Both take a reference. plugin_want() sets the config for the next reload.
 * plugin_configure() puts it in force now, with the limits of the hold queue
 * and of the active worker. */
void plugin_want(struct plugin *p, const struct plugin_config *config);
void plugin_configure(struct plugin *p, const struct plugin_config *config);
/* Notes the content of the package; NULL strings forget it. */
void plugin_note_seen(struct plugin *p, const char *folder,
	const char *fingerprint, const char *digest);
enum plugin_state plugin_state(const struct plugin *p);
const char *plugin_state_text(enum plugin_state s);
/* The worker that requests go to, or NULL. */
struct worker *plugin_serving(const struct plugin *p);
/* Whether the version that serves, or returns after a crash, is older than a
 * damaged stage. */
bool plugin_runs_older(const struct plugin *p);
/* Whether it has served or failed once, or is not to run. */
bool plugin_is_settled(const struct plugin *p);
/* Whether a worker serves, or one will without a user's action. */
bool plugin_will_be_back(const struct plugin *p);
/* By worker number, wherever it is in the plugin's slots; NULL: gone. */
struct worker *plugin_worker(const struct plugin *p, uint32_t worker_id);
uint32_t plugin_in_flight(const struct plugin *p); /* all its workers */
uint64_t plugin_answered(const struct plugin *p);  /* since supd's start */
