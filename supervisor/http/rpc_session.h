/* rpc_session: one session, for the files of rpc only. */
#pragma once

#include "proto/util/buffer.h"
#include "proto/util/wheel.h"
#include "supervisor/gateway/gateway.h"
#include "supervisor/http/api_turn.h"
#include "supervisor/http/bearer.h"
#include "supervisor/http/rpc_house.h"
#include "supervisor/http/rpc_message.h"
#include "supervisor/http/websocket.h"

#define RPC_MESSAGE_MAX (1024 * 1024) /* bytes of a message */
#define RPC_FIRST_MESSAGE_MAX 4096    /* the same before session.open */
/* of a message: of a value, in params, in a request, in a batch */
#define RPC_DEPTH_MAX (VALUE_DEPTH_MAX + 4)
#define RPC_OPEN_MS 10000	      /* time for session.open */
#define RPC_CALLS_MAX 64	      /* calls in progress */
#define RPC_BATCH_MAX 64	      /* calls of one batch */
#define RPC_BATCH_BYTES (1024 * 1024) /* answers of batches, collected */
#define RPC_READ_BYTES (256 * 1024)   /* queued; past it, nothing is read */
#define RPC_QUEUE_MAX (1024 * 1024)   /* queued; past it, events end it */
#define RPC_ANSWERS_MAX                                                        \
	(4 * 1024 * 1024) /* the same for answers; and the                     \
			     longest answer */
#define RPC_PATTERNS_MAX 64
/* Of the fan-out, per slice: sessions visited, and bytes queued for them. Each
 * of these is written to its socket in the same turn, which costs far more than
 * the visit. */
#define RPC_FANOUT_VISITS 200
#define RPC_FANOUT_BYTES ((size_t)256 * 1024)

struct rpc_pattern {
	char *text;
	uint64_t from; /* only events after this seq match */
};

struct rpc_session {
	struct list node; /* house.sessions or house.ended */
	struct http_server *server;
	struct websocket *socket; /* NULL: it ended */
	bool is_open;		  /* `bearer` is set */
	bool is_refused;	  /* it is closed behind its last answer */
	bool stops;		  /* supd does: closed when no call is left */
	bool waits;		  /* a message waits for its turn */
	struct bearer bearer;
	struct wheel_timer open_timer;
	struct api_waiter waiter;
	struct buffer message; /* being read, or waiting */
	struct list calls;     /* struct rpc_call.node */
	unsigned call_count;
	size_t batch_bytes; /* of answers that wait for their batch */

	/* events */
	struct list subscriber; /* in the fan-out; empty: none */
	struct rpc_pattern *patterns;
	uint32_t pattern_count;
	uint64_t sent;	 /* seq of the last event considered */
	bool catches_up; /* it reads the journal by itself */
	uint64_t missed; /* events, not reported yet */
	struct slice slice;
};

/* ---- rpc_session.c ---- */
struct gateway *rpc_gateway(const struct rpc_session *s);
/* The role of its token now; -1: it has none. */
int rpc_role_now(const struct rpc_session *s);
/* The client shows its token. -1 with err: it is open, or the token is
 * unknown. */
int rpc_open(struct rpc_session *s, struct bytes token, struct error *err);
/* Sends a text; more than `limit` bytes queued ends the session. */
void rpc_send(struct rpc_session *s, struct bytes text, size_t limit);
/* Closes with the code, after what is queued. */
void rpc_end(struct rpc_session *s, int code, const char *reason);
/* Ends a session that does not read: discards what is queued. */
void rpc_end_unread(struct rpc_session *s);
/* A call has ended. */
void rpc_note_call_end(struct rpc_session *s);

/* ---- rpc_call.c ---- */
/* Runs a message: a request or a batch. */
void rpc_run(struct rpc_session *s, const json_t *document);
/* The session has ended: drops its calls; transactions go on. */
void rpc_abandon_calls(struct rpc_session *s);

/* ---- rpc_fanout.c ---- */
void rpc_fanout_init(struct rpc_fanout *f);
void rpc_fanout_finish(struct rpc_fanout *f);
/* The session gets events from now on; idempotent, as is leaving. */
void rpc_fanout_join(struct rpc_session *s);
void rpc_fanout_leave(struct rpc_session *s);
/* Goes on with the events that wait. */
void rpc_fan_out(struct rpc_fanout *f);
/* An event, JSON text, as a notification; and the number of events that the
 * journal no longer had. */
struct websocket_frame *rpc_event_frame(const char *event, size_t length);
struct websocket_frame *rpc_missed_frame(uint64_t count);
void rpc_count_missed(struct rpc_session *s, uint64_t count);

/* ---- rpc_transient.c ---- */
void rpc_transients_init(struct rpc_transients *t);
void rpc_transients_finish(struct rpc_fanout *f);
/* A pattern of a session counts, or no longer. */
void rpc_count_pattern(struct rpc_fanout *f, const char *pattern, int change);
/* Makes the oldest one that waits the event of the fan-out; false: none
 * waits. */
bool rpc_take_transient(struct rpc_fanout *f);

/* ---- rpc_events.c ---- */
void rpc_session_init_events(struct rpc_session *s);
/* Whether a pattern matches. seq UINT64_MAX: the event has none. */
bool rpc_wants(const struct rpc_session *s, struct bytes name, uint64_t seq);
/* events.subscribe and events.unsubscribe: the names of their arguments, and
 * the result, or NULL with err. */
extern const char *const rpc_subscribe_args[], *const rpc_unsubscribe_args[];
json_t *rpc_subscribe(
	struct rpc_session *s, const json_t *args, struct error *err);
json_t *rpc_unsubscribe(
	struct rpc_session *s, const json_t *args, struct error *err);
/* Sends events of the past, as far as there is room. */
void rpc_catch_up(struct rpc_session *s);
/* Frees what the session has of events; idempotent. */
void rpc_leave_events(struct rpc_session *s);
