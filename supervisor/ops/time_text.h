/* time_text: wall-clock time as text: RFC 3339, UTC, with milliseconds. Pure.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define TIME_TEXT_BYTES 32

/* Writes "2026-11-21T10:00:00.123Z" into out and returns it. */
static inline const char *
time_text(char out[TIME_TEXT_BYTES], uint64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm utc;
	char date[24] = "";

	if (gmtime_r(&seconds, &utc))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, TIME_TEXT_BYTES, "%s.%03uZ", date,
		(unsigned)(wall_ms % 1000));
	return out;
}
