/* api_turn: limits the slice by time, because the cost of a call depends on its
 * arguments and its result. */
#include "supervisor/http/api_turn.h"

#include "proto/util/clock.h"
#include "supervisor/http/server.h"

void
api_turn_init(struct api_turn *t)
{
	list_init(&t->waiting);
	t->used_us = 0;
}

static void
run(struct api_turn *t, struct api_waiter *w)
{
	uint64_t begin_us = clock_us();

	list_remove(&w->node);
	w->run(w);
	t->used_us += clock_us() - begin_us;
}

void
api_turn_take(struct http_server *s, struct api_waiter *w)
{
	struct api_turn *t = &s->api_turn;

	if (list_is_empty(&t->waiting) && t->used_us < API_TURN_US) {
		run(t, w);
	} else {
		list_append(&t->waiting, &w->node);
		ev_idle_start(s->loop, &s->spin);
	}
}

void
api_turn_leave(struct api_waiter *w)
{
	list_remove(&w->node);
}

void
api_turn_begin(struct http_server *s)
{
	struct api_turn *t = &s->api_turn;

	t->used_us = 0;
	while (!list_is_empty(&t->waiting) && t->used_us < API_TURN_US)
		run(t, container_of(t->waiting.next, struct api_waiter, node));
	if (!list_is_empty(&t->waiting))
		ev_idle_start(s->loop, &s->spin);
}
