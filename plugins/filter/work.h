/* work: how much the rules may do for one event, and why they gave up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define TEXT_BYTES_MAX ((size_t)1024 * 1024) /* of a text that a rule makes */
#define WORK_BYTES_MAX ((size_t)4 * 1024 * 1024) /* of all of them */

struct work {
	uint64_t until_ms; /* on work_clock_ms() */
	size_t made_bytes; /* of texts */
	const char *why;   /* static text */
};

/* Counts what this thread has worked. The time that other processes use does
 * not make its rules late. */
static inline uint64_t
work_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline bool
work_is_late(struct work *w)
{
	if (work_clock_ms() < w->until_ms)
		return false;
	w->why = "the rules take too long";
	return true;
}

/* Whether a text of `bytes` may get `more`. */
static inline bool
work_has_room(struct work *w, size_t bytes, size_t more)
{
	w->made_bytes += more;
	if (bytes + more <= TEXT_BYTES_MAX && w->made_bytes <= WORK_BYTES_MAX)
		return true;
	w->why = "the rules make too much text";
	return false;
}
