/* wheel: a timer sits in the slot of the first tick at or after its deadline;
 * turning visits the slots that passed and puts back what is a round or more
 * away. */
#include "proto/util/wheel.h"

#include <stddef.h>

static uint64_t
wheel_tick_of(uint64_t due_ms)
{
	return due_ms / WHEEL_TICK_MS + (due_ms % WHEEL_TICK_MS != 0);
}

void
wheel_init(struct wheel *w, uint64_t now_ms)
{
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		list_init(&w->slots[i]);
	w->tick = now_ms / WHEEL_TICK_MS;
	w->armed = 0;
	w->planned = 0;
	w->on_earlier = NULL;
}

void
wheel_timer_init(struct wheel_timer *t, void (*fire)(struct wheel_timer *timer))
{
	list_init(&t->node);
	t->due_ms = 0;
	t->fire = fire;
}

void
wheel_set(struct wheel *w, struct wheel_timer *t, uint64_t due_ms)
{
	uint64_t tick = wheel_tick_of(due_ms);

	wheel_clear(w, t);
	if (tick <= w->tick)
		tick = w->tick + 1;
	t->due_ms = due_ms;
	list_append(&w->slots[tick % WHEEL_SLOTS], &t->node);
	w->armed++;
	if (tick < w->planned) {
		w->planned = tick;
		w->on_earlier(w);
	}
}

void
wheel_clear(struct wheel *w, struct wheel_timer *t)
{
	if (!wheel_timer_is_set(t))
		return;
	list_remove(&t->node);
	w->armed--;
}

static void
wheel_turn_slot(struct wheel *w, struct list *slot, uint64_t now_ms)
{
	struct list passed;

	if (list_is_empty(slot))
		return;
	passed = *slot;
	passed.next->previous = passed.previous->next = &passed;
	list_init(slot);
	while (!list_is_empty(&passed)) {
		struct wheel_timer *t =
			container_of(passed.next, struct wheel_timer, node);

		list_remove(&t->node);
		if (t->due_ms > now_ms) {
			list_append(slot, &t->node);
			continue;
		}
		w->armed--;
		t->fire(t);
	}
}

static void
wheel_turn_slots(struct wheel *w, uint64_t now_ms)
{
	uint64_t last = now_ms / WHEEL_TICK_MS;

	if (last > w->tick + WHEEL_SLOTS)
		w->tick = last - WHEEL_SLOTS;
	while (w->tick < last) {
		if (!w->armed) {
			w->tick = last;
			return;
		}
		w->tick++;
		wheel_turn_slot(w, &w->slots[w->tick % WHEEL_SLOTS], now_ms);
	}
}

void
wheel_turn(struct wheel *w, uint64_t now_ms)
{
	uint64_t planned = w->planned;

	w->planned = 0; /* what is set now is seen by the next plan */
	wheel_turn_slots(w, now_ms);
	w->planned = planned;
}

uint64_t
wheel_plan(struct wheel *w)
{
	w->planned = WHEEL_NEVER;
	if (!w->armed)
		return WHEEL_NEVER;
	for (uint64_t tick = w->tick + 1;; tick++)
		if (!list_is_empty(&w->slots[tick % WHEEL_SLOTS])) {
			w->planned = tick;
			return tick * WHEEL_TICK_MS;
		}
}
