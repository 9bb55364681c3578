/* slices: limited by time, because the cost of a slice depends on its content,
 * and by number. */
#include "supervisor/control/slices.h"

#include <stdint.h>
#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

struct slices {
	struct ev_loop *loop;
	struct list waiting;
	unsigned turn;	  /* the ev_iteration() that the next two are for */
	unsigned count;	  /* slices that ran in that turn, */
	uint64_t used_us; /* and the time that they took */
	ev_prepare prepare;
	ev_idle spin; /* the loop does not sleep while somebody waits */
};

static bool
has_room(struct slices *q)
{
	unsigned now = ev_iteration(q->loop);

	if (now != q->turn) {
		q->turn = now;
		q->count = 0;
		q->used_us = 0;
	}
	return q->count < SLICES_TURN_MAX && q->used_us < SLICES_TURN_US;
}

static void
put_off(struct slices *q, struct slice *s)
{
	list_append(&q->waiting, &s->node);
	ev_prepare_start(q->loop, &q->prepare);
	ev_idle_start(q->loop, &q->spin);
}

static void
run_one(struct slices *q, struct slice *s)
{
	uint64_t from = clock_us();
	bool more = s->run(s);

	q->used_us += clock_us() - from;
	q->count++;
	if (more)
		put_off(q, s);
}

/* Runs each waiting slice once, while there is room. */
static void
on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
	struct slices *q = container_of(watcher, struct slices, prepare);
	struct list *last = q->waiting.previous, *node = NULL;

	(void)events;
	while (node != last && !list_is_empty(&q->waiting) && has_room(q)) {
		node = q->waiting.next;
		list_remove(node);
		run_one(q, container_of(node, struct slice, node));
	}
	if (!list_is_empty(&q->waiting))
		return;
	ev_prepare_stop(loop, &q->prepare);
	ev_idle_stop(loop, &q->spin);
}

static void
on_spin(struct ev_loop *loop, ev_idle *watcher, int events)
{
	(void)loop, (void)watcher, (void)events;
}

struct slices *
slices_create(struct ev_loop *loop)
{
	struct slices *q = memory_alloc(sizeof(*q));

	q->loop = loop;
	list_init(&q->waiting);
	ev_prepare_init(&q->prepare, on_prepare);
	/* before the doors write, so that a slice leaves in this turn */
	ev_set_priority(&q->prepare, 2);
	ev_idle_init(&q->spin, on_spin);
	return q;
}

void
slices_destroy(struct slices *q)
{
	if (!q)
		return;
	ev_prepare_stop(q->loop, &q->prepare);
	ev_idle_stop(q->loop, &q->spin);
	free(q);
}

void
slice_init(struct slice *s, bool (*run)(struct slice *s))
{
	list_init(&s->node);
	s->run = run;
}

void
slice_take(struct slices *q, struct slice *s)
{
	if (!list_is_empty(&s->node))
		return;
	if (list_is_empty(&q->waiting) && has_room(q))
		run_one(q, s);
	else
		put_off(q, s);
}

void
slice_leave(struct slice *s)
{
	list_remove(&s->node);
}
