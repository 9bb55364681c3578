/* nodes: the index of rows. One hash holds every name, every path without a
 * wildcard and, segment by segment, every pattern with one; the key is the
 * parent node and the text. So the cost of a lookup does not depend on the
 * number of plugins. Rows are only a list per node here; used by table.h
 * alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/registration.h"
#include "proto/util/bytes.h"
#include "supervisor/route/path.h"

struct route_entry;

struct route_node {
	struct route_node *parent; /* NULL: a root */
	struct route_node *param, *rest;
	struct route_entry
		*entries;  /* sorted by method; at most one live entry each */
	uint32_t uses;	   /* entries and children; 0: can be removed */
	uint32_t literals; /* children in the hash */
	uint32_t hash;
	uint32_t length;
	char text[];
};

struct route_nodes {
	struct route_nodes_slot {
		struct route_node *node; /* NULL: free */
		uint32_t hash;
	} * slots;
	uint32_t capacity, count; /* a power of two, at most half full */
	struct route_node
		*roots[REGISTRATION_KIND_COUNT]; /* HTTP: whole paths */
	struct route_node *patterns; /* root of the patterns with a wildcard */
};

void route_nodes_init(struct route_nodes *p);
void route_nodes_finish(struct route_nodes *p); /* asserts that it is empty */

/* NULL: none */
struct route_node *route_nodes_find(const struct route_nodes *p,
	const struct route_node *parent, struct bytes text);

/* Finds the node or makes it. Call route_nodes_release() if no entry was put
 * there, and after the last one was removed: it frees an unused node. */
struct route_node *route_nodes_claim_name(
	struct route_nodes *p, enum registration_kind kind, struct bytes name);
struct route_node *route_nodes_claim_pattern(
	struct route_nodes *p, const struct path_pattern *pattern);
void route_nodes_release(struct route_nodes *p, struct route_node *node);
