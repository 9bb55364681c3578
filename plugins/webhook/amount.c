#include "amount.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

struct form {
	const char *example;
	struct unit units[5];
};

static const struct form forms[] = {
	[AMOUNT_MS] = {"a time such as 500ms, 10s, 5m or 1h",
		{{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}}},
	[AMOUNT_BYTES] = {"a size such as 64KiB or 1MiB",
		{{"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}}},
	[AMOUNT_COUNT] = {"a number", {{"", 1}}},
};

/* A plain number is in the first unit. */
static bool
parse(const json_t *value, const struct unit *unit, uint64_t *value_out)
{
	const char *text = json_string_value(value);
	unsigned long long number;
	char *end;

	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*value_out = (uint64_t)json_integer_value(value);
		return true;
	}
	if (!text || *text < '0' || *text > '9')
		return false;
	number = strtoull(text, &end, 10);
	for (; number < 1000000000 && unit->name; unit++)
		if (!strcmp(end, unit->name)) {
			*value_out = number * unit->factor;
			return true;
		}
	return false;
}

static void
print(enum amount kind, uint64_t value, char text[40])
{
	const struct unit *unit = forms[kind].units, *best = unit;

	for (; unit->name; unit++)
		if (value >= unit->factor && value % unit->factor == 0)
			best = unit;
	snprintf(text, 40, "%" PRIu64 "%s", value / best->factor, best->name);
}

int
amount_read(const json_t *map, const char *key, enum amount kind,
	struct range range, uint64_t *value, char why[256])
{
	const json_t *setting = json_object_get(map, key);
	char least[40], most[40];
	uint64_t number;

	if (!setting)
		return 0;
	if (!parse(setting, forms[kind].units, &number)) {
		snprintf(why, 256, "%s must be %s", key, forms[kind].example);
		return -1;
	}
	if (number < range.least || number > range.most) {
		print(kind, range.least, least);
		print(kind, range.most, most);
		snprintf(
			why, 256, "%s must be from %s to %s", key, least, most);
		return -1;
	}
	*value = number;
	return 0;
}
