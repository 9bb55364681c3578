/* gateway: all plugins, the route table and the requests. Dispatch works on
 * them, and so do the floors above: reload (transactions), apply (configuration
 * and roster) and the doors (control, http). Created by the supervisor. */
#pragma once

#include <ev.h>
#include <jansson.h>
#include <stdbool.h>

#include "proto/util/map.h"
#include "supervisor/config/compare.h"
#include "supervisor/plugin/plugin.h"
#include "supervisor/route/table.h"

struct journal;
struct history;
struct call_watcher;
struct channel_life;
struct events;
struct page_press;
struct slices;
struct telemetry;
struct watch;

/* Why an HTTP request was refused before it reached a plugin: X(ENUM, "name in
 * metrics", status). A status without a row counts as OTHER. */
#define GATEWAY_REFUSALS(X)                                                    \
	X(MALFORMED, "malformed", 400)                                         \
	X(UNAUTHORIZED, "unauthorized", 401)                                   \
	X(FORBIDDEN, "forbidden", 403)                                         \
	X(NO_ROUTE, "no_route", 404)                                           \
	X(WRONG_METHOD, "wrong_method", 405)                                   \
	X(SLOW, "too_slow", 408)                                               \
	X(TOO_LARGE, "too_large", 413)                                         \
	X(WRONG_TYPE, "wrong_type", 415)                                       \
	X(HEAD_TOO_LARGE, "head_too_large", 431)                               \
	X(UNAVAILABLE, "unavailable", 503)                                     \
	X(OTHER, "other", 0)

enum gateway_refusal {
#define X(name, ...) GATEWAY_REFUSED_##name,
	GATEWAY_REFUSALS(X)
#undef X
		GATEWAY_REFUSAL_COUNT,
};

/* Why a session of /ws ended: X(ENUM, "reason in metrics") */
#define GATEWAY_SESSION_ENDS(X)                                                \
	X(CLOSED, "closed") /* by the client, or after its mistake */          \
	X(LOST, "lost")	    /* without a close */                              \
	X(UNREAD, "unread") /* it did not read: 1013 */                        \
	X(DENIED, "denied") /* no token, or none any more: 1008 */             \
	X(STOP, "stop")	    /* of supd: 1001 */

enum gateway_session_end {
#define X(name, ...) GATEWAY_SESSION_##name,
	GATEWAY_SESSION_ENDS(X)
#undef X
		GATEWAY_SESSION_END_COUNT,
};

/* Counted by the HTTP door and read by metrics, which may not include http. */
struct gateway_edge {
	uint64_t connections, accepted, requests;
	uint64_t evicted,
		turned_away; /* connections, because all places were taken */
	uint64_t too_slow;   /* connections closed by write_timeout */
	uint64_t refused[GATEWAY_REFUSAL_COUNT];
	uint64_t streams, events_missed; /* of /api/events */
	uint64_t access_dropped;	 /* lines of the access log */
	uint64_t sessions;		 /* open at /ws */
	uint64_t sessions_ended[GATEWAY_SESSION_END_COUNT];
};

/* What became of a notice for a chat: X(ENUM, "result in metrics") */
#define GATEWAY_NOTICE_ENDS(X)                                                 \
	X(SENT, "sent")                                                        \
	X(NOT_SENT, "not_sent")                                                \
	X(SUMMED, "summed_up") /* only counted, in another one */

enum gateway_notice_end {
#define X(name, ...) GATEWAY_NOTICE_##name,
	GATEWAY_NOTICE_ENDS(X)
#undef X
		GATEWAY_NOTICE_END_COUNT,
};

/* Counted by the door for chats. */
struct gateway_chat {
	uint64_t commands[OUTCOME_COUNT]; /* built-in ones */
	uint64_t unanswered; /* of them, because too many answers wait */
	uint64_t notices[GATEWAY_NOTICE_END_COUNT];
};

/* Why a session of the control socket was closed or refused: X(ENUM, "reason in
 * metrics", "in the log") */
#define GATEWAY_CONTROL_ENDS(X)                                                \
	X(REFUSED, "refused", "too many sessions")                             \
	X(ROOM, "room", "idle longest, and another needs its place")           \
	X(GREETING, "greeting", "no greeting in time")                         \
	X(IDLE, "idle", "idle for too long")                                   \
	X(UNREAD, "unread", "does not read its answers")                       \
	X(DENIED, "denied", "denied too often")

enum gateway_control_end {
#define X(name, ...) GATEWAY_CONTROL_##name,
	GATEWAY_CONTROL_ENDS(X)
#undef X
		GATEWAY_CONTROL_END_COUNT,
};

/* Counted by the control socket. */
struct gateway_control {
	uint64_t sessions;
	uint64_t ended[GATEWAY_CONTROL_END_COUNT];
};

/* The outcome of the last attempt to apply a configuration. */
struct gateway_config_news {
	uint64_t applied, failed, refused;
	/* of the last one, and of the last success; 0: none since the start */
	uint64_t wall_ms, success_wall_ms;
	unsigned failed_plugins; /* of the last one */
	bool success;
	/* Why it was refused, until one is accepted; NULL: it was not. */
	char *refusal;
};

struct gateway {
	struct ev_loop *loop;
	struct workers workers;
	struct wheel wheel;
	struct peer_group peers;
	struct request_table *requests;
	struct route_table *routes;
	struct config *config; /* a reference: the one in force */
	/* A reference to the configuration of an atomic apply in progress, by
	 * which packages are found; else NULL. */
	struct config *config_to_come;
	struct journal *journal;  /* never NULL after gateway_init() */
	struct history *history;  /* NULL in tests */
	struct page_press *pages; /* owned by control, used by all doors */
	struct slices *slices;	  /* likewise */
	struct events *events;	  /* hooks: event/; NULL in tests */
	struct output_hub *lines; /* the output of all plugins */
	/* struct ws_conn.congested_node: their workers do not read */
	struct list ws_congested;
	char *runtime_dir, *state_dir, *worker_program;
	struct store_sync *sync; /* syncs state_dir; NULL in tests */
	struct plugin **plugins; /* by number; NULL where a plugin is gone */
	uint32_t plugin_count;	 /* entries of plugins[], NULL ones included */
	struct map by_id;
	uint64_t next_reload; /* "r-N" */
	uint64_t next_set;    /* of reload_set.number */
	/* reload/required: waves and searches so far, and plugins that are to
	 * follow */
	uint64_t waves, searches;
	uint32_t following;
	struct list
		begun; /* struct reload.turn: QUEUED, from the next turn on */
	struct list begin_later; /* likewise, after those that they require */
	ev_timer begin_next;
	struct list staging_queue; /* struct reload.turn: STAGING, not yet */
	unsigned staging_count, staging_max;
	ev_timer staging_next; /* begins the next staging */
	uint64_t started_ms;
	uint64_t turn_us; /* clock_us() of this turn, if `turn` is its number */
	unsigned turn;
	struct gateway_edge edge;
	struct gateway_control control;
	struct gateway_chat chat;
	struct gateway_config_news config_news;
	/* The maker of the call that is being run, as in its receipt; NULL: no
	 * call is being run. */
	const char *asking;
	struct trace_context asking_trace; /* of that call; all zero: none */
	/* The calls that led to the event that is being noted; NULL: none. */
	struct chain *noting;
	bool stopping;
	ev_timer tick; /* turns the wheel at the next deadline */
	struct wheel_timer stop_timer;
	struct wheel_timer keep_timer; /* retries saves that failed */
	struct apply_lanes *applies;
	const char *config_file; /* borrowed: the file that an apply reads */
	/* Upcalls to apply/. on_verdict: a transaction has its verdict; the
	 * flag says whether plugins that wait for this one may start. The
	 * other: a plugin may have lost its last worker, and the plugin may be
	 * gone when the call returns. */
	void (*on_verdict)(struct gateway *g, bool may_start_others);
	void (*on_worker_gone)(struct gateway *g, struct plugin *p);
	/* Of event/: watches calls, see invoke.h; NULL: there is no hook. */
	const struct call_watcher *watcher;
	/* Of event/services.h, from channel/; NULL in tests. */
	const struct channel_life *channel_life;
	/* Upcall to event/, or NULL: the plugin may have room for requests. */
	void (*on_release)(struct gateway *g, struct plugin *p);
	/* Upcalls to the supervisor; may be NULL. */
	void (*on_settled)(struct gateway *g, void *user); /* readiness may
							      have changed */
	void (*on_stopped)(struct gateway *g, void *user); /* after a stop */
	/* The part of an apply that concerns supd itself (listeners, log,
	 * tokens). prepare does everything that can fail without any visible
	 * change; then exactly one of keep and discard follows. */
	int (*on_config_prepare)(struct gateway *g, const struct config *config,
		struct error *err);
	void (*on_config_keep)(struct gateway *g, struct config *config);
	void (*on_config_discard)(struct gateway *g);
	void *user;
	/* The same for a plugin with ticks_wait. */
	void (*on_ticks)(struct gateway *g, struct plugin *p);
	struct schedules *schedules; /* schedule/; NULL in tests */
	/* The same for a plugin with sends_wait. */
	void (*on_sends)(struct gateway *g, struct plugin *p);
	struct channels *channels;   /* channel/; NULL in tests */
	struct watch *watch;	     /* watch/; NULL in tests */
	struct telemetry *telemetry; /* telemetry/; NULL in tests */
	/* A worker sent `call` on the wire; NULL: all calls are refused. */
	void (*on_call)(
		struct gateway *g, struct worker *w, const struct message *m);
};

/* runtime_dir and state_dir must exist, locked by the caller; worker_program
 * must be an absolute path. Starts nothing. */
void gateway_init(struct gateway *g, struct ev_loop *loop,
	struct config *config, const char *runtime_dir, const char *state_dir,
	const char *worker_program);
/* All plugins must be gone. */
void gateway_finish(struct gateway *g);

/* clock_us() as of its first use in this turn of the loop: good for metrics,
 * too coarse for deadlines. */
uint64_t gateway_turn_us(struct gateway *g);

struct plugin *gateway_plugin(const struct gateway *g, const char *id);
struct plugin *gateway_plugin_by_number(const struct gateway *g, uint32_t n);
/* Removes all routes of a plugin that is disabled or removed. */
void gateway_remove_routes(struct gateway *g, struct plugin *p);
/* Whether every enabled plugin has been ready or has failed. */
bool gateway_is_settled(const struct gateway *g);
/* Every required plugin serves, the other enabled ones serve or failed, and
 * supd is not stopping. */
bool gateway_is_ready(const struct gateway *g);
/* The plugins that keep it from being ready: a new array of {"pluginId",
 * "why"}. */
json_t *gateway_waits_for(const struct gateway *g);
