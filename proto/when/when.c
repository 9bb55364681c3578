/* when: reads the text. What it matches is computed in when_next.c. */
#include "proto/when/when.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/util/text.h"
#include "proto/when/civil.h"

#define TEXT_MAX_BYTES 256

/* ---- every ---- */

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int64_t
unit_ms(const char **at)
{
	static const struct {
		const char *text;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000},
		{"d", 86400000}};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t length = strlen(units[i].text);

		if (strncmp(*at, units[i].text, length) != 0)
			continue;
		*at += length;
		return units[i].ms;
	}
	return 0;
}

static int
parse_every(struct when *w, const char *text, struct error *err)
{
	const char *at = text;
	int64_t total = 0, unit;

	do {
		int64_t number = 0;
		bool has_digits = is_digit(*at);

		for (; is_digit(*at) && number <= WHEN_EVERY_MAX_MS; at++)
			number = number * 10 + (*at - '0');
		unit = has_digits ? unit_ms(&at) : 0;
		if (!unit || number > WHEN_EVERY_MAX_MS / unit)
			return error_set(err,
				"\"every\" needs a time such as 30s, 5m, 1h30m "
				"or 1d, at most 366d");
		total += number * unit;
	} while (*at && total <= WHEN_EVERY_MAX_MS);
	if (total < WHEN_EVERY_MIN_MS || total > WHEN_EVERY_MAX_MS)
		return error_set(err, "a period must be %dms to 366d",
			WHEN_EVERY_MIN_MS);
	w->every_ms = total;
	return 0;
}

/* ---- cron ---- */

struct field_row {
	const char *label;
	unsigned low, high;
	const char *names; /* of three letters each, from `low` on, or NULL */
};

enum { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

static const struct field_row rows[FIELDS] = {
	[SECOND] = {"second", 0, 59, NULL},
	[MINUTE] = {"minute", 0, 59, NULL},
	[HOUR] = {"hour", 0, 23, NULL},
	[DAY] = {"day of the month", 1, 31, NULL},
	[MONTH] = {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	[WEEKDAY] = {"day of the week", 0, 7, "sunmontuewedthufrisatsun"},
};

/* A number or name at *at, or -1. */
static int
take_value(const struct field_row *row, const char **at, int low)
{
	unsigned number = 0, digits = 0;

	for (; is_digit(**at) && digits < 4; digits++, (*at)++)
		number = number * 10 + (unsigned)(**at - '0');
	if (digits)
		return number >= row->low && number <= row->high ? (int)number
								 : -1;
	for (size_t i = 0; row->names && row->names[3 * i]; i++) {
		int value = (int)(row->low + i);

		if (value < low || strncasecmp(*at, row->names + 3 * i, 3) != 0)
			continue;
		*at += 3;
		return value;
	}
	return -1;
}

static int
bad_field(const struct field_row *row, const char *text, const char *why,
	struct error *err)
{
	return error_set(err, "the %s \"%.40s\" %s (%u-%u)", row->label, text,
		why, row->low, row->high);
}

/* One item of a list, without the commas. */
static int
parse_item(const struct field_row *row, const char *text, uint64_t *bits,
	struct error *err)
{
	const char *at = text;
	int low = (int)row->low, high = (int)row->high, step = 1;
	bool is_range = *at == '*';

	if (is_range) {
		at++;
		high -= row->high == 7; /* Sunday once */
	} else {
		low = high = take_value(row, &at, low);
		if (low >= 0 && *at == '-') {
			at++;
			is_range = true;
			high = take_value(row, &at, low);
		}
		if (low < 0 || high < 0)
			return bad_field(row, text, "is not in its range", err);
	}
	if (*at == '/') {
		long number = 0;
		char *end;

		if (!is_range)
			return bad_field(row, text,
				"needs a range before its step", err);
		if (is_digit(at[1]))
			number = strtol(at + 1, &end, 10);
		if (number < 1 || number > 999 || *end)
			return bad_field(row, text, "has a bad step", err);
		step = (int)number;
	} else if (*at) {
		return bad_field(row, text, "is not understood", err);
	}
	if (low > high)
		return bad_field(row, text, "is a range from high to low", err);
	for (int i = low; i <= high; i += step)
		*bits |= 1ull << i;
	return 0;
}

static int
parse_field(const struct field_row *row, char *text, uint64_t *bits,
	struct error *err)
{
	char *item;

	*bits = 0;
	while ((item = strsep(&text, ",")))
		if (parse_item(row, item, bits, err) < 0)
			return -1;
	return 0;
}

/* Whether a day of the month can come at all: 31 April cannot. If either day
 * is enough, a day of the week always comes; and a day that begins with * has
 * the 1st, which falls on each day of the week in some year. */
static bool
may_match(const struct when *w)
{
	if (w->one_day_enough)
		return true;
	for (unsigned month = 1; month <= 12; month++) {
		unsigned days = civil_month_days(2000, month);

		if (w->months >> month & 1 &&
			w->days & ((1ull << (days + 1)) - 1))
			return true;
	}
	return false;
}

static int
parse_fields(struct when *w, char *fields[FIELDS], struct error *err)
{
	bool stars[FIELDS];
	uint64_t bits[FIELDS];

	for (int i = 0; i < FIELDS; i++) {
		stars[i] = *fields[i] == '*';
		if (parse_field(&rows[i], fields[i], &bits[i], err) < 0)
			return -1;
	}
	w->seconds = bits[SECOND];
	w->minutes = bits[MINUTE];
	w->hours = (uint32_t)bits[HOUR];
	w->days = (uint32_t)bits[DAY];
	w->months = (uint16_t)bits[MONTH];
	w->weekdays = (uint16_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f);
	w->one_day_enough = !stars[DAY] && !stars[WEEKDAY];
	w->follows_wall = stars[MINUTE] || stars[HOUR];
	return may_match(w) ? 0 : error_set(err, "no date ever matches");
}

static int
parse_cron(struct when *w, char *text, struct error *err)
{
	char *found[FIELDS + 1], *fields[FIELDS], *word, zero[] = "0";
	int count = 0;

	while ((word = strsep(&text, " \t")) && count <= FIELDS)
		if (*word)
			found[count++] = word;
	if (count != FIELDS && count != FIELDS - 1)
		return error_set(err,
			"must be \"every\" and a time, or five or six fields "
			"of cron, or @daily and its kin");
	fields[SECOND] = count == FIELDS ? found[0] : zero;
	for (int i = 1; i < FIELDS; i++)
		fields[i] = found[count - FIELDS + i];
	return parse_fields(w, fields, err);
}

static const char *
nickname(const char *text)
{
	static const char *const names[][2] = {
		{"@hourly", "0 * * * *"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"},
		{"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},
		{"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(text, names[i][0]))
			return names[i][1];
	return NULL;
}

int
when_parse(struct when *w, const char *text, struct error *err)
{
	char copy[TEXT_MAX_BYTES];
	const char *body = text;
	int result;

	*w = (struct when){0};
	if (*text == '@') {
		body = nickname(text);
		if (!body)
			return error_set(err,
				"when \"%.*s\": is not @hourly, @daily, "
				"@midnight, @weekly, @monthly, @yearly or "
				"@annually",
				TEXT_FIT(text, 64));
	}
	if (strlen(body) >= sizeof(copy))
		return error_set(err, "when is longer than %d bytes",
			TEXT_MAX_BYTES - 1);
	strcpy(copy, body);
	if (!strncmp(copy, "every ", 6))
		result = parse_every(w, copy + 6, err);
	else
		result = parse_cron(w, copy, err);
	return result ? error_prefix(err, "when \"%.*s\": ", TEXT_FIT(text, 64))
		      : 0;
}
