/* places: where rows sit. One hash holds every name, every path without a
 * wildcard and, segment by segment, every pattern with one; its key is the
 * parent place and the text. So a lookup costs the same whatever the number
 * of plugins. Knows rows only as a list per place; table.h is its only door. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/registration.h"
#include "proto/util/bytes.h"
#include "supervisor/route/path.h"

struct route_entry;

struct place {
	struct place *parent; /* NULL: a root */
	struct place *param, *rest;
	struct route_entry *entries; /* by method; at most one live of each */
	uint32_t uses;		     /* entries and children; 0: may go */
	uint32_t literals;	     /* children in the hash */
	uint32_t hash;
	uint32_t length;
	char text[];
};

struct places {
	struct places_slot {
		struct place *place; /* NULL: free */
		uint32_t hash;
	} * slots;
	uint32_t capacity, count; /* a power of two, at most half full */
	struct place *roots[REGISTRATION_KIND_COUNT]; /* HTTP: whole paths */
	struct place *patterns; /* root of the patterns with a wildcard */
};

void places_init(struct places *p);
void places_finish(struct places *p); /* asserts that nothing is left */

/* NULL: none */
struct place *places_find(
	const struct places *p, const struct place *parent, struct bytes text);

/* Finds the place or makes it. Hand it to places_release() when no entry was
 * put there, or the last one taken away: that removes what nobody uses. */
struct place *places_claim_name(
	struct places *p, enum registration_kind kind, struct bytes name);
struct place *places_claim_pattern(
	struct places *p, const struct path_pattern *pattern);
void places_release(struct places *p, struct place *place);
