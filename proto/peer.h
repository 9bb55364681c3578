/* peer: one SP pair0 connection on a libev loop: greeting, frames in, and
 * batches of objects out. supd's worker endpoints and control sessions, the
 * native worker link and supctl all use it.
 *
 * Objects appended between peer_begin() and peer_end() go into an open batch
 * that is flushed once per loop turn (ev_prepare of its group), cut at
 * WIRE_BATCH_BYTES. It never blocks and never drops anything: the caller
 * checks peer_backlog().
 *
 * A peer gets a share of each loop turn: 256 KiB read, and the objects and the
 * time of its bounds. The rest is kept, unread data stays in the socket, and
 * the peer waits for its next turn behind the others. An idle peer
 * holds no buffer. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "proto/codec.h"
#include "proto/sp.h"
#include "proto/util/buffer.h"
#include "proto/util/list.h"

#define PEER_SPARES 8

/* All peers of a loop share one: its ev_prepare flushes those with something
 * to send, so idle peers cost nothing in a turn. Also holds the codec
 * that decodes for all, and the memory they read into and write from. */
struct peer_group {
	struct ev_loop *loop;
	ev_prepare prepare;
	struct list dirty;
	/* Set by the owner, 0: no bound. Once the peers of the group have used
	 * this much of a loop turn, the rest of them wait for the next one. */
	unsigned turn_us;
	uint64_t spent_us; /* of this turn */
	/* For their turn, in order: those that go first, and the others, of
	 * whom one is served each turn whatever the first have used. */
	struct list first, waiting;
	ev_check check;
	ev_idle idle; /* active while a peer waits: the loop must not block */
	struct codec *codec; /* not for use inside on_message */
	uint8_t *shared;     /* what is being read and delivered now */
	bool busy;	     /* shared and codec are in use */
	unsigned spare_count;
	struct buffer spares[PEER_SPARES]; /* empty out buffers */
};

void peer_group_init(struct peer_group *g, struct ev_loop *loop);
/* After the last of its peers is finished. */
void peer_group_finish(struct peer_group *g);
/* Sends now what was appended, not at the end of the turn. */
void peer_group_flush(struct peer_group *g);

struct peer;

struct peer_ops {
	/* One decoded object, valid during the call, even if the callback
	 * closes or finishes the peer, as it may. */
	void (*on_message)(struct peer *p, const struct message *m);
	/* Once, after all that had arrived was delivered: the other side
	 * closed (reason NULL), broke the protocol or the socket failed. The
	 * fd is closed; the callback may peer_finish(). */
	void (*on_close)(struct peer *p, const char *reason);
	/* Optional: the backlog fell to zero after a partial write. */
	void (*on_flushed)(struct peer *p);
};

/* What a peer may cost; 0: no bound. */
struct peer_bounds {
	/* Delivered per loop turn: this many objects, or as many as fit into
	 * this time, whichever comes first. */
	unsigned objects, turn_us;
	/* While more bytes than this are queued for the peer, nothing is read
	 * from it or delivered. It goes on once half of this is left. */
	size_t queued;
	/* Served before the others of its group. */
	bool first;
};

struct peer {
	struct peer_group *group;
	const struct peer_ops *ops;
	struct peer_bounds bounds; /* the owner may change it at any time */
	void *owner;
	int fd; /* -1: closed */
	ev_io readable, writable;
	struct list dirty_node, waiting_node;
	struct buffer in;    /* read and not delivered yet */
	size_t frame_offset; /* delivered of the frame that `in` begins with */
	uint64_t over_since_ms;
	struct buffer out;   /* ends with the open batch, if any */
	size_t batch_start;  /* offset of its header from out's content */
	size_t object_start; /* likewise, set by peer_begin */
	uint32_t batch_objects;
	bool batch_open, greeted, paused, broken, delivering, read_all;
	bool more;  /* `in` has something to deliver, as soon as it may be */
	bool *gone; /* set to true by peer_finish() during a delivery */
	msgpack_packer packer;
};

/* Takes over fd (connected, made non-blocking). The greeting is sent and the
 * other's awaited. */
void peer_init(struct peer *p, struct peer_group *group, int fd,
	const struct peer_ops *ops, void *owner);
/* Closes without callbacks and frees; safe inside callbacks and twice. */
void peer_finish(struct peer *p);
/* Flushes what can be written at once, then closes without on_close. */
void peer_close(struct peer *p);
/* Reads what is still in the socket (a dead worker's last messages), without
 * waiting, and delivers it without regard to the bounds; then on_close if it
 * was EOF. */
void peer_read_rest(struct peer *p);

/* Pack exactly one object into the result, then peer_end(). On a closed peer
 * what is packed is discarded. -1 from peer_end: the object is larger than
 * WIRE_MESSAGE_MAX and was removed again. */
msgpack_packer *peer_begin(struct peer *p);
int peer_end(struct peer *p);

size_t peer_backlog(const struct peer *p); /* bytes not yet in the kernel */
bool peer_flush(struct peer *p); /* now, not at the end of the turn; true:
				    all is in the kernel */
bool peer_is_open(const struct peer *p);
/* Open, but a write has failed: data that it sent can still be read, but it
 * gets no more answers. */
bool peer_is_deaf(const struct peer *p);
/* Since when (clock_ms()) more is queued for the peer than its bound allows; 0
 * if it is not. The owner closes a peer for which this lasts too long. */
uint64_t peer_over_since_ms(const struct peer *p);
/* Reads and delivers the share of a turn now, without waiting for the loop to
 * find the socket readable; not from within on_message. The peer may be gone
 * afterwards. */
void peer_read_now(struct peer *p);
/* Stops and starts reading and delivering. */
void peer_pause(struct peer *p, bool paused);
