/* hold: a bounded queue of accepted requests that wait until a worker can take
 * them, in order. One per plugin. Knows counts and bytes, no process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervisor/route/request.h"

struct hold {
	struct list queue; /* struct request.node, oldest first */
	uint32_t count;
	size_t bytes;
	uint32_t count_max;
	size_t bytes_max;
	uint64_t held_total, overflow_total; /* since the start */
};

void hold_init(struct hold *h, uint32_t count_max, size_t bytes_max);
/* false: full, and counted; the request is untouched. */
bool hold_push(struct hold *h, struct request *r);
/* Puts a request back to its place by accepted_us, under the same limits: a
 * replay goes before later work, and replays keep their order among each
 * other. Looks from the front, so of many the latest had better come first. */
bool hold_return(struct hold *h, struct request *r);
struct request *hold_pop(struct hold *h); /* NULL: empty */
void hold_remove(struct hold *h, struct request *r);
