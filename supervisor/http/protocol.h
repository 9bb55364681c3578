/* protocol: turns a connection's bytes into exchanges, and their answers into
 * bytes. The connection owns the socket, the buffers and the timers, and uses
 * its protocol only by these operations. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/util/buffer.h"

struct connection;
struct exchange;

/* What the connection waits for; each has its limit. */
enum connection_wait {
	WAIT_NOTHING,
	WAIT_FIRST,  /* bytes after accept: head_timeout, closed silently */
	WAIT_IDLE,   /* the next request: idle_timeout, closed silently */
	WAIT_HEAD,   /* the rest of a head: head_timeout, 408 */
	WAIT_BODY,   /* body_timeout for each CONNECTION_PROGRESS_BYTES, 408 */
	WAIT_LINGER, /* time to read the last answer before the close */
	WAIT_HALF_CLOSED,
	WAIT_PAUSED, /* reading is paused; checks whether the client left */
};

struct protocol {
	/* ---- reading ---- */
	/* Uses bytes from the front and returns how many. Sets connection.again
	 * if only the turn's share stopped it. */
	size_t (*take)(struct connection *c, char *bytes, size_t size);
	/* Whether nothing may be read at the moment. */
	bool (*is_blocked)(const struct connection *c);
	/* Whether the responder of a body has no room, and no event will report
	 * when it has; see exchange_is_congested(). */
	bool (*is_congested)(const struct connection *c);
	/* Whether a request has arrived that is with no worker yet. */
	bool (*owes_start)(const struct connection *c);
	/* WAIT_HEAD, WAIT_BODY, or WAIT_NOTHING between requests. */
	enum connection_wait (*wait)(const struct connection *c);
	/* Answers that a wait took too long. false: close without an answer. */
	bool (*refuse_late)(struct connection *c, enum connection_wait wait);
	/* Whether the client closed its side before the body was complete,
	 * counting `unread` bytes in the kernel's buffer. */
	bool (*is_cut)(const struct connection *c, size_t unread);
	/* Discards the rest of the exchange's body; false: it is too long to
	 * wait for, so close the connection. */
	bool (*drop_body)(struct exchange *x);

	/* ---- writing ---- */
	/* The buffer that an exchange writes to. */
	struct buffer *(*output)(struct exchange *x);
	/* Once per turn, before the socket is written: moves complete answers
	 * to connection.out and ends their exchanges. */
	void (*advance)(struct connection *c);
	/* Once per turn, after the socket is written: reports to exchanges how
	 * many of their bytes the client took. */
	void (*passed)(struct connection *c);
};
