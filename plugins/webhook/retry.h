/* retry: what becomes of an attempt, and when the next one is due. Pure. */
#pragma once

#include <stdint.h>

enum outcome {
	OUTCOME_DELIVERED,
	OUTCOME_RETRY,
	OUTCOME_REFUSED, /* trying again would not help */
};

/* By the status of the answer; 0: there was none. */
enum outcome retry_judge(long status);
/* The pause after this many failures (1, …): doubled from least to most, and
 * of that between a half and all, by a random number. */
uint64_t retry_pause_ms(unsigned failures, uint64_t least_ms, uint64_t most_ms,
	uint32_t random);
/* The value of Retry-After: seconds or a date. How long from now, at most a
 * day; 0: it says nothing. NULL is fine. */
uint64_t retry_after_ms(const char *value, int64_t now_s);
