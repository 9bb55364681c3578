/* window: the messages of one owner of a channel that are not all acknowledged,
 * in the order of arrival, and from them the cursor up to which everything is.
 * What was refused as busy ends that prefix until the same message comes again.
 * Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/map.h"

/* Messages that were refused and have not come again; beyond this, the cursor
 * stays where it is until the channel starts again. */
#define WINDOW_GAPS_MAX 1024

struct window_entry;

struct window {
	struct list entries; /* struct window_entry.node, oldest first */
	uint32_t count;
	uint64_t arrivals;
	struct map gaps; /* by id */
	bool is_stuck;	 /* there were too many gaps */
	bool has_moved;
	char *cursor; /* of the prefix; NULL: none yet */
	size_t cursor_length;
};

void window_init(struct window *w);
void window_finish(struct window *w);
/* A message arrives; cursor: the position after it, at NULL if it has none. It
 * takes its old place if it was refused before, the earliest of several. NULL:
 * the window is stuck; the others take that, too. */
struct window_entry *window_arrive(
	struct window *w, struct bytes id, struct bytes cursor);
/* Either ends the use of the entry. */
void window_acknowledge(struct window *w, struct window_entry *entry);
void window_refuse(struct window *w, struct window_entry *entry); /* busy */
/* Whether the cursor has moved since the last call; it is borrowed. */
bool window_moved(struct window *w, struct bytes *cursor_out);
/* All that arrived was acknowledged. */
bool window_is_clear(const struct window *w);
