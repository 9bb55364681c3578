#include "bucket.h"

uint64_t
bucket_take(struct bucket *b, uint64_t now_ms)
{
	uint64_t from_ms = b->full_at_ms > now_ms ? b->full_at_ms : now_ms;
	uint64_t to_ms = from_ms + b->every_ms;
	uint64_t most_ms = now_ms + b->burst * b->every_ms;

	if (to_ms > most_ms)
		return to_ms - most_ms;
	b->full_at_ms = to_ms;
	return 0;
}

void
bucket_set(struct bucket *b, uint64_t burst, uint64_t every_ms, uint64_t now_ms)
{
	uint64_t taken = 0;

	if (b->every_ms && b->full_at_ms > now_ms)
		taken = (b->full_at_ms - now_ms + b->every_ms - 1) /
			b->every_ms;
	b->burst = burst;
	b->every_ms = every_ms;
	b->full_at_ms = now_ms + taken * every_ms;
}
