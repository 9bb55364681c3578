/* zone_rule: the last line of a TZif file, in the form of POSIX's TZ
 * ("CET-1CEST,M3.5.0,M10.5.0/3"): the changes of each later year. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"

struct zone_day {
	char form; /* J: day 1-365 without leap days; 0: day 0-365; M */
	unsigned day, week, month; /* M: weekday 0-6, 1-5 (the last), 1-12 */
	int32_t time;		   /* seconds, local, may be negative */
};

struct zone_rule {
	int32_t standard, summer; /* seconds east of UTC */
	bool has_summer;
	struct zone_day begin, end; /* of summer time */
};

struct zone_change {
	int64_t at;	/* UTC in seconds */
	int32_t offset; /* from then on */
};

bool zone_rule_parse(struct zone_rule *rule, struct bytes text);
/* The two changes of a year, the earlier first. */
void zone_rule_changes(
	const struct zone_rule *rule, int64_t year, struct zone_change out[2]);
