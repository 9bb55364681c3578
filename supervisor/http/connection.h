/* connection: one client's socket: reads as much as its protocol takes, writes
 * once per loop turn, and enforces the timeouts. protocol.h parses the bytes,
 * exchange.h serves a request. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/list.h"
#include "proto/util/wheel.h"
#include "supervisor/http/address.h"
#include "supervisor/http/admission.h"
#include "supervisor/http/http1.h"
#include "supervisor/http/transport.h"

#define CONNECTION_OUT_MAX (256 * 1024) /* past it, nothing is read */
#define CONNECTION_DROP_MAX                                                    \
	(64 * 1024) /* of an unwanted body, read and discarded */
#define CONNECTION_LINGER_MS 1000
/* A client that closes its sending side may still read. It counts as gone, and
 * its requests are cancelled, if it takes no byte of an answer for this long.
 */
#define CONNECTION_HALF_CLOSED_MS 1000
/* Interval of checks whether a client left, while nothing is read or written
 * that would show it. */
#define CONNECTION_LOOK_MS 1000
#define CONNECTION_CREDIT_STEP                                                 \
	(32 * 1024) /* given back to a worker at once                          \
		     */
/* Of a grown window, this part is given back at once, so that chunks are large:
 * each costs a message, and on nng several thread switches. */
#define CONNECTION_CREDIT_PARTS 4
/* Bytes that count as progress: of a body per body_timeout, of an answer per
 * write_timeout. */
#define CONNECTION_PROGRESS_BYTES (64 * 1024)

struct exchange;
struct http_server;
struct websocket;

struct connection {
	struct http_server *server;
	struct list node, dirty_node;
	struct list congested_node; /* its worker does not read */
	struct admitted admitted;
	struct transport transport;
	const struct protocol *protocol;
	struct http1 http1;
	struct websocket *websocket; /* NULL: HTTP only */
	bool read_paused;
	bool eof;	  /* the client sends nothing more */
	bool closing;	  /* no request is read any more */
	bool must_linger; /* bytes of the client may be unread */
	bool reset;	  /* close with a reset, not with an orderly end */
	bool lingering;	  /* all is written; waiting for the client's EOF */
	bool again;	  /* more can be read from `in` at once */
	bool owes_start;  /* a request has arrived that is with no worker yet */
	enum connection_wait wait;
	ev_io readable, writable;
	struct wheel_timer wait_timer, write_timer;
	struct list exchanges; /* oldest first; at most HTTP_PIPELINE_MAX */
	unsigned exchange_count;
	uint64_t served;   /* requests begun */
	struct buffer in;  /* bytes not used yet */
	struct buffer out; /* bytes not written yet */
	uint64_t sent_bytes;
	uint64_t body_bytes; /* bytes of request bodies read so far */
	uint64_t write_mark; /* taken_bytes() when the write timer was set */
	/* when the wait's timer was set */
	uint64_t body_mark, sent_mark, wait_served;
	bool may_be_proxied; /* a PROXY header may come first */
	struct address address;
	char peer[ADDRESS_TEXT_BYTES]; /* "192.0.2.1:4242" or "unix" */
};

/* Takes ownership of the transport. */
struct connection *connection_create(
	struct http_server *s, struct transport transport, const char *peer);
/* Closes at once and cancels its requests in flight. Must not be called from a
 * callback of an exchange. */
void connection_destroy(struct connection *c);

/* Reads what has arrived. May destroy this connection or others. */
void connection_read_now(struct connection *c);
/* Called once per loop turn for each touched connection: writes the answers in
 * order. May destroy the connection. */
void connection_turn(struct connection *c);

/* Schedules a turn of the connection before the loop sleeps. */
void connection_touch(struct connection *c);

/* ---- between its two files ---- */
/* Sets the timer for what the connection waits for; once per turn. */
void connection_arm(struct connection *c);
void connection_wait_over(struct wheel_timer *timer); /* wait_timer.fire */
