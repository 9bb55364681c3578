/* hold: the queue of held requests, with its limits. Never ends a request: the
 * caller refuses requests and ends those held too long. */
#include "supervisor/route/hold.h"

#include <assert.h>

void
hold_init(struct hold *h, uint32_t count_max, size_t bytes_max)
{
	*h = (struct hold){.count_max = count_max, .bytes_max = bytes_max};
	list_init(&h->queue);
}

/* Whether there is room for the request, which then counts as held. */
static bool
hold_admit(struct hold *h, struct request *r)
{
	assert(r->where == REQUEST_NOWHERE);
	if (h->count >= h->count_max || r->held_bytes > h->bytes_max ||
		h->bytes > h->bytes_max - r->held_bytes) {
		h->overflow_total++;
		return false;
	}
	r->where = REQUEST_HELD;
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

/* Ids count up, so they decide if the clock is too coarse. */
static bool
is_later(const struct request *a, const struct request *b)
{
	if (a->accepted_us != b->accepted_us)
		return a->accepted_us > b->accepted_us;
	return (int32_t)(a->id - b->id) > 0;
}

/* Requests that return together return oldest first, so the search begins where
 * the last one was put. */
bool
hold_return(struct hold *h, struct request *r)
{
	struct list *at = h->queue.next;

	if (!hold_admit(h, r))
		return false;
	if (h->returned && !is_later(h->returned, r))
		at = h->returned->node.next;
	while (at != &h->queue &&
		!is_later(container_of(at, struct request, node), r))
		at = at->next;
	list_append(at, &r->node); /* before `at` */
	h->returned = r;
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
	assert(r->where == REQUEST_HELD && h->count &&
		h->bytes >= r->held_bytes);
	if (h->returned == r)
		h->returned = NULL;
	list_remove(&r->node);
	r->where = REQUEST_NOWHERE;
	h->count--;
	h->bytes -= r->held_bytes;
}
