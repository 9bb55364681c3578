/* pace: splits long work on files into slices, with a pause after each, at low
 * priority. It does none of the work itself. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What one file, folder or link counts in addition to its bytes. */
#define PACE_ENTRY_BYTES (4 * 1024)

/* One piece of work from its beginning to its end; all zero at first. */
struct pace {
	uint64_t bytes;		  /* done so far */
	uint64_t rest_at;	  /* in bytes: the end of this slice */
	uint64_t wall_us, cpu_us; /* at its start */
	uint64_t rested_ms;	  /* in all */
	bool polite;
};

/* Call after each further `bytes`. Returns at once while the work is small,
 * later perhaps after a few ms. */
void pace_add(struct pace *p, uint64_t bytes);
