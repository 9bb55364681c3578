/* node: one YAML text as a tree whose nodes have a line and a column. Anchors,
 * aliases, tags, a second document, duplicate keys and deep nesting are refused
 * here. It knows no key by name. */
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
	NODE_BROKEN, /* reported already; readers skip it */
};

struct node {
	enum node_kind kind;
	const char *file; /* borrowed from the caller of the parser */
	uint32_t line, column;
	char *text; /* scalar: NUL added; length without it */
	size_t length;
	bool quoted;	    /* scalar: not plain */
	struct node **keys; /* map: scalars, beside items */
	struct node **items;
	uint32_t count, capacity;
	struct map index; /* map: key -> item, once it is large */
};

/* A problem at the node's position. */
#define node_problem(problems, node, ...)                                      \
	problems_add((problems), (node)->file, (node)->line, (node)->column,   \
		__VA_ARGS__)

/* Parses a text; an empty one is an empty map. NULL with a problem: malformed
 * YAML. The caller destroys the result before it frees `file`. */
struct node *node_parse(const char *file, const char *text, size_t length,
	struct problems *problems);
/* The same in steps. `file`, `text` and `problems` must outlive the reading,
 * and `file` its result. */
struct node_reading;
struct node_reading *node_reading_create(const char *file, const char *text,
	size_t length, struct problems *problems);
/* Reads up to `most` scalars and begins and ends of maps and lists; true: done,
 * or an error. */
bool node_reading_step(struct node_reading *r, uint32_t most);
/* Ends the reading, at any time, and returns its result. */
struct node *node_reading_finish(struct node_reading *r);
void node_destroy(struct node *node); /* NULL is fine */

/* The item of that key, or NULL. */
struct node *node_get(const struct node *map, const char *key);
/* Whether it is the empty value of `key:`. */
bool node_is_empty(const struct node *node);
/* "a map", "a list", "text"… for messages */
const char *node_kind_name(const struct node *node);
/* Whether a plain scalar means null in YAML's core schema. */
bool node_is_null(const struct node *node);

/* Merges the map `from` into the map `into` and destroys `from`. Maps merge;
 * the same leaf in both is a problem that names both positions. Entries of the
 * top-level key `entries` are not merged with each other. */
void node_merge(struct node *into, struct node *from, const char *entries,
	struct problems *problems);

/* ---- for the parts of node ---- */

/* Converts JSON that is not valid YAML; NULL: no change is needed. The caller
 * frees. */
char *node_json_as_yaml(const char *text, size_t length, size_t *length_out);

/* The slot of that key's item, or NULL. */
struct node **node_find(const struct node *map, const char *key, size_t length);
/* Takes ownership of both; key is NULL in a list. */
void node_append(struct node *to, struct node *key, struct node *item);
/* Adds the problem that `key` is in `map` already; `there` is node_find()'s
 * result. */
void node_problem_of_double(struct problems *problems, const struct node *map,
	struct node *const *there, const struct node *key);
