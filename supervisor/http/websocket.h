/* websocket: a client's WebSocket (RFC 6455) from the 101 on, as the protocol
 * of the connection that asked for it. It checks and unmasks frames, answers
 * pings, sends its own, and closes in order. Messages are passed on in pieces
 * as they arrive and never collected here; what is sent waits in a queue that
 * the owner keeps short. websocket_handshake.h reads the request.
 *
 * The connection owns the websocket. Its owner (a session, a plugin's path) may
 * use it from websocket_accept() until on_closed(), websocket_close() or
 * websocket_cut(), whichever comes first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/wheel.h"
#include "supervisor/control/slices.h"

#define WEBSOCKET_PIECE_MAX 4096   /* bytes of a piece */
#define WEBSOCKET_PIECES_MAX 64	   /* pieces and frames read per turn */
#define WEBSOCKET_REASON_MAX 123   /* bytes of the reason of a close */
#define WEBSOCKET_PING_MS 30000	   /* between pings, the same for all */
#define WEBSOCKET_UNANSWERED_MAX 3 /* pings without an answer: it is gone */
#define WEBSOCKET_CLOSE_MS 2000	   /* to answer a close that has been written */

struct connection;
struct exchange;
struct http_server;
struct websocket;
struct websocket_frame;
struct websocket_handshake;

enum websocket_opcode { WEBSOCKET_TEXT = 1, WEBSOCKET_BINARY = 2 };

enum websocket_code {
	WEBSOCKET_NORMAL = 1000,
	WEBSOCKET_GOING_AWAY = 1001,
	WEBSOCKET_PROTOCOL_ERROR = 1002,
	WEBSOCKET_UNSUPPORTED = 1003,
	WEBSOCKET_NO_CODE = 1005, /* never sent */
	WEBSOCKET_LOST = 1006,	  /* never sent: no close came */
	WEBSOCKET_BAD_TEXT = 1007,
	WEBSOCKET_DENIED = 1008,
	WEBSOCKET_TOO_LARGE = 1009,
	WEBSOCKET_FAULT = 1011,
	WEBSOCKET_RESTART = 1012,
	WEBSOCKET_BUSY = 1013,
};

/* Callbacks of the owner. Any of them may send, pause, resume and close. */
struct websocket_ops {
	/* A piece of a message, at most WEBSOCKET_PIECE_MAX bytes, possibly
	 * none; `more`: others of the same message follow, which come one after
	 * the other. Text is UTF-8, but a piece may end within a character. A
	 * message that is malformed in a later piece ends with on_closed(). */
	void (*on_piece)(struct websocket *w, enum websocket_opcode opcode,
		struct bytes piece, bool more);
	/* At most half of queue_max waits for the client, after
	 * websocket_has_room() was false. NULL: not wanted. */
	void (*on_room)(struct websocket *w);
	/* The end: the client's code (1005 without one) or, as 1001, 1002,
	 * 1006, 1007 or 1009, what supd found. The last callback. */
	void (*on_closed)(struct websocket *w, int code, struct bytes reason);
	/* supd stops: the owner calls websocket_close() as soon as it can.
	 * NULL: it is closed at once with 1001, and on_closed() reports that.
	 */
	void (*on_stop)(struct websocket *w);
};

struct websocket_terms {
	const struct websocket_ops *ops;
	void *owner;
	struct bytes protocol; /* selected subprotocol, a token; empty: none */
	const char *fields;    /* of the 101: complete lines, or NULL */
	uint64_t message_max;  /* bytes of a message; past it 1009 */
	size_t queue_max;      /* bytes queued; past it there is no room */
};

/* Answers the exchange with 101 and makes its connection a websocket, which may
 * be sent to at once. Detaches the exchange's responder. Call it in or after
 * the exchange's begin, but before any answer; the exchange must not be used
 * afterwards. */
struct websocket *websocket_accept(struct exchange *x,
	const struct websocket_handshake *h,
	const struct websocket_terms *terms);

void *websocket_owner(const struct websocket *w);
/* Hands it to another owner, with the same limits. */
void websocket_hand_to(
	struct websocket *w, const struct websocket_ops *ops, void *owner);
void websocket_set_message_max(struct websocket *w, uint64_t bytes);
/* Whether the connection may be closed to make room for another one, as an idle
 * one of HTTP is; at first it may not. */
void websocket_set_idle(struct websocket *w, bool is_idle);
/* "192.0.2.1:4242" or "unix", as in the access log. */
const char *websocket_peer(const struct websocket *w);

/* ---- sending ---- */
/* Sends a message, or (more) a part of one as a frame; between the parts no
 * other message is sent. Never fails; what is sent after the end is
 * discarded. */
void websocket_send(struct websocket *w, enum websocket_opcode opcode,
	struct bytes payload, bool more);
/* Bytes queued that the kernel has not taken. Each frame counts with what it
 * costs in memory. */
size_t websocket_queued(const struct websocket *w);
/* false: queue_max bytes are queued. The owner then waits for on_room(), or
 * closes. */
bool websocket_has_room(struct websocket *w);

/* A whole message as a frame that many websockets may send; see
 * websocket_send_frame(). Returned with one reference, of the caller. */
struct websocket_frame *websocket_frame_create(
	enum websocket_opcode opcode, struct bytes payload);
void websocket_frame_unref(struct websocket_frame *f);
size_t websocket_frame_bytes(const struct websocket_frame *f);
/* Takes a reference while it is queued. */
void websocket_send_frame(struct websocket *w, struct websocket_frame *f);

/* ---- reading ---- */
/* Reads nothing from the client until websocket_resume(): no pieces, and no
 * close; that the client left is noticed within a second. */
void websocket_pause(struct websocket *w);
void websocket_resume(struct websocket *w);

/* ---- the end ---- */
/* Whether the code may be sent and received. */
bool websocket_code_is_valid(int code);
/* Sends what is queued, then the close, and waits for the client's. The reason
 * is cut to WEBSOCKET_REASON_MAX bytes. No callback follows. */
void websocket_close(struct websocket *w, int code, struct bytes reason);
/* The same, but discards what is queued: for a client that does not read. */
void websocket_cut(struct websocket *w, int code, struct bytes reason);

/* ---- for the server: all websockets ---- */
struct websocket_house {
	struct list all; /* struct websocket.node */
	struct list due; /* those whose ping is due */
	uint32_t count;
	struct wheel_timer ping;
	struct slice slice;
	struct websocket_framer *spare; /* one that is at rest */
	struct http_server *server;
};

void websocket_house_init(struct websocket_house *house, struct http_server *s);
void websocket_house_finish(struct websocket_house *house);
/* supd stops: ends all of them. */
void websocket_house_stop(struct websocket_house *house);

/* ---- for connection and http1 ---- */
/* The 101 is in the connection's output. */
void websocket_begin(struct connection *c);
bool websocket_is_idle(const struct websocket *w);
/* All is said; the connection closes when its output is written. */
bool websocket_is_over(const struct websocket *w);
/* The connection goes. */
void websocket_destroy(struct websocket *w);
