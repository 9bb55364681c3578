/* hold: the queue of what waits, with its limits. Never ends a request: who
 * is refused or waits too long is told by the caller. */
#include "supervisor/route/hold.h"

#include <assert.h>

void
hold_init(struct hold *h, uint32_t count_max, size_t bytes_max)
{
	*h = (struct hold){.count_max = count_max, .bytes_max = bytes_max};
	list_init(&h->queue);
}

/* Room for the request, which then counts as held. */
static bool
hold_admit(struct hold *h, struct request *r)
{
	assert(r->place == REQUEST_NOWHERE);
	if (h->count >= h->count_max || r->held_bytes > h->bytes_max ||
		h->bytes > h->bytes_max - r->held_bytes) {
		h->overflow_total++;
		return false;
	}
	r->place = REQUEST_HELD;
	h->count++;
	h->bytes += r->held_bytes;
	h->held_total++;
	return true;
}

bool
hold_push(struct hold *h, struct request *r)
{
	if (!hold_admit(h, r))
		return false;
	list_append(&h->queue, &r->node);
	return true;
}

/* Ids count up, so they tell what the clock is too coarse for. */
static bool
is_later(const struct request *a, const struct request *b)
{
	if (a->accepted_us != b->accepted_us)
		return a->accepted_us > b->accepted_us;
	return (int32_t)(a->id - b->id) > 0;
}

bool
hold_return(struct hold *h, struct request *r)
{
	struct list *at = h->queue.next;

	if (!hold_admit(h, r))
		return false;
	while (at != &h->queue &&
		!is_later(container_of(at, struct request, node), r))
		at = at->next;
	list_append(at, &r->node); /* before `at` */
	return true;
}

struct request *
hold_pop(struct hold *h)
{
	struct request *r;

	if (list_is_empty(&h->queue))
		return NULL;
	r = container_of(h->queue.next, struct request, node);
	hold_remove(h, r);
	return r;
}

void
hold_remove(struct hold *h, struct request *r)
{
	assert(r->place == REQUEST_HELD && h->count &&
		h->bytes >= r->held_bytes);
	list_remove(&r->node);
	r->place = REQUEST_NOWHERE;
	h->count--;
	h->bytes -= r->held_bytes;
}
