/* path: request paths and route patterns. Pure. %2F, %00 and // are refused,
 * dot segments are resolved, then percent-decoded segments are compared; a
 * trailing slash matters. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

#define PATH_MAX_BYTES 8192
#define PATH_MAX_SEGMENTS 128
#define PATH_MAX_PARAMS 16

/* A split request path. Segments point into `text`, which is the raw path, or
 * `memory` if the path had escapes or dot segments. */
struct path {
	struct bytes text; /* whole path, decoded and resolved: "/a/b" */
	struct bytes segments[PATH_MAX_SEGMENTS];
	unsigned count; /* "/" has one empty segment, "/a/" has "a" and "" */
	char memory[PATH_MAX_BYTES];
};

/* Splits the path of a request target, without the query. -1: refused, with the
 * reason (answered 400): dot segments above the root, control bytes (escaped or
 * not), '#', and paths that do not decode to UTF-8, because params are text on
 * the wire. */
int path_split(struct path *p, struct bytes raw, struct error *err);

#define PATH_PATTERN_BYTES 1024
#define PATH_PATTERN_SEGMENTS 32

enum path_piece_kind { PATH_LITERAL, PATH_PARAM, PATH_REST };

/* A parsed pattern. Literals point into `memory`, names into the pattern. */
struct path_pattern {
	struct path_piece {
		enum path_piece_kind kind;
		struct bytes text; /* literal: decoded; param: its name; "*" */
	} pieces[PATH_PATTERN_SEGMENTS];
	unsigned count;
	unsigned param_count; /* params and a last *; 0: all literal */
	struct bytes text;    /* if all literal: compared with path.text */
	char memory[PATH_PATTERN_BYTES];
};

/* Parses a pattern. Literal segments may be percent-encoded, `{name}` is one
 * non-empty segment, and a last `*` is the rest, which may be empty: below /f
 * it matches "/f/" but not "/f". -1 with the reason: malformed. */
int path_parse_pattern(
	struct path_pattern *out, const char *pattern, struct error *err);
/* Whether a first segment is reserved for the gateway: api, ws, ... */
bool path_is_reserved(struct bytes first_segment);
