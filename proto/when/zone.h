/* zone: a time zone of the tz database as spans of one offset from UTC. It
 * reads the files itself: the C library knows one zone per process, and to
 * change that one (setenv, tzset) is no option beside other code. Immutable
 * once it is open. */
#pragma once

#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

struct zone;

/* By a name of the tz database ("Europe/Berlin"), from TZDIR or
 * /usr/share/zoneinfo; "UTC" needs no file. NULL: the zone of the machine, by
 * TZ or /etc/localtime, and UTC if there is none. Returns NULL with err, which
 * contains the name. */
struct zone *zone_open(const char *name, struct error *err);
/* From the bytes of a TZif file. */
struct zone *zone_read(const char *name, struct bytes file, struct error *err);
struct zone *zone_ref(struct zone *z);
void zone_unref(struct zone *z); /* NULL is fine */
const char *zone_name(const struct zone *z);

/* A time with the same offset all along. */
struct zone_span {
	int64_t from, until; /* UTC in seconds; from is in it, until is not */
	int32_t offset;	     /* seconds east of UTC */
	int32_t before;	     /* the offset up to `from` */
};
/* The span that contains `at`. Transitions before 2000 are not kept. */
void zone_span_at(const struct zone *z, int64_t at, struct zone_span *out);
