/* websocket: a client's WebSocket (RFC 6455) after the handshake, which is in
 * websocket_handshake.h. It is the protocol of the client's connection: it
 * checks and unmasks frames, answers pings, sends pings, and closes in order.
 * It passes messages to its owner in pieces as they arrive and does not collect
 * them. Messages to the client wait in a queue, which the owner keeps short.
 *
 * The connection frees the websocket. The owner (a session, or a plugin's path)
 * may use it from websocket_accept() until on_closed(), websocket_close() or
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
#define WEBSOCKET_UNANSWERED_MAX 3 /* pings; then the client is gone */
#define WEBSOCKET_CLOSE_MS 2000	   /* for the client to answer our close */

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
	WEBSOCKET_LOST = 1006,	  /* never sent: it ended without a close */
	WEBSOCKET_BAD_TEXT = 1007,
	WEBSOCKET_DENIED = 1008,
	WEBSOCKET_TOO_LARGE = 1009,
	WEBSOCKET_FAULT = 1011,
	WEBSOCKET_RESTART = 1012,
	WEBSOCKET_BUSY = 1013,
};

/* Callbacks of the owner. Any of them may send, pause, resume and close. */
struct websocket_ops {
	/* A piece of a message, of 0 to WEBSOCKET_PIECE_MAX bytes. more: the
	 * next piece belongs to the same message. Text is UTF-8, but a piece
	 * may end within a character. If a later piece is malformed,
	 * on_closed() ends the message. */
	void (*on_piece)(struct websocket *w, enum websocket_opcode opcode,
		struct bytes piece, bool more);
	/* The queue has shrunk to half of queue_max after websocket_has_room()
	 * returned false. NULL: not wanted. */
	void (*on_room)(struct websocket *w);
	/* The end, and the last callback. The code is the client's (1005 if it
	 * sent none), or that of supd: 1001, 1002, 1006, 1007 or 1009. */
	void (*on_closed)(struct websocket *w, int code, struct bytes reason);
	/* supd stops: the owner calls websocket_close() as soon as it can.
	 * NULL: the websocket closes at once with 1001, and on_closed()
	 * follows. */
	void (*on_stop)(struct websocket *w);
};

struct websocket_terms {
	const struct websocket_ops *ops;
	void *owner;
	struct bytes protocol; /* selected subprotocol, a token; empty: none */
	const char *fields;    /* more header lines of the 101, or NULL */
	uint64_t message_max; /* bytes of the client's messages; past it 1009 */
	size_t queue_max;     /* bytes; see websocket_has_room() */
};

/* Answers the exchange with 101 and makes its connection a websocket; messages
 * may be sent at once. Detaches the exchange's responder. Call it in the
 * exchange's begin or later, but before any answer, and do not use the exchange
 * afterwards. */
struct websocket *websocket_accept(struct exchange *x,
	const struct websocket_handshake *h,
	const struct websocket_terms *terms);

void *websocket_owner(const struct websocket *w);
/* Changes the owner; the limits stay. */
void websocket_hand_to(
	struct websocket *w, const struct websocket_ops *ops, void *owner);
void websocket_set_message_max(struct websocket *w, uint64_t bytes);
/* Whether the connection may be closed to make room for another one, as an idle
 * HTTP connection may be. At first it may not. */
void websocket_set_idle(struct websocket *w, bool is_idle);
/* The client's address as in the access log: "192.0.2.1:4242" or "unix". */
const char *websocket_peer(const struct websocket *w);

/* ---- sending ---- */
/* Sends a message, or a part of one. more: the next call sends the next part of
 * it, and nothing else may be sent before. Never fails: after the end, messages
 * are discarded. */
void websocket_send(struct websocket *w, enum websocket_opcode opcode,
	struct bytes payload, bool more);
/* Bytes queued, which the kernel has not taken yet. A frame counts with its
 * overhead in memory. */
size_t websocket_queued(const struct websocket *w);
/* false: queue_max bytes are queued, so the owner should wait for on_room(), or
 * close. */
bool websocket_has_room(struct websocket *w);

/* Creates a message that can be sent to many websockets with
 * websocket_send_frame(). The caller has one reference. */
struct websocket_frame *websocket_frame_create(
	enum websocket_opcode opcode, struct bytes payload);
void websocket_frame_unref(struct websocket_frame *f);
size_t websocket_frame_bytes(const struct websocket_frame *f);
/* The queue takes a reference of its own. */
void websocket_send_frame(struct websocket *w, struct websocket_frame *f);

/* ---- reading ---- */
/* Reads nothing from the client, not even pings and closes, until
 * websocket_resume(). A lost connection is still noticed within a second. */
void websocket_pause(struct websocket *w);
void websocket_resume(struct websocket *w);

/* ---- the end ---- */
/* Whether a close may have this code (RFC 6455, section 7.4). */
bool websocket_code_is_valid(int code);
/* Sends what is queued, then the close, and waits for the client's close. The
 * reason is cut to WEBSOCKET_REASON_MAX bytes. No callback follows. */
void websocket_close(struct websocket *w, int code, struct bytes reason);
/* The same for a client that does not read: discards what is queued. */
void websocket_cut(struct websocket *w, int code, struct bytes reason);

/* ---- for the server: all websockets ---- */
struct websocket_house {
	struct list all; /* struct websocket.node */
	struct list due; /* the same, while their ping is due */
	uint32_t count;
	struct wheel_timer ping;
	struct slice slice;
	struct websocket_framer *spare; /* not in use, or NULL */
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
/* Nothing is left to send but the connection's output. */
bool websocket_is_over(const struct websocket *w);
/* The connection is being destroyed. */
void websocket_destroy(struct websocket *w);
