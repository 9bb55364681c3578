/* zone_rule: reads the rule from left to right, each part by one function that
 * returns whether it was there. */
#include "proto/when/zone_rule.h"

#include "proto/when/civil.h"

#define HOUR_S 3600
#define OFFSET_MAX_S (25 * HOUR_S)

static bool
take_byte(struct bytes *rest, char byte)
{
	if (!rest->length || *rest->at != byte)
		return false;
	rest->at++;
	rest->length--;
	return true;
}

static bool
take_number(struct bytes *rest, unsigned most, unsigned *out)
{
	unsigned number = 0, digits = 0;

	for (; rest->length && *rest->at >= '0' && *rest->at <= '9' &&
		digits < 4;
		digits++, rest->at++, rest->length--)
		number = number * 10 + (unsigned)(*rest->at - '0');
	*out = number;
	return digits && number <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool
take_time(struct bytes *rest, unsigned hours_max, int32_t *out)
{
	bool minus = take_byte(rest, '-');
	unsigned h, m = 0, s = 0;

	if (!minus)
		take_byte(rest, '+');
	if (!take_number(rest, hours_max, &h))
		return false;
	if (take_byte(rest, ':') && !take_number(rest, 59, &m))
		return false;
	if (take_byte(rest, ':') && !take_number(rest, 59, &s))
		return false;
	*out = (int32_t)(h * HOUR_S + m * 60 + s);
	if (minus)
		*out = -*out;
	return true;
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* CET or <+03> */
static bool
take_name(struct bytes *rest)
{
	bool quoted = take_byte(rest, '<');
	size_t length = 0;

	while (length < rest->length && (quoted ? rest->at[length] != '>'
						: is_letter(rest->at[length])))
		length++;
	rest->at += length;
	rest->length -= length;
	return length >= 1 && (!quoted || take_byte(rest, '>'));
}

/* Offsets are written west of UTC. */
static bool
take_offset(struct bytes *rest, int32_t *out)
{
	if (!take_time(rest, 24, out) || *out > OFFSET_MAX_S)
		return false;
	*out = -*out;
	return true;
}

static bool
take_day(struct bytes *rest, struct zone_day *day)
{
	bool good;

	*day = (struct zone_day){.form = '0', .time = 2 * HOUR_S};
	if (take_byte(rest, 'M')) {
		day->form = 'M';
		good = take_number(rest, 12, &day->month) && day->month &&
		       take_byte(rest, '.') &&
		       take_number(rest, 5, &day->week) && day->week &&
		       take_byte(rest, '.') && take_number(rest, 6, &day->day);
	} else if (take_byte(rest, 'J')) {
		day->form = 'J';
		good = take_number(rest, 365, &day->day) && day->day;
	} else {
		good = take_number(rest, 365, &day->day);
	}
	if (good && take_byte(rest, '/'))
		good = take_time(rest, 167, &day->time);
	return good;
}

bool
zone_rule_parse(struct zone_rule *rule, struct bytes text)
{
	*rule = (struct zone_rule){0};
	if (!take_name(&text) || !take_offset(&text, &rule->standard))
		return false;
	if (!text.length)
		return true;
	rule->has_summer = true;
	rule->summer = rule->standard + HOUR_S;
	if (!take_name(&text))
		return false;
	if (text.length && *text.at != ',' &&
		!take_offset(&text, &rule->summer))
		return false;
	return take_byte(&text, ',') && take_day(&text, &rule->begin) &&
	       take_byte(&text, ',') && take_day(&text, &rule->end) &&
	       !text.length;
}

/* Days since 1970. */
static int64_t
day_in(const struct zone_day *day, int64_t year)
{
	int64_t first = civil_days((struct civil){year, 1, 1}), days;
	unsigned month_days, of_month;

	if (day->form == 'J')
		return first + day->day - 1 +
		       (day->day >= 60 && civil_month_days(year, 2) == 29);
	if (day->form == '0')
		return first + day->day;
	days = civil_days((struct civil){year, day->month, 1});
	month_days = civil_month_days(year, day->month);
	of_month =
		(day->day + 7 - civil_weekday(days)) % 7 + 7 * (day->week - 1);
	return days + (of_month < month_days ? of_month : of_month - 7);
}

static int64_t
time_in(const struct zone_day *day, int64_t year, int32_t offset)
{
	return day_in(day, year) * CIVIL_DAY_S + day->time - offset;
}

void
zone_rule_changes(
	const struct zone_rule *rule, int64_t year, struct zone_change out[2])
{
	struct zone_change begin = {
		time_in(&rule->begin, year, rule->standard), rule->summer};
	struct zone_change end = {
		time_in(&rule->end, year, rule->summer), rule->standard};
	bool north = begin.at <= end.at;

	out[0] = north ? begin : end;
	out[1] = north ? end : begin;
}
