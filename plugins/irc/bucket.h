/* bucket: how many lines may be sent now: `burst` at once, and then one each
 * `every_ms`. Times are of the caller's clock. */
#pragma once

#include <stdint.h>

struct bucket {
	uint64_t burst, every_ms;
	uint64_t full_at_ms; /* when all of it is there again */
};

/* Takes one if there is any, and returns 0; else the milliseconds until there
 * is. */
uint64_t bucket_take(struct bucket *b, uint64_t now_ms);
/* Other limits, from now on; what was taken stays taken. */
void bucket_set(
	struct bucket *b, uint64_t burst, uint64_t every_ms, uint64_t now_ms);
