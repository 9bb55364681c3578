/* queue: records that wait to be exported, the oldest first, bounded in number
 * and bytes. */
#pragma once

#include "supervisor/telemetry/export/record.h"

struct record_queue {
	uint32_t count, count_max;
	size_t bytes_max;
	struct buffer bytes; /* of each: offset_us, length, the record */
};

/* False: it is full. */
bool record_queue_push(
	struct record_queue *q, int64_t offset_us, const uint8_t *at, size_t n);
/* Begins to read the oldest; false: there is none. It is valid until the next
 * call of any of these. */
bool record_queue_first(const struct record_queue *q, struct record *out);
void record_queue_drop(struct record_queue *q); /* the oldest */
/* The size of the oldest. */
size_t record_queue_size(const struct record_queue *q);
void record_queue_finish(struct record_queue *q);
