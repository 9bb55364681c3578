/* connection: one client's socket: reads heads and bodies, keeps the line of
 * exchanges in order, writes once per loop turn, and ends what takes too long.
 * What a request means is exchange.h. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/list.h"
#include "proto/util/wheel.h"
#include "supervisor/http/address.h"
#include "supervisor/http/body.h"

#define CONNECTION_OUT_MAX (256 * 1024) /* no more is read beyond */
#define CONNECTION_DROP_MAX (64 * 1024) /* of a body that nobody wants */
#define CONNECTION_LINGER_MS 1000
/* A client that closes its side may still read: as long as it takes something
 * of an answer at least that often. Else it counts as gone and its requests
 * are cancelled. */
#define CONNECTION_HALF_CLOSED_MS 1000
/* While nothing can be read or written nobody tells that a client left. */
#define CONNECTION_LOOK_MS 1000
#define CONNECTION_CREDIT_STEP                                                 \
	(32 * 1024) /* given back to a worker at once                          \
		     */
#define CONNECTION_PROGRESS_BYTES (64 * 1024) /* of a body per body_timeout */

struct exchange;
struct http_server;

/* What the client keeps us waiting for; each has its limit. */
enum connection_wait {
	WAIT_NOTHING,
	WAIT_FIRST,  /* bytes after accept: head_timeout, closed silently */
	WAIT_IDLE,   /* the next request: idle_timeout, closed silently */
	WAIT_HEAD,   /* the rest of a head: head_timeout, 408 */
	WAIT_BODY,   /* body_timeout for each CONNECTION_PROGRESS_BYTES, 408 */
	WAIT_LINGER, /* it may read our last answer, then we close */
	WAIT_HALF_CLOSED,
	WAIT_PAUSED, /* not read from: is the client still there? */
};

struct connection {
	struct http_server *server;
	struct list node, dirty_node;
	struct list congested_node; /* its worker does not read */
	int fd;
	bool read_paused;
	bool eof;	  /* the client sends nothing more */
	bool closing;	  /* no request is read any more */
	bool must_linger; /* unread bytes of the client are likely */
	bool reset;	  /* its end must not look like one */
	bool lingering;	  /* all is written; waiting for the client's EOF */
	bool in_body;	  /* a body is being read, for `reader` or for nobody */
	bool expecting;	  /* it waits for 100 Continue before the body */
	bool last;	  /* no request follows after this body */
	bool again;	  /* more can be read from `in` at once */
	enum connection_wait wait;
	ev_io readable, writable;
	struct wheel_timer wait_timer, write_timer;
	struct list exchanges; /* oldest first; at most HTTP_PIPELINE_MAX */
	unsigned exchange_count;
	uint64_t served;   /* requests begun */
	struct buffer in;  /* what could not be used yet */
	struct buffer out; /* what the kernel did not take yet */
	size_t line;	   /* how far the head at the front was scanned */
	struct exchange *reader;
	struct body body;
	uint64_t sent_bytes;
	/* when the wait's timer was set */
	uint64_t body_mark, sent_mark, wait_served;
	bool may_be_proxied; /* a PROXY header may come first */
	struct address address;
	char peer[ADDRESS_TEXT_BYTES]; /* "192.0.2.1:4242" or "unix" */
};

/* fd is non-blocking and the connection's from here on. */
struct connection *connection_create(
	struct http_server *s, int fd, const char *peer);
/* At once; what is in flight is cancelled. Not from within callbacks of an
 * exchange. */
void connection_destroy(struct connection *c);

/* Once per loop turn for each touched connection: what came in and was
 * answered meanwhile is written, in order. May destroy it. */
void connection_turn(struct connection *c);

/* ---- for its exchanges ---- */
void connection_touch(struct connection *c);
/* Where an exchange writes: the socket's buffer if it is first in line. */
struct buffer *connection_output(struct exchange *x);
/* The rest of the body is thrown away; false: it must not be waited for. */
bool connection_drop_body(struct connection *c);

/* ---- between its two files ---- */
/* Sets the timer of what is waited for now; once per turn. */
void connection_arm(struct connection *c);
void connection_wait_over(struct wheel_timer *timer); /* wait_timer.fire */
/* The client sends nothing more, and what is there does not make the body
 * whole. unread: bytes that the kernel has. */
bool connection_body_is_cut(const struct connection *c, size_t unread);
