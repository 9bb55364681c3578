/* civil: the arithmetic of years that begin in March, so that a leap day is
 * the last day of its year. */
#include "proto/when/civil.h"

#include <stdbool.h>

#define ERA_DAYS 146097	  /* of 400 years */
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t
floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t
civil_days(struct civil date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t era = floor_divide(year, 400), of_era = year - era * 400;
	int64_t month = (date.month + 9) % 12;
	int64_t of_year = (153 * month + 2) / 5 + date.day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - EPOCH_DAYS;
}

struct civil
civil_date(int64_t days)
{
	int64_t era = floor_divide(days + EPOCH_DAYS, ERA_DAYS);
	int64_t of_era = days + EPOCH_DAYS - era * ERA_DAYS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 -
			       of_era / (ERA_DAYS - 1)) /
		       365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;
	struct civil date = {
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(of_year - (153 * month + 2) / 5 + 1),
	};

	date.year = year + era * 400 + (date.month <= 2);
	return date;
}

unsigned
civil_month_days(int64_t year, unsigned month)
{
	static const unsigned char days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

unsigned
civil_weekday(int64_t days)
{
	int64_t of_week = (days + 4) % 7; /* 1970-01-01 was a Thursday */

	return (unsigned)(of_week < 0 ? of_week + 7 : of_week);
}

int64_t
civil_day_of(int64_t seconds)
{
	return floor_divide(seconds, CIVIL_DAY_S);
}
