/* node: rules as they are written, in a file or in the settings: a tree in
 * which each value knows its place, for messages. Knows nothing of rules. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define NODE_DEPTH_MAX 24
#define NODE_FILE_BYTES_MAX ((size_t)1024 * 1024)
#define WHY_BYTES 512

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	char *where;   /* "rules.yaml:3:5", or "settings.rules.0" */
	json_t *value; /* of a scalar */
	struct node **items;
	char **keys; /* of a map, one for each item */
	size_t count;
};

/* Reads YAML without anchors, aliases and tags; `name` is what messages call
 * it. NULL, with the reason and its place, if it is not that. */
struct node *node_from_yaml(
	const char *name, const char *text, size_t bytes, char why[WHY_BYTES]);
/* The same of a file; `where` is the path. */
struct node *node_from_file(const char *path, char why[WHY_BYTES]);
/* `where` is the way to it, "settings.rules.0". */
struct node *node_from_json(const json_t *value, char why[WHY_BYTES]);
void node_destroy(struct node *n); /* NULL is fine */

/* The item of a map; NULL if there is none. */
const struct node *node_get(const struct node *map, const char *key);
/* The text of a string; NULL if it is something else. */
const char *node_text(const struct node *n);
/* As JSON: a new reference. */
json_t *node_json(const struct node *n);
/* Writes "WHERE: reason"; -1. */
int node_fail(const struct node *n, char why[WHY_BYTES], const char *format,
	...) __attribute__((format(printf, 3, 4)));
/* -1 if it is not a map, or has other keys than these; NULL ends the list. */
int node_check_keys(
	const struct node *map, const char *const *known, char why[WHY_BYTES]);

/* ---- for those that build one ---- */

/* Takes `where` and value; NULL: no memory. */
struct node *node_create(enum node_kind kind, char *where, json_t *value);
/* Takes the item, even if it fails; copies the key (NULL in a list). */
int node_add(struct node *n, const char *key, struct node *item);
