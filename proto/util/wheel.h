/* wheel: many deadlines, few of which come due. Setting, moving and clearing
 * one is O(1); a deadline fires up to WHEEL_TICK_MS late and never early.
 * Pure: the owner calls wheel_turn() with the time, about every tick or, if it
 * wants to sleep while nothing is due, when wheel_plan() says. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/list.h"

#define WHEEL_TICK_MS 20
#define WHEEL_SLOTS 4096 /* later deadlines go round again */

struct wheel_timer {
	struct list node;
	uint64_t due_ms;			 /* clock_ms() */
	void (*fire)(struct wheel_timer *timer); /* may set or clear any */
};

struct wheel {
	struct list slots[WHEEL_SLOTS];
	uint64_t tick; /* the last one turned */
	uint64_t armed;
	uint64_t planned; /* the tick that the owner wakes at, 0: each */
	/* A deadline before the planned tick was set; `planned` is its. */
	void (*on_earlier)(struct wheel *w);
};

#define WHEEL_NEVER UINT64_MAX

void wheel_init(struct wheel *w, uint64_t now_ms);
void wheel_timer_init(
	struct wheel_timer *t, void (*fire)(struct wheel_timer *timer));
void wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due_ms);
void wheel_clear(struct wheel *w, struct wheel_timer *t);
static inline bool
wheel_timer_is_set(const struct wheel_timer *t)
{
	return t->node.next != &t->node;
}
void wheel_turn(struct wheel *w, uint64_t now_ms);
/* After a turn, for an owner with on_earlier: the time (clock_ms()) of the
 * next turn at which something may be due, at most a round away, or
 * WHEEL_NEVER. */
uint64_t wheel_plan(struct wheel *w);
