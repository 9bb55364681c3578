/* slices: sends new events and lines to followers, a slice per turn of the
 * loop. All followers share a time limit per turn; the others wait for the next
 * turn, in the order in which they asked. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "proto/util/list.h"

#define SLICES_TURN_US 2000 /* past it, no slice begins */
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
/* Calls run() now if nobody waits and there is time, or else in a later turn;
 * then once per turn until run() returns false. A slice that already waits
 * keeps its place. */
void slice_take(struct slices *q, struct slice *s);
void slice_leave(struct slice *s); /* idempotent; not within run() */
