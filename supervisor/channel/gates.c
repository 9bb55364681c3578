/* gates: a gate exists while it is shut, or while something of its lane is on
 * its way. */
#include "supervisor/channel/gates.h"

#include <stdlib.h>

#include "proto/util/memory.h"

struct gate {
	struct list node; /* in gates.shut, while it is shut */
	char *lane, *id;  /* id: of the message that shut it; NULL: open */
	size_t lane_length, id_length;
	uint64_t number, owner, until_ms; /* of that message */
	uint32_t on_way;
};

void
gates_init(struct gates *g)
{
	*g = (struct gates){0};
	list_init(&g->shut);
}

static void
destroy(struct gates *g, struct gate *gate)
{
	map_remove(&g->by_lane, gate->lane, gate->lane_length);
	free(gate->lane);
	free(gate->id);
	free(gate);
}

static struct gate *
find(const struct gates *g, struct bytes lane)
{
	return map_get(&g->by_lane, lane.at, lane.length);
}

static struct gate *
claim(struct gates *g, struct bytes lane)
{
	struct gate *gate = find(g, lane);

	if (gate)
		return gate;
	gate = memory_alloc(sizeof(*gate));
	list_init(&gate->node);
	gate->lane = memory_copy_bytes(lane.at, lane.length);
	gate->lane_length = lane.length;
	map_set(&g->by_lane, lane.at, lane.length, gate);
	return gate;
}

static void
forget_if_idle(struct gates *g, struct gate *gate)
{
	if (!gate->on_way && !gate->id)
		destroy(g, gate);
}

static void
open_gate(struct gates *g, struct gate *gate)
{
	list_remove(&gate->node);
	g->shut_count--;
	free(gate->id);
	gate->id = NULL;
	forget_if_idle(g, gate);
}

void
gates_finish(struct gates *g)
{
	const struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&g->by_lane, &i));) {
		struct gate *gate = entry->value;

		free(gate->lane);
		free(gate->id);
		free(gate);
	}
	map_finish(&g->by_lane);
}

static void
open_late(struct gates *g, uint64_t now_ms)
{
	list_for_each_safe (node, &g->shut) {
		struct gate *gate = container_of(node, struct gate, node);

		if (gate->until_ms > now_ms)
			return;
		if (!gate->on_way)
			open_gate(g, gate);
	}
}

bool
gates_are_shut(
	struct gates *g, struct bytes lane, struct bytes id, uint64_t now_ms)
{
	struct gate *gate;

	open_late(g, now_ms);
	gate = find(g, lane);
	if (!gate || !gate->id)
		return false;
	if (gate->on_way ||
		!bytes_equal((struct bytes){gate->id, gate->id_length}, id))
		return true;
	open_gate(g, gate);
	return false;
}

uint64_t
gates_enter(struct gates *g, struct bytes lane)
{
	claim(g, lane)->on_way++;
	return ++g->arrivals;
}

bool
gates_leave(struct gates *g, struct bytes lane, uint64_t number)
{
	struct gate *gate = find(g, lane);
	bool is_behind = gate->id && gate->number < number;

	gate->on_way--;
	if (!gate->on_way && gate->id && !gate->owner)
		open_gate(g, gate);
	else
		forget_if_idle(g, gate);
	return is_behind;
}

void
gates_shut(struct gates *g, struct bytes lane, struct bytes id, uint64_t number,
	uint64_t owner, uint64_t now_ms)
{
	struct gate *gate = find(g, lane);
	bool is_new = !gate || !gate->id;

	number = number ? number : ++g->arrivals;
	if (is_new && ((!owner && !gate) || g->shut_count >= GATES_MAX))
		return;
	if (!is_new && gate->number < number)
		return;
	gate = claim(g, lane);
	free(gate->id);
	gate->id = memory_copy_bytes(id.at, id.length);
	gate->id_length = id.length;
	gate->number = number;
	gate->owner = owner;
	gate->until_ms = now_ms + GATE_SHUT_MS;
	list_remove(&gate->node);
	list_append(&g->shut, &gate->node);
	g->shut_count += is_new;
}

void
gates_forget_owner(struct gates *g, uint64_t owner)
{
	list_for_each_safe (node, &g->shut) {
		struct gate *gate = container_of(node, struct gate, node);

		if (gate->owner != owner)
			continue;
		gate->owner = 0;
		if (!gate->on_way)
			open_gate(g, gate);
	}
}
