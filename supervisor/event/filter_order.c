/* filter_order: the filters of an event in the order in which they are asked.
 */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/event/filter.h"
#include "supervisor/event/hook.h"

bool
filter_is_there(const struct events *e, const char *name)
{
	const struct topic *topic = topics_find(&e->topics, bytes_of(name));

	return topic && !list_is_empty(&topic->filters);
}

static int
compare(const void *a, const void *b)
{
	const struct hook *first = *(const struct hook *const *)a;
	const struct hook *second = *(const struct hook *const *)b;
	int64_t p = first->declared->hook.priority;
	int64_t q = second->declared->hook.priority;

	if (p != q)
		return p > q ? -1 : 1;
	if (first->owner->place != second->owner->place)
		return first->owner->place < second->owner->place ? -1 : 1;
	return first->index < second->index ? -1 : 1;
}

uint32_t
filter_order(struct events *e, const struct hook *h)
{
	uint32_t order = 1;

	hooks_know_places(e);
	list_for_each (node, &h->topic->filters) {
		struct hook *other = container_of(node, struct hook, in_topic);

		order += other != h && compare(&other, &h) < 0;
	}
	return order;
}

struct hook **
filters_in_order(struct events *e, const char *name, uint32_t *count_out)
{
	const struct topic *topic = topics_find(&e->topics, bytes_of(name));
	struct hook **list;
	uint32_t count = 0;

	*count_out = 0;
	if (!topic)
		return NULL;
	list_for_each (node, &topic->filters)
		count++;
	list = memory_alloc((count + 1) * sizeof(struct hook *));
	count = 0;
	list_for_each (node, &topic->filters)
		list[count++] = container_of(node, struct hook, in_topic);
	hooks_know_places(e);
	qsort(list, count, sizeof(struct hook *), compare);
	*count_out = count;
	return list;
}
