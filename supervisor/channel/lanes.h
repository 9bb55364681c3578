/* lanes: what is to be done in order within a lane, and side by side in
 * different lanes. One item of a lane is in progress at a time, and at most a
 * given number of lanes are. Lanes take turns. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/map.h"

struct lane;

/* A member of what is to be done. */
struct lane_item {
	struct list node;  /* in lane.items */
	struct lane *lane; /* NULL: in none */
	bool is_urgent;
};

struct lane {
	struct lanes *lanes;
	struct list items; /* the first one may be in progress */
	struct list turn;  /* in lanes.ready, or lanes.urgent */
	uint32_t urgent;   /* items */
	bool is_busy;	   /* its first item is in progress */
	bool pauses;	   /* … but counts as none */
	char *key;
	size_t key_length;
};

struct lanes {
	struct map by_key;
	struct list ready;  /* struct lane.turn: not busy, has items */
	struct list urgent; /* the same of those that have urgent items */
	uint32_t count;	    /* items, those in progress included */
	uint32_t busy, busy_max;
};

void lanes_init(struct lanes *l, uint32_t busy_max);
/* All items must be gone. */
void lanes_finish(struct lanes *l);
/* Takes the item as the last one of its lane. */
void lanes_push(struct lanes *l, struct bytes key, struct lane_item *item);
/* The item that may begin now, and is in progress from here on; NULL: none. */
struct lane_item *lanes_begin(struct lanes *l);
/* The same of a lane that has an urgent item, which those before it delay. */
struct lane_item *lanes_begin_urgent(struct lanes *l);
/* Does nothing for an item in no lane. */
void lanes_set_urgent(struct lane_item *item, bool is_urgent);
/* An item in progress keeps its lane, but does not count as in progress until
 * lanes_return(). */
void lanes_pause(struct lane_item *item);
/* An item in progress waits again, as the first one of its lane, which has its
 * next turn after all others. */
void lanes_return(struct lane_item *item);
/* The item leaves, in progress or not. Does nothing for one in no lane. */
void lanes_remove(struct lane_item *item);
