/* slices: sends new events and lines to followers, a slice per turn of the
 * loop. All followers share a limit per turn; the others wait for the next
 * turn, in the order in which they asked. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "proto/util/list.h"

/* Past it, no slice begins. What slices write is sent afterwards, which costs
 * far more than writing it, so their number is limited, too. */
#define SLICES_TURN_US 2000
#define SLICES_TURN_MAX 32
/* Limits of one slice; its last row is always sent whole. */
#define SLICE_ROWS 50
#define SLICE_BYTES (64 * 1024)

struct slices;

struct slice {
	struct list node; /* empty: not waiting */
	/* Sends a slice; true: there is more. */
	bool (*run)(struct slice *s);
};

/* Creates gateway.slices, which must outlive all waiting slices. */
struct slices *slices_create(struct ev_loop *loop);
void slices_destroy(struct slices *q); /* NULL is fine */

void slice_init(struct slice *s, bool (*run)(struct slice *s));
/* Calls run() now if nobody waits and there is room, or else in a later turn;
 * then once per turn until run() returns false. A slice that already waits
 * keeps its place. */
void slice_take(struct slices *q, struct slice *s);
void slice_leave(struct slice *s); /* idempotent; not within run() */
