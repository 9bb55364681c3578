/* when_next: due times, span by span of the zone: within a span local time is
 * UTC and an offset, and a change between two spans skips or repeats some of
 * it. */
#include "proto/when/when.h"

#include "proto/when/civil.h"

#define CHANGE_MAX_S (3 * 3600) /* as in Vixie cron */
/* A 29 February that is a Sunday comes after 40 years at the latest. */
#define SEARCH_MAX_S (41ll * 366 * CIVIL_DAY_S)

/* ---- local time ---- */

static bool
day_matches(const struct when *w, int64_t day, struct civil date)
{
	bool of_month = w->days >> date.day & 1;
	bool of_week = w->weekdays >> civil_weekday(day) & 1;

	return w->one_day_enough ? of_month || of_week : of_month && of_week;
}

/* The lowest bit from `from` on, or -1. */
static int
bit_from(uint64_t bits, unsigned from)
{
	bits = from < 64 ? bits >> from << from : 0;
	return bits ? __builtin_ctzll(bits) : -1;
}

/* The first second of a day from `from` on that matches, or -1. */
static int
second_of_day(const struct when *w, unsigned from)
{
	unsigned hour = from / 3600, minute = from / 60 % 60,
		 second = from % 60;
	int h = bit_from(w->hours, hour), m, s;

	if (h == (int)hour) {
		m = bit_from(w->minutes, minute);
		s = m == (int)minute ? bit_from(w->seconds, second) : -1;
		if (m == (int)minute && s < 0)
			m = bit_from(w->minutes, minute + 1);
		else if (m == (int)minute)
			return h * 3600 + m * 60 + s;
		if (m >= 0)
			return h * 3600 + m * 60 + bit_from(w->seconds, 0);
		h = bit_from(w->hours, hour + 1);
	}
	if (h < 0)
		return -1;
	return h * 3600 + bit_from(w->minutes, 0) * 60 +
	       bit_from(w->seconds, 0);
}

/* The first match in local time from `from` on and before `until`, both in
 * seconds, or WHEN_NEVER. */
static int64_t
local_next(const struct when *w, int64_t from, int64_t until)
{
	int64_t day = civil_day_of(from);
	unsigned start = (unsigned)(from - day * CIVIL_DAY_S);

	while (day * CIVIL_DAY_S < until) {
		struct civil date = civil_date(day);
		unsigned days = civil_month_days(date.year, date.month);
		int second = -1;

		if (!(w->months >> date.month & 1)) {
			day += days - date.day + 1;
			start = 0;
			continue;
		}
		if (day_matches(w, day, date))
			second = second_of_day(w, start);
		if (second >= 0) {
			int64_t found = day * CIVIL_DAY_S + second;

			return found < until ? found : WHEN_NEVER;
		}
		day++;
		start = 0;
	}
	return WHEN_NEVER;
}

/* ---- spans ---- */

static int64_t
plus(int64_t time, int32_t offset)
{
	return time == INT64_MAX || time == INT64_MIN ? time : time + offset;
}

/* What the change at the beginning of a span skips is due then. */
static bool
is_due_at_change(const struct when *w, const struct zone_span *span)
{
	int32_t skipped = span->offset - span->before;

	return !w->follows_wall && skipped > 0 && skipped <= CHANGE_MAX_S &&
	       local_next(w, span->from + span->before,
		       span->from + span->offset) != WHEN_NEVER;
}

/* Seconds at the beginning of a span whose local times have been before. */
static int32_t
repeated(const struct when *w, const struct zone_span *span)
{
	int32_t seconds = span->before - span->offset;

	return !w->follows_wall && seconds > 0 && seconds <= CHANGE_MAX_S
		       ? seconds
		       : 0;
}

static int64_t
cron_next(const struct when *w, const struct zone *zone, int64_t after)
{
	int64_t at = after + 1, end = after + SEARCH_MAX_S;

	while (at < end) {
		struct zone_span span;
		int64_t from, until, found;

		zone_span_at(zone, at, &span);
		if (span.from == at && is_due_at_change(w, &span))
			return at;
		from = span.from == INT64_MIN ? at
					      : span.from + repeated(w, &span);
		if (from < at)
			from = at;
		until = span.until < end ? span.until : end;
		found = local_next(
			w, plus(from, span.offset), plus(until, span.offset));
		if (found != WHEN_NEVER)
			return found - span.offset;
		at = until;
	}
	return WHEN_NEVER;
}

/* ---- both forms ---- */

static int64_t
second_of(int64_t ms)
{
	return ms / 1000 - (ms % 1000 < 0);
}

int64_t
when_next(const struct when *w, const struct zone *zone, int64_t anchor_ms,
	int64_t after_ms)
{
	int64_t second;

	if (w->every_ms) {
		if (after_ms < anchor_ms)
			return anchor_ms + w->every_ms;
		return anchor_ms +
		       ((after_ms - anchor_ms) / w->every_ms + 1) * w->every_ms;
	}
	second = cron_next(w, zone, second_of(after_ms));
	return second == WHEN_NEVER ? WHEN_NEVER : second * 1000;
}

/* The last due time up to until_ms, if there is one after after_ms: no due time
 * follows it up to until_ms, which a binary search finds. */
static int64_t
cron_last(const struct when *w, const struct zone *zone, int64_t after_ms,
	int64_t until_ms)
{
	int64_t low = second_of(after_ms), high = second_of(until_ms);

	while (low < high) { /* a due time follows low, none follows high */
		int64_t middle = low + (high - low) / 2;
		int64_t next = cron_next(w, zone, middle);

		if (next <= second_of(until_ms))
			low = next;
		else
			high = middle;
	}
	return low * 1000;
}

uint64_t
when_count(const struct when *w, const struct zone *zone, int64_t anchor_ms,
	int64_t after_ms, int64_t until_ms, uint64_t most, int64_t *last_ms_out)
{
	int64_t due = when_next(w, zone, anchor_ms, after_ms);
	uint64_t count = 0;

	if (due > until_ms)
		return 0;
	if (w->every_ms) {
		count = (uint64_t)((until_ms - due) / w->every_ms) + 1;
		*last_ms_out = due + (int64_t)(count - 1) * w->every_ms;
		return count < most ? count : most;
	}
	for (; due <= until_ms && count < most; count++) {
		*last_ms_out = due;
		due = when_next(w, zone, anchor_ms, due);
	}
	if (due <= until_ms)
		*last_ms_out = cron_last(w, zone, after_ms, until_ms);
	return count;
}
