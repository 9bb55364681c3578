/* lanes: a list of items for each key, and a list of the keys that may begin.
 */
#include "supervisor/channel/lanes.h"

#include <stdlib.h>

#include "proto/util/memory.h"

void
lanes_init(struct lanes *l, uint32_t busy_max)
{
	*l = (struct lanes){.busy_max = busy_max};
	list_init(&l->ready);
	list_init(&l->urgent);
}

void
lanes_finish(struct lanes *l)
{
	map_finish(&l->by_key);
}

static struct lane *
lane_of(struct lanes *l, struct bytes key)
{
	struct lane *lane = map_get(&l->by_key, key.at, key.length);

	if (lane)
		return lane;
	lane = memory_alloc(sizeof(*lane));
	lane->lanes = l;
	list_init(&lane->items);
	list_init(&lane->turn);
	lane->key = memory_copy_bytes(key.at, key.length);
	lane->key_length = key.length;
	map_set(&l->by_key, key.at, key.length, lane);
	return lane;
}

static void
queue_up(struct lane *lane)
{
	struct lanes *l = lane->lanes;

	if (!lane->is_busy && !list_is_empty(&lane->items) &&
		list_is_empty(&lane->turn))
		list_append(lane->urgent ? &l->urgent : &l->ready, &lane->turn);
}

void
lanes_set_urgent(struct lane_item *item, bool is_urgent)
{
	struct lane *lane = item->lane;
	bool was_urgent;

	if (!lane || item->is_urgent == is_urgent)
		return;
	was_urgent = lane->urgent;
	item->is_urgent = is_urgent;
	lane->urgent += is_urgent ? 1 : -1;
	if (was_urgent == (lane->urgent > 0))
		return;
	list_remove(&lane->turn);
	queue_up(lane);
}

void
lanes_push(struct lanes *l, struct bytes key, struct lane_item *item)
{
	item->lane = lane_of(l, key);
	list_append(&item->lane->items, &item->node);
	l->count++;
	queue_up(item->lane);
}

static struct lane_item *
first_of(const struct lane *lane)
{
	return container_of(lane->items.next, struct lane_item, node);
}

static struct lane_item *
begin(struct lanes *l, struct list *from)
{
	struct lane *lane;

	if (l->busy >= l->busy_max || list_is_empty(from))
		return NULL;
	lane = container_of(from->next, struct lane, turn);
	list_remove(&lane->turn);
	lane->is_busy = true;
	l->busy++;
	return first_of(lane);
}

struct lane_item *
lanes_begin_urgent(struct lanes *l)
{
	return begin(l, &l->urgent);
}

struct lane_item *
lanes_begin(struct lanes *l)
{
	struct lane_item *item = lanes_begin_urgent(l);

	return item ? item : begin(l, &l->ready);
}

static bool
is_in_progress(const struct lane_item *item)
{
	return item->lane->is_busy && item->lane->items.next == &item->node;
}

static void
rest(struct lane *lane)
{
	lane->lanes->busy -= !lane->pauses;
	lane->is_busy = lane->pauses = false;
}

void
lanes_pause(struct lane_item *item)
{
	struct lane *lane = item->lane;

	lane->lanes->busy -= !lane->pauses;
	lane->pauses = true;
}

void
lanes_return(struct lane_item *item)
{
	rest(item->lane);
	queue_up(item->lane);
}

static void
free_if_empty(struct lane *lane)
{
	if (!list_is_empty(&lane->items))
		return;
	list_remove(&lane->turn);
	map_remove(&lane->lanes->by_key, lane->key, lane->key_length);
	free(lane->key);
	free(lane);
}

void
lanes_remove(struct lane_item *item)
{
	struct lane *lane = item->lane;

	if (!lane)
		return;
	lanes_set_urgent(item, false);
	if (is_in_progress(item))
		rest(lane);
	list_remove(&item->node);
	item->lane = NULL;
	lane->lanes->count--;
	queue_up(lane);
	free_if_empty(lane);
}
