/* rpc_session: one session at /ws. Only the files rpc_*.c use it. */
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
/* Nesting of a message: a value within params within a request in a batch. */
#define RPC_DEPTH_MAX (VALUE_DEPTH_MAX + 4)
#define RPC_OPEN_MS 10000	      /* until session.open */
#define RPC_CALLS_MAX 64	      /* calls in progress */
#define RPC_BATCH_MAX 64	      /* calls of one batch */
#define RPC_BATCH_BYTES (1024 * 1024) /* answers of unfinished batches */
/* Bytes queued for the client: past the first limit no message is read, past
 * the second an event ends the session, past the third an answer does. */
#define RPC_READ_BYTES (256 * 1024)
#define RPC_QUEUE_MAX (1024 * 1024)
#define RPC_ANSWERS_MAX (4 * 1024 * 1024) /* also the longest answer */
#define RPC_PATTERNS_MAX 64		  /* of one session */
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
	struct websocket *socket; /* NULL: the session has ended */
	bool is_open;		  /* `bearer` is set */
	bool is_refused;	  /* the session ends after the next answer */
	bool stops; /* supd stops: the session ends when it has no call */
	bool waits; /* a message waits for its turn */
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
	bool catches_up; /* it reads past events from the journal */
	uint64_t missed; /* events to report as missed */
	struct slice slice;
};

/* ---- rpc_session.c ---- */
struct gateway *rpc_gateway(const struct rpc_session *s);
/* The current role of its token; -1: it has none. */
int rpc_role_now(const struct rpc_session *s);
/* Takes the client's token. -1 with err: the session is open already, or the
 * token is unknown. */
int rpc_open(struct rpc_session *s, struct bytes token, struct error *err);
/* Sends JSON text. If more than `limit` bytes would then be queued, ends the
 * session instead. */
void rpc_send(struct rpc_session *s, struct bytes text, size_t limit);
/* Sends what is queued, and closes with the code. */
void rpc_end(struct rpc_session *s, int code, const char *reason);
/* Ends a session whose client does not read: discards what is queued. */
void rpc_end_unread(struct rpc_session *s);
/* A call has ended. */
void rpc_note_call_end(struct rpc_session *s);

/* ---- rpc_call.c ---- */
/* Runs a message: a request or a batch. */
void rpc_run(struct rpc_session *s, const json_t *document);
/* Drops the calls of a session that has ended; transactions go on. */
void rpc_abandon_calls(struct rpc_session *s);

/* ---- rpc_fanout.c ---- */
void rpc_fanout_init(struct rpc_fanout *f);
void rpc_fanout_finish(struct rpc_fanout *f);
/* The session receives events from now on; or no longer. Both are idempotent.
 */
void rpc_fanout_join(struct rpc_session *s);
void rpc_fanout_leave(struct rpc_session *s);
/* Goes on with the events that wait. */
void rpc_fan_out(struct rpc_fanout *f);
/* The notification of an event, which is JSON text; and of `count` events that
 * the journal had dropped. */
struct websocket_frame *rpc_event_frame(const char *event, size_t length);
struct websocket_frame *rpc_missed_frame(uint64_t count);
void rpc_count_missed(struct rpc_session *s, uint64_t count);

/* ---- rpc_transient.c ---- */
void rpc_transients_init(struct rpc_transients *t);
void rpc_transients_finish(struct rpc_fanout *f);
/* A session has subscribed to a pattern (1), or no longer (-1). */
void rpc_count_pattern(struct rpc_fanout *f, const char *pattern, int change);
/* Makes the oldest call that waits the event of the fan-out. false: none
 * waits. */
bool rpc_take_transient(struct rpc_fanout *f);

/* ---- rpc_events.c ---- */
void rpc_session_init_events(struct rpc_session *s);
/* Whether a pattern matches. seq UINT64_MAX: the event has none. */
bool rpc_wants(const struct rpc_session *s, struct bytes name, uint64_t seq);
/* events.subscribe and events.unsubscribe: the names of their arguments; and
 * the calls, which return the result, or NULL with err. */
extern const char *const rpc_subscribe_args[], *const rpc_unsubscribe_args[];
json_t *rpc_subscribe(
	struct rpc_session *s, const json_t *args, struct error *err);
json_t *rpc_unsubscribe(
	struct rpc_session *s, const json_t *args, struct error *err);
/* Goes on sending past events, as far as there is room. */
void rpc_catch_up(struct rpc_session *s);
/* Ends all subscriptions of the session; idempotent. */
void rpc_leave_events(struct rpc_session *s);
