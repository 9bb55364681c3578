/* civil: days and dates of the Gregorian calendar. Pure. */
#pragma once

#include <stdint.h>

#define CIVIL_DAY_S 86400

struct civil {
	int64_t year;
	unsigned month, day; /* from 1 */
};

/* Days since 1970-01-01. */
int64_t civil_days(struct civil date);
struct civil civil_date(int64_t days);
unsigned civil_month_days(int64_t year, unsigned month);
/* 0 is Sunday. */
unsigned civil_weekday(int64_t days);
/* The quotient rounded down, also for negative times. */
int64_t civil_day_of(int64_t seconds);
