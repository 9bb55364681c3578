/* api_turn: limits the time per loop turn for calls of /api. A call can cost
 * far more than a request to a worker (reading a megabyte of JSON, writing a
 * long list), so calls share a slice of each turn, and the rest waits for the
 * next turn, in order of arrival. */
#pragma once

#include <stdint.h>

#include "proto/util/list.h"

/* Past it, no call begins. A short slice costs calls nothing, because the loop
 * does not sleep while they wait; a request to a worker takes three turns, so
 * it is delayed by up to three slices. */
#define API_TURN_US 500

struct http_server;

struct api_waiter {
	struct list node; /* api_turn.waiting; empty: not waiting */
	void (*run)(struct api_waiter *w);
};

struct api_turn {
	struct list waiting; /* struct api_waiter.node, oldest first */
	uint64_t used_us;    /* in this turn */
};

void api_turn_init(struct api_turn *t);
/* Calls run() now or in a later turn, unless api_turn_leave() is called first.
 */
void api_turn_take(struct http_server *s, struct api_waiter *w);
void api_turn_leave(struct api_waiter *w); /* idempotent */
/* Call once per turn: runs waiting calls until the slice is used up. */
void api_turn_begin(struct http_server *s);
