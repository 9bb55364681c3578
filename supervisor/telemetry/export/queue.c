/* queue: records one after the other in one piece of memory. */
#include "supervisor/telemetry/export/queue.h"

struct entry {
	int64_t offset_us;
	size_t length;
};

bool
record_queue_push(
	struct record_queue *q, int64_t offset_us, const uint8_t *at, size_t n)
{
	struct entry e = {offset_us, n};

	if (q->count >= q->count_max ||
		buffer_length(&q->bytes) + sizeof(e) + n > q->bytes_max)
		return false;
	buffer_append(&q->bytes, &e, sizeof(e));
	buffer_append(&q->bytes, at, n);
	q->count++;
	return true;
}

static struct entry
first(const struct record_queue *q)
{
	struct entry e;

	memcpy(&e, buffer_bytes(&q->bytes), sizeof(e));
	return e;
}

bool
record_queue_first(const struct record_queue *q, struct record *out)
{
	struct entry e;

	if (!q->count)
		return false;
	e = first(q);
	record_begin(out, buffer_bytes(&q->bytes) + sizeof(e), e.length);
	out->offset_us = e.offset_us;
	return true;
}

size_t
record_queue_size(const struct record_queue *q)
{
	return q->count ? first(q).length : 0;
}

void
record_queue_drop(struct record_queue *q)
{
	if (!q->count)
		return;
	buffer_consume(&q->bytes, sizeof(struct entry) + first(q).length);
	if (!--q->count)
		buffer_clear(&q->bytes);
}

void
record_queue_finish(struct record_queue *q)
{
	buffer_finish(&q->bytes);
	q->count = 0;
}
