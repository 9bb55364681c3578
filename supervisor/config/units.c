/* units: tables of units, and the edit distance behind suggestions. */
#include "supervisor/config/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Largest first. Days are read, but not written: 24h is what people know. */
#define WRITTEN 1 /* the first that is written */
static const struct unit durations[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit sizes[] = {
	{"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"B", 1}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Digits only: no sign, no blank, no base but ten. */
static bool
digits_parse(const char *text, const char **end_out, uint64_t *number_out)
{
	uint64_t number = 0;
	const char *c = text;
	for (; *c >= '0' && *c <= '9'; c++)
		if (__builtin_mul_overflow(number, 10, &number) ||
			__builtin_add_overflow(
				number, (uint64_t)(*c - '0'), &number))
			return false;
	*end_out = c;
	*number_out = number;
	return c > text;
}

static bool
parse(const char *text, const struct unit *units, size_t count,
	uint64_t *value_out)
{
	const char *suffix;
	uint64_t number;
	if (!digits_parse(text, &suffix, &number))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(suffix, units[i].suffix))
			return !__builtin_mul_overflow(
				number, units[i].factor, value_out);
	return false;
}

bool
duration_parse(const char *text, uint64_t *ms_out)
{
	if (!strcmp(text, "0")) {
		*ms_out = 0;
		return true;
	}
	return parse(text, durations, COUNT(durations), ms_out);
}

bool
size_parse(const char *text, uint64_t *bytes_out)
{
	const char *end;
	if (digits_parse(text, &end, bytes_out) && !*end)
		return true;
	return parse(text, sizes, COUNT(sizes), bytes_out);
}

static const char *
format(uint64_t value, const struct unit *units, size_t count,
	char out[UNIT_TEXT_BYTES])
{
	size_t i = 0;
	while (i + 1 < count &&
		(value < units[i].factor || value % units[i].factor))
		i++;
	snprintf(out, UNIT_TEXT_BYTES, "%" PRIu64 "%s", value / units[i].factor,
		units[i].suffix);
	return out;
}

const char *
duration_format(uint64_t ms, char out[UNIT_TEXT_BYTES])
{
	return ms ? format(ms, durations + WRITTEN, COUNT(durations) - WRITTEN,
			    out)
		  : strcpy(out, "0");
}

const char *
size_format(uint64_t bytes, char out[UNIT_TEXT_BYTES])
{
	return bytes ? format(bytes, sizes, COUNT(sizes), out)
		     : strcpy(out, "0");
}
