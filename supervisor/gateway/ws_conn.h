/* ws_conn: a client's WebSocket connection to a plugin: the worker that has it,
 * the credit of both directions, and what a successor of that worker learns.
 * The client's socket and its frames belong to the owner, which is in http/;
 * ws_move.h takes connections from one worker to the next.
 *
 * A connection keeps its number on the wire from the first ws.open to its end,
 * whichever worker has it. It is no request in flight; only its ws.open and
 * ws.move are. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/route/request.h"
#include "supervisor/route/table.h"

/* Bytes queued to a worker, past which nothing more is passed to it. */
#define WS_BACKLOG_MAX (1024 * 1024)
#define WS_PIECE_MAX (64 * 1024) /* of a message, in one ws.message */
#define WS_CREDIT_STEP (32 * 1024)
#define WS_BLOB_MAX (64 * 1024) /* of an answer to ws.move */
#define WS_REASON_MAX 123	/* bytes of the reason of a close */

/* Codes of a close that the gateway itself sends. */
enum {
	WS_CODE_NORMAL = 1000,
	WS_CODE_GOING_AWAY = 1001,
	WS_CODE_TOO_LARGE = 1009,
	WS_CODE_FAULT = 1011,
	WS_CODE_RESTART = 1012,
};

enum ws_state {
	WS_OPENING,   /* the first ws.open is not answered */
	WS_OPEN,      /* a worker has it */
	WS_LEAVING,   /* that worker's answer to ws.move is awaited */
	WS_WAITING,   /* for a worker, in plugin.conns.moving */
	WS_REOPENING, /* ws.open at the successor is not answered */
	WS_GONE,      /* the gateway has forgotten it */
};

/* What the next ws.open says in `moved`. */
enum ws_how { WS_HOW_NEW, WS_HOW_MOVE, WS_HOW_CRASH };

struct ws_conn;

struct ws_conn_ops {
	/* The answer to the first ws.open. True: the client has its 101, and
	 * the connection is open. False: the client got another answer; the
	 * callee has called ws_conn_closed() and may have freed it. */
	bool (*answer)(struct ws_conn *c, const struct message *m);
	/* There is no answer to it. The connection may be freed. */
	void (*fail)(
		struct ws_conn *c, enum request_failure why, const char *text);
	/* A piece of a message from the worker, within its credit and the
	 * limit. */
	void (*message)(struct ws_conn *c, unsigned opcode, struct bytes piece,
		bool more);
	/* The end, by the worker or by the gateway: the callee closes the
	 * client's side, and may free the connection. The code is what the
	 * worker sent, perhaps not one of WebSocket. */
	void (*close)(struct ws_conn *c, unsigned code, struct bytes reason);
	/* ws_conn_room() may be greater than before. */
	void (*room)(struct ws_conn *c);
};

struct ws_conn {
	const struct ws_conn_ops *ops;
	struct gateway *gateway;
	enum ws_state state;
	struct request ask;   /* its ws.open or ws.move, in flight or held */
	struct request place; /* its number; see REQUEST_OPEN */
	struct list node;     /* of its worker, or plugin.conns.moving */
	struct list congested_node; /* gateway.ws_congested */
	uint32_t plugin, generation;
	bool pinned;

	/* For every ws.open: the path, and three packed params: the path
	 * parameters, and from raw_query to peer. */
	char *path;
	struct buffer params, rest;
	uint32_t trace_at; /* where rest has its `traceparent`; 0: nowhere */
	char *protocols;   /* that the route lists, "a, b"; until it is open */
	char *protocol;	   /* that the client got; NULL: none */
	enum ws_how how;
	struct buffer blob; /* of ws.move */
	bool has_blob;
	uint64_t since_ms;    /* WS_WAITING */
	const char *must_end; /* WS_WAITING: why it may not move, or NULL */

	uint64_t message_limit;
	uint64_t credit;	/* that the worker has given */
	uint64_t uncredited;	/* of the worker, not given back */
	uint64_t unconfirmed;	/* messages since its credit was last whole */
	uint64_t out_bytes;	/* of the message that the worker is sending */
	bool in_half, out_half; /* a message to, from the worker has begun */
};

/* Sets what a route says, and packs its parameters, which point into the
 * path. */
void ws_conn_take_route(struct ws_conn *c, const struct route_match *match);
/* Asks the plugin of the route, which was taken before. The caller has set ops,
 * path and rest. fail() may come before it returns. */
void ws_conn_open(
	struct ws_conn *c, struct gateway *g, const struct route_match *match);

/* Bytes that may be passed on now, in pieces of at most WS_PIECE_MAX; an empty
 * piece takes one. After less than was wanted, room() follows. */
uint64_t ws_conn_room(struct ws_conn *c);
void ws_conn_send(
	struct ws_conn *c, unsigned opcode, struct bytes piece, bool more);
/* The client has taken what the worker sent, or enough of it: gives credit. */
void ws_conn_taken(struct ws_conn *c);
/* The client closed, or is gone, or broke the protocol. No callback follows. */
void ws_conn_closed(struct ws_conn *c, unsigned code, struct bytes reason);
void ws_conn_finish(struct ws_conn *c); /* frees what is in it */

/* worker_ops.on_conn */
void ws_conn_message(
	struct gateway *g, struct worker *w, const struct message *m);
/* The worker of some has room again. */
void ws_conns_uncongested(struct gateway *g);

/* ---- for ws_message.c and ws_move.c ---- */
/* From now on the gateway does not know it; nobody is notified. */
void ws_conn_forget(struct ws_conn *c);
struct worker *ws_conn_worker(const struct ws_conn *c); /* NULL: none */
/* Takes it from its worker, which is not notified. */
void ws_conn_detach(struct ws_conn *c);
/* Ends it in any state, and closes it at worker and client. */
void ws_conn_end(struct ws_conn *c, unsigned code, const char *reason);
/* Finds and takes its plugin's present route for its path, whose parameters are
 * packed. False: there is none. */
bool ws_conn_find_route(struct ws_conn *c, struct route_match *match_out);
/* Sends ws.open for a connection that has a successor. */
void ws_conn_reopen(struct ws_conn *c, const struct route_match *match);
