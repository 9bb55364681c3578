/* schedule: work that is due at certain times. supd owns the clock; the worker
 * gets a tick. */
#include <string.h>

#include "proto/registration.h"
#include "proto/util/map.h"

static const struct field fields[] = {
	{"when", FIELD_TEXT, offsetof(struct registration, schedule.when_text)},
	{"zone", FIELD_TEXT, offsetof(struct registration, schedule.zone_name)},
	{"catch_up", FIELD_TEXT,
		offsetof(struct registration, schedule.catch_up)},
	{"timeout_ms", FIELD_COUNT,
		offsetof(struct registration, schedule.timeout_ms)},
};

static int
check(struct registration *r, struct error *err)
{
	const char *catch_up = r->schedule.catch_up;

	if (kind_name_check(r, err) < 0)
		return -1;
	if (!r->schedule.when_text)
		return error_set(err, "schedule %s: when is missing", r->name);
	if (catch_up && strcmp(catch_up, "one") != 0 &&
		strcmp(catch_up, "none") != 0)
		return error_set(err,
			"schedule %s: catch_up must be one or none", r->name);
	if (when_parse(&r->schedule.when, r->schedule.when_text, err) < 0)
		return error_prefix(err, "schedule %s: ", r->name);
	return 0;
}

/* Schedules of the same zone share it, as opening one reads a file. */
static int
share(struct registration *r, struct map *zones, struct error *err)
{
	const char *name = r->schedule.zone_name, *key = name ? name : "";

	if (r->schedule.when.every_ms && !name)
		return 0; /* needs none */
	r->schedule.zone = zone_ref(map_get(zones, key, strlen(key)));
	if (r->schedule.zone)
		return 0;
	r->schedule.zone = zone_open(name, err);
	if (!r->schedule.zone)
		return error_prefix(err, "schedule %s: ", r->name);
	map_set(zones, key, strlen(key), r->schedule.zone);
	return 0;
}

static void
copied(struct registration *r)
{
	zone_ref(r->schedule.zone);
}

static void
finish(struct registration *r)
{
	zone_unref(r->schedule.zone);
	r->schedule.zone = NULL;
}

const struct registration_kind_row kind_schedule = {
	.wire = "schedule",
	.receipt = "schedules",
	.noun = "schedule",
	.named = true,
	.shared = true,
	.fields = fields,
	.field_count = sizeof(fields) / sizeof(*fields),
	.check = check,
	.share = share,
	.copied = copied,
	.finish = finish,
	.message = MESSAGE_TICK,
};
