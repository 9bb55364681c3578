/* rpc_house: all sessions at /ws, for the server. A session is a WebSocket over
 * which a client calls supd and its plugins by JSON-RPC 2.0 and follows
 * events. It belongs to no plugin and stays open over reloads. */
#pragma once

#include <stdint.h>

#include "proto/util/list.h"
#include "supervisor/control/slices.h"
#include "supervisor/event/events.h"
#include "supervisor/http/head.h"
#include "supervisor/ops/journal.h"

/* Events that the journal does not keep, waiting for the fan-out. */
#define RPC_TRANSIENT_NAMES 3
#define RPC_TRANSIENTS_MAX 256
#define RPC_TRANSIENT_BYTES ((size_t)1024 * 1024)

struct exchange;
struct http_server;
struct websocket_frame;

/* Calls as events (tool.before, ...), made only while a session wants them. */
struct rpc_transients {
	struct event_listener listener;
	unsigned wanted[RPC_TRANSIENT_NAMES]; /* patterns for each name */
	struct list waiting;		      /* oldest first */
	uint32_t count;
	size_t bytes;
	uint64_t missed; /* since the last one that was taken */
};

/* The fan-out of events to the sessions that subscribed: one event after the
 * other, each as one frame for all. It reads the journal, so a storm costs no
 * memory: what the journal no longer has is reported as missed. */
struct rpc_fanout {
	struct journal_reader reader; /* while anybody subscribed */
	struct slice slice;
	struct list subscribers; /* rpc_session.subscriber */
	struct list due;	 /* those that the event has yet to reach */
	uint64_t seq;		 /* of the event before `frame` */
	/* the event that is on its way; frame NULL: none is */
	struct websocket_frame *frame, *missed;
	uint64_t frame_seq, missed_count;
	bool is_transient;
	char name[JOURNAL_NAME_MAX + 1];
	struct rpc_transients transients;
};

struct rpc_house {
	struct http_server *server;
	struct list sessions;
	struct list ended; /* freed at the next turn */
	struct rpc_fanout fanout;
};

void rpc_house_init(struct rpc_house *h, struct http_server *s);
/* All websockets must be gone. */
void rpc_house_finish(struct rpc_house *h);
/* Once per turn, outside of all callbacks: frees sessions that ended. */
void rpc_house_turn(struct rpc_house *h);
/* Tokens changed: ends the sessions whose token is gone. */
void rpc_house_end_denied(struct rpc_house *h);

/* GET /ws */
void rpc_begin(struct exchange *x, const struct head *h);
