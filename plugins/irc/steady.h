/* steady: milliseconds of a clock that nobody sets. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t
steady_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
