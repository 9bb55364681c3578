/* gateway: all plugins, the route table and the requests: what the use cases
 * (dispatch, reload, crash) work on. Created by supervisor, driven by the
 * doors (http, control) from above. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "proto/util/map.h"
#include "supervisor/config/compare.h"
#include "supervisor/plugin/plugin.h"
#include "supervisor/route/table.h"

struct journal;
struct history;

/* Why an HTTP request never became a plugin's: X(ENUM, "name in metrics",
 * status). What has no row counts as OTHER. */
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

/* Counted by the HTTP door, which is a floor above those who tell. */
struct gateway_edge {
	uint64_t connections, accepted, requests;
	uint64_t refused[GATEWAY_REFUSAL_COUNT];
	uint64_t streams, events_missed; /* of /api/events */
};

/* What became of the last configuration that was read to be put in force. */
struct gateway_config_news {
	uint64_t applied, failed, refused;
	uint64_t wall_ms; /* 0: none since the start */
	bool success;
};

struct gateway {
	struct ev_loop *loop;
	struct worker_room room;
	struct wheel wheel;
	struct peer_group peers;
	struct request_table *requests;
	struct route_table *routes;
	struct config *config; /* a reference: the one in force */
	/* A reference: while all or nothing of it comes in force, packages are
	 * looked for by it; else NULL. */
	struct config *config_to_come;
	struct journal *journal; /* never NULL after gateway_init() */
	struct history *history; /* NULL in tests */
	char *runtime_dir, *state_dir, *worker_program;
	struct plugin **plugins; /* by number; NULL where one is gone */
	uint32_t plugin_count;	 /* places in use, from 0 */
	struct map by_id;
	uint64_t next_reload;	   /* "r-N" */
	struct list staging_queue; /* struct reload.turn: QUEUED */
	unsigned staging_count, staging_max;
	uint64_t started_ms;
	uint64_t turn_us; /* clock_us() of this turn, if `turn` is its number */
	unsigned turn;
	struct gateway_edge edge;
	struct gateway_config_news config_news;
	bool stopping;
	ev_timer tick; /* turns the wheel when something may be due */
	struct wheel_timer stop_timer;
	struct apply_lanes *applies;
	const char *config_file; /* borrowed: what an apply reads again */
	/* Upcalls of the supervisor; may be NULL. */
	void (*on_settled)(struct gateway *g, void *user); /* readiness may
							      have changed */
	void (*on_stopped)(struct gateway *g, void *user); /* after stop */
	/* An apply's part that is not the plugins' (listeners, log, tokens):
	 * prepare does all that can fail and changes nothing that is seen,
	 * then exactly one of keep and discard follows. */
	int (*on_config_prepare)(struct gateway *g, const struct config *config,
		struct error *err);
	void (*on_config_keep)(struct gateway *g, struct config *config);
	void (*on_config_discard)(struct gateway *g);
	void *user;
	/* A worker calls (the wire's `call`); NULL refuses all. */
	void (*on_call)(
		struct gateway *g, struct worker *w, const struct message *m);
};

/* runtime_dir and state_dir exist and are locked by the caller; worker_program
 * is an absolute path. Starts nothing yet. */
void gateway_init(struct gateway *g, struct ev_loop *loop,
	struct config *config, const char *runtime_dir, const char *state_dir,
	const char *worker_program);
void gateway_finish(struct gateway *g);

/* Starts every enabled plugin that nobody stopped, in `requires` order. */
void gateway_start(struct gateway *g);
/* Drains within stop_timeout, then stops the workers; on_stopped follows. */
void gateway_stop(struct gateway *g);

/* clock_us() as it was when it was first asked for in this turn of the loop:
 * for figures, not for deadlines. */
uint64_t gateway_turn_us(struct gateway *g);

struct plugin *gateway_plugin(const struct gateway *g, const char *id);
struct plugin *gateway_plugin_by_number(const struct gateway *g, uint32_t n);
/* Enabled plugins that were neither ready nor failed yet. */
bool gateway_is_settled(const struct gateway *g);
/* Every required plugin serves (if none is required: all enabled ones serve
 * or failed), and supd is not stopping. */
bool gateway_is_ready(const struct gateway *g);
