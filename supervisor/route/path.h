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

/* A request path, split. Segments lie one after another in `text`, which is
 * the raw path, or `memory` where that had escapes or dot segments: valid as
 * long as both. */
struct path {
	struct bytes text; /* the whole, decoded and resolved: "/a/b" */
	struct bytes segments[PATH_MAX_SEGMENTS];
	unsigned count; /* "/" has one empty segment, "/a/" has "a" and "" */
	char memory[PATH_MAX_BYTES];
};

/* raw: the path of the request target without the query. -1: refused, with
 * the reason (answered 400). Dot segments above the root are refused, and so
 * are control bytes (escaped or not), '#', and what decodes to no UTF-8:
 * params are text on the wire. */
int path_split(struct path *p, struct bytes raw, struct error *err);

#define PATH_PATTERN_BYTES 1024
#define PATH_PATTERN_SEGMENTS 32

enum path_piece_kind { PATH_LITERAL, PATH_PARAM, PATH_REST };

/* A pattern, taken apart. Literals lie in `memory`, names in the pattern. */
struct path_pattern {
	struct path_piece {
		enum path_piece_kind kind;
		struct bytes text; /* literal: decoded; param: its name; "*" */
	} pieces[PATH_PATTERN_SEGMENTS];
	unsigned count;
	unsigned param_count; /* params and the rest; 0: all literal */
	struct bytes text;    /* all literal: what path.text is compared with */
	char memory[PATH_PATTERN_BYTES];
};

/* Literal segments may be percent-encoded, `{name}` is one non-empty segment,
 * a last `*` is the rest and may be empty: below /f it matches "/f/", but not
 * "/f". -1 with the reason for what no route may look like. */
int path_parse_pattern(
	struct path_pattern *out, const char *pattern, struct error *err);
/* True for the first segments that are the gateway's own: api, ws, ... */
bool path_is_reserved(struct bytes first_segment);
