/* usage: the memory and processor time of a process, by one read of /proc,
 * without its children. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define USAGE_FRESH_US 1000000 /* figures up to this old are used again */

struct usage {
	bool is_known;	       /* if not, there is no such process */
	uint64_t at_us;	       /* clock_us() of the last read; 0: never read */
	uint64_t memory_bytes; /* resident */
	double cpu_seconds;    /* used since its start */
};

/* Reads the figures, unless they are at most fresh_us old. Returns whether it
 * has read them. */
bool usage_refresh(struct usage *u, pid_t pid, uint64_t fresh_us);
