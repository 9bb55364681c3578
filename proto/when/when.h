/* when: the grammar of a schedule's `when`, and the due times that follow from
 * it. Pure: the caller brings the time and the zone.
 *
 *	every 30s	a number and ms, s, m, h or d, or several of them
 *	0 3 * * mon	cron: minute, hour, day of month, month, day of week
 *	0 0 3 * * mon	the same with seconds first
 *	@daily		and @hourly @midnight @weekly @monthly @yearly @annually
 *
 * A field of cron is *, a number, a range a-b, each with /step but a single
 * number, or a list of these; months and days of the week have names of three
 * letters, and 0 and 7 are Sunday. If both days are restricted, either is
 * enough; if one begins with *, both must match.
 *
 * Daylight saving time, as in Vixie cron: an expression whose minute or hour
 * begins with * follows the clock on the wall. Another one is due once for each
 * time of day: what falls into an hour that is skipped is due when that hour
 * would have begun, and what falls into an hour that comes twice is due in the
 * first. That holds for changes of up to three hours. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"
#include "proto/when/zone.h"

#define WHEN_NEVER INT64_MAX
#define WHEN_EVERY_MIN_MS 100
#define WHEN_EVERY_MAX_MS (366ll * 24 * 3600 * 1000)

struct when {
	int64_t every_ms; /* 0: cron */
	/* Bits of what matches. */
	uint64_t seconds, minutes;
	uint32_t hours, days;	   /* days from bit 1 */
	uint16_t months, weekdays; /* months from bit 1 */
	bool one_day_enough;	   /* day and day of the week are restricted */
	bool follows_wall;	   /* minute or hour begins with * */
};

/* Refuses what never matches (30 February), too. -1 with err. */
int when_parse(struct when *w, const char *text, struct error *err);

/* The first due time after `after_ms`; both in milliseconds since 1970, UTC.
 * `every` counts from anchor_ms, and is first due one period later. */
int64_t when_next(const struct when *w, const struct zone *zone,
	int64_t anchor_ms, int64_t after_ms);
/* The number of due times after `after_ms` up to and including `until_ms`,
 * counted up to `most`, and the last of them. 0: none. */
uint64_t when_count(const struct when *w, const struct zone *zone,
	int64_t anchor_ms, int64_t after_ms, int64_t until_ms, uint64_t most,
	int64_t *last_ms_out);
