/* peer: one SP pair0 connection on a libev loop: greeting, frames in, and
 * batches of objects out. supd's worker endpoints and control sessions, the
 * native worker link and supctl all use it.
 *
 * Objects appended between peer_begin() and peer_end() go into an open batch
 * that is flushed once per loop turn (ev_prepare of its group), cut at
 * WIRE_BATCH_BYTES. It never blocks and never drops: who appends looks at
 * peer_backlog(). At most 256 KiB is read per turn, so that a flooding peer
 * cannot starve the others. An idle peer holds no buffer. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "proto/codec.h"
#include "proto/sp.h"
#include "proto/util/buffer.h"
#include "proto/util/list.h"

#define PEER_SPARES 8

/* All peers of a loop share one: its ev_prepare flushes those with something
 * to send, so a turn costs nothing for the quiet ones. Also holds the codec
 * that decodes for all, and the memory they read into and write from. */
struct peer_group {
	struct ev_loop *loop;
	ev_prepare prepare;
	struct list dirty;
	struct codec *codec; /* not for use inside on_message */
	uint8_t *shared;     /* what is being read and delivered now */
	bool busy;	     /* shared and codec are in use */
	unsigned spare_count;
	struct buffer spares[PEER_SPARES]; /* empty out buffers */
};

void peer_group_init(struct peer_group *g, struct ev_loop *loop);
/* After the last of its peers is finished. */
void peer_group_finish(struct peer_group *g);
/* What was appended so far is sent now, not at the end of the turn. */
void peer_group_flush(struct peer_group *g);

struct peer;

struct peer_ops {
	/* One decoded object; it is valid during the call only, also after
	 * the callback closed or finished the peer, which it may. */
	void (*on_message)(struct peer *p, const struct message *m);
	/* Once, after all that had arrived was delivered: the other side
	 * closed (reason NULL), broke the protocol or the socket failed. The
	 * fd is closed; the callback may peer_finish(). */
	void (*on_close)(struct peer *p, const char *reason);
	/* Optional: the backlog fell to zero after a partial write. */
	void (*on_flushed)(struct peer *p);
};

struct peer {
	struct peer_group *group;
	const struct peer_ops *ops;
	void *owner;
	int fd; /* -1: closed */
	ev_io readable, writable;
	struct list dirty_node;
	struct buffer in;    /* the beginning of a frame that is not whole */
	struct buffer out;   /* ends with the open batch, if any */
	size_t batch_start;  /* offset of its header from out's content */
	size_t object_start; /* likewise, set by peer_begin */
	uint32_t batch_objects;
	bool batch_open, greeted, paused, broken, delivering, read_all;
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
/* Reads what is still in the socket (a dead worker's last words) and delivers
 * it, as far as it is there without waiting; then on_close if it was EOF. */
void peer_read_rest(struct peer *p);

/* Pack exactly one object into the result, then peer_end(). On a closed peer
 * what is packed is thrown away. -1 from peer_end: the object is larger than
 * WIRE_MESSAGE_MAX and was removed again. */
msgpack_packer *peer_begin(struct peer *p);
int peer_end(struct peer *p);

size_t peer_backlog(const struct peer *p); /* bytes not yet in the kernel */
bool peer_flush(struct peer *p); /* now, not at the end of the turn; true:
				    all is in the kernel */
bool peer_is_open(const struct peer *p);
/* Stops and starts reading (a client that floods, a full queue). What was read
 * already is delivered all the same. */
void peer_pause(struct peer *p, bool paused);
