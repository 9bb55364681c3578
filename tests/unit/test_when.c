/* when: the grammar, due times, and what daylight saving time does to them,
 * each as a table. The zones are made here, from rules; one test reads those
 * of the machine. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/when/civil.h"
#include "proto/when/when.h"
#include "proto/when/zone_rule.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct error err;

/* ---- times as text ---- */

/* "2026-03-29 01:30:00" as UTC */
static int64_t
utc(const char *text)
{
	int year, month, day, h, m, s;

	cr_assert_eq(sscanf(text, "%d-%d-%d %d:%d:%d", &year, &month, &day, &h,
			     &m, &s),
		6, "%s", text);
	return (civil_days(
			(struct civil){year, (unsigned)month, (unsigned)day}) *
			       CIVIL_DAY_S +
		       h * 3600 + m * 60 + s) *
	       1000;
}

static const char *
show(int64_t ms)
{
	static char texts[4][32];
	static unsigned turn;
	char *out = texts[turn++ % 4];
	int64_t day = civil_day_of(ms / 1000);
	struct civil date = civil_date(day);
	int second = (int)(ms / 1000 - day * CIVIL_DAY_S);

	if (ms == WHEN_NEVER)
		return "never";
	snprintf(out, 32, "%04d-%02u-%02u %02d:%02d:%02d", (int)date.year,
		date.month, date.day, second / 3600, second / 60 % 60,
		second % 60);
	return out;
}

/* ---- zones from rules ---- */

static struct zone *
zone_of(const char *rule)
{
	char file[512] = "";
	size_t size = 0;
	struct zone *z;

	for (int block = 0; block < 2; block++) {
		memcpy(file + size, "TZif2", 5);
		memset(file + size + 5, 0, 39);
		file[size + 39] = 1; /* one type */
		file[size + 43] = 4; /* characters */
		memset(file + size + 44, 0, 10);
		size += 54;
	}
	size += (size_t)snprintf(
		file + size, sizeof(file) - size, "\n%s\n", rule);
	z = zone_read(rule, (struct bytes){file, size}, &err);
	cr_assert(z, "%s", err.text);
	return z;
}

#define BERLIN "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
#define KOLKATA "IST-5:30"

static struct when
parsed(const char *text)
{
	struct when w;

	cr_assert_eq(when_parse(&w, text, &err), 0, "%s", err.text);
	return w;
}

/* ---- grammar ---- */

Test(when, what_is_understood)
{
	static const char *const good[] = {
		"every 30s",
		"every 100ms",
		"every 1h30m",
		"every 2d",
		"* * * * *",
		"*/5 * * * *",
		"0-30/10,45 8-18 * * mon-fri",
		"0 0 1,15 * *",
		"30 4 1 jan,JUL sun",
		"0 0 * * 7",
		"0 0 * * 5-7",
		"0 0 * * fri-sun",
		"15 30 2 * * *",
		"*/10 * * * * *",
		"  0\t0 *  * * ",
		"0 0 29 2 *",
		"0 0 31 2 mon",
		"@hourly",
		"@daily",
		"@midnight",
		"@weekly",
		"@monthly",
		"@yearly",
		"@annually",
	};
	struct when w;

	for (size_t i = 0; i < COUNT(good); i++)
		cr_expect_eq(when_parse(&w, good[i], &err), 0, "\"%s\": %s",
			good[i], err.text);
}

Test(when, what_is_refused_and_why)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "five or six fields"},
		{"soon", "five or six fields"},
		{"* * * *", "five or six fields"},
		{"* * * * * * *", "five or six fields"},
		{"every", "five or six fields"},
		{"every ", "needs a time"},
		{"every 5", "needs a time"},
		{"every s", "needs a time"},
		{"every 1h 30m", "needs a time"},
		{"every -5s", "needs a time"},
		{"every 99999999999999999999s", "needs a time"},
		{"every 367d", "needs a time"},
		{"every 0s", "100ms to 366d"},
		{"every 50ms", "100ms to 366d"},
		{"every 366d1s", "100ms to 366d"},
		{"60 * * * *", "minute \"60\" is not in its range (0-59)"},
		{"* 24 * * *", "hour \"24\""},
		{"* * 0 * *", "day of the month \"0\""},
		{"* * * 13 *", "month \"13\""},
		{"* * * * 8", "day of the week \"8\""},
		{"60 * * * * *", "second \"60\""},
		{"5-1 * * * *", "range from high to low"},
		{"* * * * sat-mon", "day of the week \"sat-mon\" is not"},
		{"5/10 * * * *", "needs a range before its step"},
		{"*/0 * * * *", "bad step"},
		{"*/4294967297 * * * *", "bad step"},
		{"*/ * * * *", "bad step"},
		{"*/5x * * * *", "bad step"},
		{"1,,2 * * * *", "minute \"\""},
		{"1- * * * *", "minute \"1-\""},
		{"-1 * * * *", "minute \"-1\""},
		{"* * * foo *", "month \"foo\""},
		{"* * * janx *", "month \"janx\" is not understood"},
		{"? * * * *", "minute \"?\""},
		{"* * L * *", "day of the month \"L\""},
		{"0 0 30 2 *", "no date ever matches"},
		{"0 0 31 2,4,6,9,11 *", "no date ever matches"},
		{"0 0 0 30 feb *", "no date ever matches"},
		{"@reboot", "is not @hourly"},
		{"@Daily", "is not @hourly"},
	};
	struct when w;

	for (size_t i = 0; i < COUNT(bad); i++) {
		cr_expect_eq(when_parse(&w, bad[i].text, &err), -1, "\"%s\"",
			bad[i].text);
		cr_expect(strstr(err.text, bad[i].why), "\"%s\": %s",
			bad[i].text, err.text);
	}
}

Test(when, a_text_without_end_is_refused)
{
	char text[70000];
	struct when w;

	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	cr_expect_eq(when_parse(&w, text, &err), -1);
	memcpy(text, "every ", 6);
	cr_expect_eq(when_parse(&w, text, &err), -1);
}

/* ---- due times ---- */

Test(when, due_times_in_utc)
{
	static const struct {
		const char *when, *after, *due;
	} rows[] = {
		{"* * * * *", "2026-11-29 12:00:00", "2026-11-29 12:01:00"},
		{"* * * * *", "2026-11-29 12:00:59", "2026-11-29 12:01:00"},
		{"* * * * * *", "2026-11-29 12:00:59", "2026-11-29 12:01:00"},
		{"30 * * * * *", "2026-11-29 12:00:30", "2026-11-29 12:01:30"},
		{"10,50 59 23 31 12 *", "2026-12-31 23:59:10",
			"2026-12-31 23:59:50"},
		{"10,50 59 23 31 12 *", "2026-12-31 23:59:50",
			"2027-12-31 23:59:10"},
		{"*/15 8-9 * * *", "2026-11-29 09:45:00",
			"2026-11-30 08:00:00"},
		{"7-59/10 * * * *", "2026-11-29 12:07:00",
			"2026-11-29 12:17:00"},
		{"@daily", "2026-11-29 00:00:00", "2026-11-30 00:00:00"},
		{"@hourly", "2026-12-31 23:00:00", "2027-01-01 00:00:00"},
		{"@weekly", "2026-11-29 00:00:00", "2026-12-06 00:00:00"},
		{"@monthly", "2026-11-29 00:00:00", "2026-12-01 00:00:00"},
		{"@yearly", "2026-11-29 00:00:00", "2027-01-01 00:00:00"},
		{"0 0 29 2 *", "2026-11-29 00:00:00", "2028-02-29 00:00:00"},
		{"0 0 29 2 *", "2096-03-01 00:00:00", "2104-02-29 00:00:00"},
		{"0 0 29 2 */7", "2088-03-01 00:00:00", "2128-02-29 00:00:00"},
		{"0 0 31 * *", "2026-04-01 00:00:00", "2026-05-31 00:00:00"},
		/* either day is enough if both are restricted */
		{"0 0 13 * fri", "2026-11-01 00:00:00", "2026-11-06 00:00:00"},
		{"0 0 13 * fri", "2026-12-11 00:00:00", "2026-12-13 00:00:00"},
		{"0 0 31 2 mon", "2026-01-31 00:00:00", "2026-02-02 00:00:00"},
		/* and both are needed if one begins with * */
		{"0 0 13 * *", "2026-11-14 00:00:00", "2026-12-13 00:00:00"},
		{"0 0 */2 * sun", "2026-11-01 00:00:00", "2026-11-15 00:00:00"},
		{"0 0 1-7 * */7", "2026-11-02 00:00:00", "2026-12-06 00:00:00"},
		{"0 0 * * 0", "2026-11-29 00:00:01", "2026-12-06 00:00:00"},
		{"0 0 * * 7", "2026-11-29 00:00:01", "2026-12-06 00:00:00"},
		{"0 12 * * mon-fri", "2026-11-27 12:00:00",
			"2026-11-30 12:00:00"},
	};
	struct zone *zone = zone_open("UTC", &err);

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct when w = parsed(rows[i].when);
		int64_t due = when_next(&w, zone, 0, utc(rows[i].after));

		cr_expect_str_eq(show(due), rows[i].due, "%s after %s: %s",
			rows[i].when, rows[i].after, show(due));
	}
	zone_unref(zone);
}

Test(when, every_counts_from_its_anchor)
{
	struct when w = parsed("every 1h30m");
	int64_t period = 5400000;

	cr_expect_eq(when_next(&w, NULL, 1000, 500), 1000 + period);
	cr_expect_eq(when_next(&w, NULL, 1000, 1000), 1000 + period);
	cr_expect_eq(
		when_next(&w, NULL, 1000, 1000 + period), 1000 + 2 * period);
	cr_expect_eq(when_next(&w, NULL, 1000, 999 + period), 1000 + period);
}

/* What a schedule does around the changes of its zone: all due times of an
 * interval. */
static const struct {
	const char *zone, *when, *after, *until, *due[6];
} changes[] = {
	/* 01:00 UTC: 02:00 -> 03:00 */
	{BERLIN, "30 2 * * *", "2026-03-28 01:30:00", "2026-03-30 12:00:00",
		{"2026-03-29 01:00:00", "2026-03-30 00:30:00"}},
	{BERLIN, "0 3 * * *", "2026-03-28 12:00:00", "2026-03-29 12:00:00",
		{"2026-03-29 01:00:00"}},
	{BERLIN, "0,30 2 * * *", "2026-03-28 12:00:00", "2026-03-29 12:00:00",
		{"2026-03-29 01:00:00"}},
	{BERLIN, "15 30 2 29 3 *", "2026-03-28 12:00:00", "2026-03-29 12:00:00",
		{"2026-03-29 01:00:00"}},
	{BERLIN, "0 1-4 * * *", "2026-03-28 12:00:00", "2026-03-29 03:00:00",
		{"2026-03-29 00:00:00", "2026-03-29 01:00:00",
			"2026-03-29 02:00:00"}},
	/* an expression with * follows the wall: no 02:30 at all */
	{BERLIN, "*/30 2 * * *", "2026-03-28 12:00:00", "2026-03-29 12:00:00",
		{NULL}},
	{BERLIN, "0 * * * *", "2026-03-28 23:30:00", "2026-03-29 02:30:00",
		{"2026-03-29 00:00:00", "2026-03-29 01:00:00",
			"2026-03-29 02:00:00"}},
	/* 01:00 UTC: 03:00 -> 02:00 */
	{BERLIN, "30 2 * * *", "2026-10-24 12:00:00", "2026-10-26 12:00:00",
		{"2026-10-25 00:30:00", "2026-10-26 01:30:00"}},
	{BERLIN, "0 3 * * *", "2026-10-24 12:00:00", "2026-10-25 12:00:00",
		{"2026-10-25 02:00:00"}},
	{BERLIN, "0 1-3 * * *", "2026-10-24 12:00:00", "2026-10-25 12:00:00",
		{"2026-10-24 23:00:00", "2026-10-25 00:00:00",
			"2026-10-25 02:00:00"}},
	{BERLIN, "*/30 2 * * *", "2026-10-24 12:00:00", "2026-10-25 12:00:00",
		{"2026-10-25 00:00:00", "2026-10-25 00:30:00",
			"2026-10-25 01:00:00", "2026-10-25 01:30:00"}},
	/* asked in the middle of the hour that comes again */
	{BERLIN, "30 2 * * *", "2026-10-25 01:00:00", "2026-10-25 12:00:00",
		{NULL}},
	{BERLIN, "30 2 * * *", "2026-10-25 01:10:00", "2026-10-25 12:00:00",
		{NULL}},
	/* the rule of the file holds in later years */
	{BERLIN, "30 2 * * *", "2063-03-24 12:00:00", "2063-03-25 12:00:00",
		{"2063-03-25 01:00:00"}},
	{NEW_YORK, "30 2 * * *", "2026-03-07 12:00:00", "2026-03-08 12:00:00",
		{"2026-03-08 07:00:00"}},
	{NEW_YORK, "30 1 * * *", "2026-10-31 12:00:00", "2026-11-01 12:00:00",
		{"2026-11-01 05:30:00"}},
	{NEW_YORK, "@daily", "2026-03-08 00:00:00", "2026-03-09 12:00:00",
		{"2026-03-08 05:00:00", "2026-03-09 04:00:00"}},
	/* a change of half an hour, in the south */
	{LORD_HOWE, "15 2 * * *", "2026-10-03 10:00:00", "2026-10-04 10:00:00",
		{"2026-10-03 15:30:00"}},
	{LORD_HOWE, "45 1 * * *", "2026-04-04 10:00:00", "2026-04-05 10:00:00",
		{"2026-04-04 14:45:00"}},
	{KOLKATA, "0 6 * * *", "2026-10-25 00:30:00", "2026-10-26 12:00:00",
		{"2026-10-26 00:30:00"}},
};

Test(when, daylight_saving_time_as_in_vixie_cron)
{
	for (size_t i = 0; i < COUNT(changes); i++) {
		struct zone *zone = zone_of(changes[i].zone);
		struct when w = parsed(changes[i].when);
		int64_t at = utc(changes[i].after);
		int64_t until = utc(changes[i].until);
		size_t k = 0;

		while ((at = when_next(&w, zone, 0, at)) <= until) {
			cr_expect(changes[i].due[k] &&
					  !strcmp(show(at), changes[i].due[k]),
				"row %zu (%s): %s instead of %s", i,
				changes[i].when, show(at), changes[i].due[k]);
			if (!changes[i].due[k++])
				break;
		}
		cr_expect(!changes[i].due[k], "row %zu (%s): not due at %s", i,
			changes[i].when, changes[i].due[k]);
		zone_unref(zone);
	}
}

Test(when, counts_what_was_missed_and_finds_the_last)
{
	struct zone *zone = zone_of(BERLIN);
	struct when w = parsed("* * * * * *");
	int64_t last = 0, start = utc("2026-01-01 00:00:00");

	cr_expect_eq(
		when_count(&w, zone, 0, start, start + 999, 100, &last), 0);
	cr_expect_eq(
		when_count(&w, zone, 0, start, start + 5500, 100, &last), 5);
	cr_expect_eq(last, start + 5000);
	/* a year of seconds is counted up to the limit only */
	cr_expect_eq(when_count(&w, zone, 0, start, utc("2027-01-01 00:00:00"),
			     1000, &last),
		1000);
	cr_expect_str_eq(show(last), "2027-01-01 00:00:00");
	w = parsed("0 12 * * mon");
	cr_expect_eq(when_count(&w, zone, 0, start, utc("2036-01-01 00:00:00"),
			     100, &last),
		100);
	cr_expect_str_eq(show(last), "2035-12-31 11:00:00");
	w = parsed("every 10s");
	cr_expect_eq(when_count(&w, NULL, 7, 10007, 40007, 100, &last), 3);
	cr_expect_eq(last, 40007);
	zone_unref(zone);
}

/* Each due time follows the one before, whatever the expression: next() of
 * every time in between is the same. */
Test(when, due_times_grow_and_agree_with_each_other)
{
	static const char *const whens[] = {"*/7 * * * *", "13 */5 * * *",
		"30 2 * * *", "0 0 13 * fri", "5,55 1-3 * 3,10 *"};
	static const char *const zones[] = {BERLIN, NEW_YORK, LORD_HOWE};

	for (size_t i = 0; i < COUNT(whens); i++)
		for (size_t z = 0; z < COUNT(zones); z++) {
			struct zone *zone = zone_of(zones[z]);
			struct when w = parsed(whens[i]);
			int64_t at = utc("2026-03-01 00:00:00");

			for (int n = 0; n < 1000; n++) {
				int64_t due = when_next(&w, zone, 0, at);

				cr_assert_gt(due, at);
				cr_assert_eq(when_next(&w, zone, 0,
						     at + (due - at) / 2),
					due);
				cr_assert_eq(
					when_next(&w, zone, 0, due - 1), due);
				at = due;
			}
			zone_unref(zone);
		}
}

/* ---- zones ---- */

Test(when, a_zone_that_does_not_exist_is_refused_by_its_name)
{
	static const char *const names[] = {"Europe/Atlantis", "",
		"/etc/passwd", "../../../etc/passwd", "Europe/", "Europe",
		"a b", "Europe/Berlin\n"};

	for (size_t i = 0; i < COUNT(names); i++) {
		cr_expect_null(zone_open(names[i], &err), "%s", names[i]);
		cr_expect(strstr(err.text, names[i]), "%s", err.text);
	}
}

Test(when, files_that_are_damaged_are_refused)
{
	char file[256];
	struct zone *z = zone_of(BERLIN);

	zone_unref(z);
	memset(file, 0xff, sizeof(file));
	for (size_t size = 0; size < sizeof(file); size++)
		cr_expect_null(
			zone_read("x", (struct bytes){file, size}, &err));
	memcpy(file, "TZif2", 5);
	for (size_t size = 0; size < sizeof(file); size++)
		cr_expect_null(
			zone_read("x", (struct bytes){file, size}, &err));
}

Test(when, rules_are_read_whole_or_not_at_all)
{
	static const char *const bad[] = {"", "CET", "C", "CET-1CEST",
		"CET-1CEST,M3.5.0", "CET-1CEST,M3.5.0,M10.5.0/3x",
		"CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
		"CET-1CEST,M3.5.7,M10.5.0", "CET-1CEST,J0,J365",
		"CET-1CEST,366,1", "<+01-1", "CET-99"};
	static const char *const good[] = {"UTC0", "CET-1", BERLIN, NEW_YORK,
		LORD_HOWE, "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
		"EST5EDT,0/0,J365/25", "IST-1GMT0,M10.5.0,M3.5.0/1"};
	struct zone_rule rule;

	for (size_t i = 0; i < COUNT(bad); i++)
		cr_expect_not(
			zone_rule_parse(&rule, bytes_of(bad[i])), "%s", bad[i]);
	for (size_t i = 0; i < COUNT(good); i++)
		cr_expect(zone_rule_parse(&rule, bytes_of(good[i])), "%s",
			good[i]);
}

/* The file of the machine and the rule alone agree, span by span. */
Test(when, zones_of_the_database)
{
	static const struct {
		const char *name, *rule;
	} rows[] = {{"Europe/Berlin", BERLIN}, {"America/New_York", NEW_YORK},
		{"Australia/Lord_Howe", LORD_HOWE}, {"Asia/Kolkata", KOLKATA}};

	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) < 0)
		cr_skip_test("no tz database (apt install tzdata)");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct zone *a = zone_open(rows[i].name, &err);
		struct zone *b = zone_of(rows[i].rule);

		cr_assert(a, "%s", err.text);
		cr_expect_str_eq(zone_name(a), rows[i].name);
		for (int64_t at = utc("2026-01-01 00:00:00") / 1000;
			at < utc("2060-01-01 00:00:00") / 1000;
			at += 3 * CIVIL_DAY_S) {
			struct zone_span x, y;

			zone_span_at(a, at, &x);
			zone_span_at(b, at, &y);
			cr_assert_eq(x.offset, y.offset, "%s at %s",
				rows[i].name, show(at * 1000));
			if (i < 3 && at > utc("2027-01-01 00:00:00") / 1000) {
				cr_assert_eq(x.from, y.from);
				cr_assert_eq(x.until, y.until, "%s: %s, %s",
					rows[i].name, show(x.until * 1000),
					show(y.until * 1000));
				cr_assert_eq(x.before, y.before);
			}
		}
		zone_unref(a);
		zone_unref(b);
	}
}

Test(when, the_zone_of_the_machine)
{
	struct zone *z;

	setenv("TZ", "NZST-12NZDT,M9.5.0,M4.1.0/3", 1);
	z = zone_open(NULL, &err);
	cr_assert(z);
	cr_expect_str_eq(zone_name(z), "NZST-12NZDT,M9.5.0,M4.1.0/3");
	zone_unref(z);
	setenv("TZ", "no such zone", 1);
	z = zone_open(NULL, &err);
	cr_assert(z);
	cr_expect_str_eq(zone_name(z), "UTC");
	zone_unref(z);
	unsetenv("TZ");
	z = zone_open(NULL, &err);
	cr_assert(z);
	zone_unref(z);
}
