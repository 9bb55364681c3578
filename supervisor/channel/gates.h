/* gates: the lanes of a channel by what came in of them and is not kept yet. A
 * plugin may have many messages of a lane on their way at once. When one of
 * them is refused as busy, the gate of its lane is shut: those behind it are
 * refused as well until it comes again, so none overtakes it. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/map.h"

/* Lanes that are shut; beyond this, others stay open, and a plugin must itself
 * wait for the answer to a message before it sends the next one of a lane. */
#define GATES_MAX 1024
/* A gate opens by itself after this, for a plugin that has given the refused
 * message up. */
#define GATE_SHUT_MS 60000

struct gates {
	struct map by_lane; /* struct gate */
	struct list shut;   /* struct gate.node, oldest first */
	uint32_t shut_count;
	uint64_t arrivals;
};

void gates_init(struct gates *g);
void gates_finish(struct gates *g);
/* Whether a message that comes now must be refused. The one that shut the gate
 * opens it, unless some behind it are still on their way. */
bool gates_are_shut(
	struct gates *g, struct bytes lane, struct bytes id, uint64_t now_ms);
/* A message is on its way to the store, until gates_leave(). Its number. */
uint64_t gates_enter(struct gates *g, struct bytes lane);
/* Whether the lane's gate is shut by a message that came before this one. */
bool gates_leave(struct gates *g, struct bytes lane, uint64_t number);
/* A message was refused. number: of gates_enter(), which must have been left;
 * 0: it never entered. owner: whose end opens the gate; 0: it has ended. */
void gates_shut(struct gates *g, struct bytes lane, struct bytes id,
	uint64_t number, uint64_t owner, uint64_t now_ms);
void gates_forget_owner(struct gates *g, uint64_t owner);
