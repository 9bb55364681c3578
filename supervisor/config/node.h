/* node: one YAML text as a tree in which everything knows its line and column.
 * Anchors, aliases, tags, a second document, double keys and deep nesting are
 * refused here. It knows no key by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/map.h"
#include "supervisor/config/problems.h"

enum node_kind {
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAP,
	NODE_BROKEN, /* told already; readers pass over it */
};

struct node {
	enum node_kind kind;
	const char *file; /* borrowed from who had it parsed */
	uint32_t line, column;
	char *text; /* scalar: NUL added; length without it */
	size_t length;
	bool quoted;	    /* scalar: not plain */
	struct node **keys; /* map: scalars, beside items */
	struct node **items;
	uint32_t count, capacity;
	struct map index; /* map: key -> item, once it is large */
};

/* A problem at the node's place. */
#define node_problem(problems, node, ...)                                      \
	problems_add((problems), (node)->file, (node)->line, (node)->column,   \
		__VA_ARGS__)

/* NULL with a problem if it is not YAML at all; an empty text is an empty map.
 * The caller destroys the result before `file` goes. */
struct node *node_parse(const char *file, const char *text, size_t length,
	struct problems *problems);
void node_destroy(struct node *node); /* NULL is fine */

/* The item of that key, or NULL. */
struct node *node_get(const struct node *map, const char *key);
/* A plain scalar of nothing: `key:` with no value. */
bool node_is_empty(const struct node *node);
/* "a map", "a list", "text"… for messages */
const char *node_kind_name(const struct node *node);
/* Whether a plain scalar means null in YAML's core schema. */
bool node_is_null(const struct node *node);

/* Moves what `from` has into `into`, both maps. Maps merge; the same leaf in
 * both is a problem naming both places. What stands beneath the top-level key
 * `entries` is not merged further. Destroys `from`. */
void node_merge(struct node *into, struct node *from, const char *entries,
	struct problems *problems);

/* ---- for the parts of node ---- */

/* JSON text that YAML would not take, as YAML; NULL: it needs no change. The
 * caller frees. */
char *node_json_as_yaml(const char *text, size_t length, size_t *length_out);

/* The place of that key's item, or NULL. */
struct node **node_find(const struct node *map, const char *key, size_t length);
/* Takes both; key is NULL in a list. */
void node_append(struct node *to, struct node *key, struct node *item);
/* `key` stands in `map` already; `there` is what node_find() said. */
void node_problem_of_double(struct problems *problems, const struct node *map,
	struct node *const *there, const struct node *key);
