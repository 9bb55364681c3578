/* path: request paths and route patterns, pure. Contract section 6: %2F, %00
 * and // are refused, dot segments are resolved, then segments are compared
 * percent-decoded; a trailing slash matters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

#define PATH_MAX_BYTES 8192
#define PATH_MAX_SEGMENTS 128
#define PATH_MAX_PARAMS 16

/* A request path, split. Segments point into `memory` (decoded where they had
 * escapes) or into the raw path: valid as long as both. */
struct path {
	struct bytes segments[PATH_MAX_SEGMENTS];
	unsigned count; /* "/" has one empty segment, "/a/" has "a" and "" */
	char memory[PATH_MAX_BYTES];
};

/* raw: the path of the request target without the query. -1: refused, with
 * the reason (answered 400). Dot segments above the root are refused. */
int path_split(struct path *p, struct bytes raw, struct error *err);

/* What a route pattern may look like; -1 with the reason. `mount` is such a
 * pattern of literal segments without a trailing slash, or "". */
int path_check_pattern(const char *pattern, struct error *err);
int path_check_mount(const char *mount, struct error *err);
