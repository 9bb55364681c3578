/* event_name: names of events, patterns of names, and the `match` of a hook,
 * which compares top-level fields of an event's data. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "proto/util/bytes.h"
#include "proto/util/error.h"

#define EVENT_NAME_MAX 128
#define EVENT_MATCH_VALUES_MAX 64 /* of all fields of a match together */

/* 1 to EVENT_NAME_MAX letters, digits, '_', '-', ':' and single dots inside. */
bool event_name_is_valid(struct bytes name);
/* Whether only supd itself may emit it: its first word is one of supd's. */
bool event_name_is_own(struct bytes name);
/* Events of these names pass through filters, and no others. */
bool event_name_is_filterable(struct bytes name);
/* They are made only for those who listen, and the journal does not keep
 * them: `message.*`, `tool.*`, `command.*`. */
bool event_name_is_transient(struct bytes name);

/* A pattern is a name whose last word may be `*`, which matches any depth, or
 * `*` alone, which matches every name. */
int event_pattern_check(struct bytes pattern, struct error *err);
bool event_pattern_matches(struct bytes pattern, struct bytes name);

/* A match is an object: field: value or [value…], of strings, numbers,
 * booleans and null. It holds if every field of it has one of its values in
 * the data. An absent field is not null. */
int event_match_check(const json_t *match, struct error *err);
/* match NULL holds. */
bool event_match_holds(const json_t *match, const json_t *data);
