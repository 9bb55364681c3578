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
	struct request *returned; /* the last one returned, if still queued */
};

void hold_init(struct hold *h, uint32_t count_max, size_t bytes_max);
/* Queues a request. false: the queue is full; counts that and leaves the
 * request alone. */
bool hold_push(struct hold *h, struct request *r);
/* Puts a request back in the order of accepted_us, under the same limits: a
 * replay goes before later requests, and replays keep their order. Cheap for
 * many that return oldest first. */
bool hold_return(struct hold *h, struct request *r);
struct request *hold_pop(struct hold *h); /* NULL: empty */
void hold_remove(struct hold *h, struct request *r);
