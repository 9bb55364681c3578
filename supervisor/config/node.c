/* node: the tree itself: growing, finding, merging. */
#include "supervisor/config/node.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define INDEX_FROM 16 /* keys; a scan of fewer is as quick */

/* ---- the tree ---- */

void
node_destroy(struct node *node)
{
	if (!node)
		return;
	for (uint32_t i = 0; i < node->count; i++) {
		if (node->keys)
			node_destroy(node->keys[i]);
		node_destroy(node->items[i]);
	}
	map_finish(&node->index);
	free(node->keys);
	free(node->items);
	free(node->text);
	free(node);
}

struct node **
node_find(const struct node *map, const char *key, size_t length)
{
	if (map->count > INDEX_FROM)
		return map_get(&map->index, key, length);
	for (uint32_t i = 0; i < map->count; i++)
		if (map->keys[i]->length == length &&
			!memcmp(map->keys[i]->text, key, length))
			return &map->items[i];
	return NULL;
}

/* Rebuilds the index, whose values point into items[], which moves when it
 * grows. */
static void
node_index(struct node *map)
{
	map_finish(&map->index);
	map_init(&map->index);
	for (uint32_t i = 0; i < map->count; i++)
		map_set(&map->index, map->keys[i]->text, map->keys[i]->length,
			&map->items[i]);
}

void
node_append(struct node *to, struct node *key, struct node *item)
{
	bool moved = to->count == to->capacity;
	if (moved) {
		to->capacity = to->capacity ? to->capacity * 2 : 8;
		to->items = memory_resize(
			to->items, to->capacity * sizeof(*to->items));
		if (key)
			to->keys = memory_resize(
				to->keys, to->capacity * sizeof(*to->keys));
	}
	to->items[to->count] = item;
	if (key)
		to->keys[to->count] = key;
	to->count++;
	if (!key || to->count <= INDEX_FROM)
		return;
	if (moved || to->count == INDEX_FROM + 1)
		node_index(to);
	else
		map_set(&to->index, key->text, key->length,
			&to->items[to->count - 1]);
}

struct node *
node_get(const struct node *map, const char *key)
{
	struct node **found = node_find(map, key, strlen(key));
	return found ? *found : NULL;
}

bool
node_is_empty(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node->quoted && !node->length;
}

bool
node_is_null(const struct node *node)
{
	return node_is_empty(node) ||
	       (node->kind == NODE_SCALAR && !node->quoted &&
		       (!strcmp(node->text, "~") ||
			       !strcmp(node->text, "null") ||
			       !strcmp(node->text, "Null") ||
			       !strcmp(node->text, "NULL")));
}

const char *
node_kind_name(const struct node *node)
{
	switch (node->kind) {
	case NODE_SCALAR:
		return node_is_null(node) ? "nothing" : "a single value";
	case NODE_LIST:
		return "a list";
	case NODE_MAP:
		return "a map";
	case NODE_BROKEN:
		break;
	}
	return "something broken";
}

/* ---- merging ---- */

void
node_problem_of_double(struct problems *problems, const struct node *map,
	struct node *const *there, const struct node *key)
{
	const struct node *first = map->keys[there - map->items];
	node_problem(problems, key, "'%s' is set already in %s:%u:%u",
		key->text, first->file, first->line, first->column);
}

static void
merge_entry(struct node *into, struct node *key, struct node *item,
	const char *entries, bool deeper, struct problems *problems)
{
	struct node **there = node_find(into, key->text, key->length);
	if (!there) {
		node_append(into, key, item);
		return;
	}
	if (deeper && node_is_empty(*there) && item->kind == NODE_MAP) {
		/* `plugins:` with nothing under it is a map too */
		node_destroy(*there);
		*there = item;
		item = NULL;
	} else if (deeper && (*there)->kind == NODE_MAP &&
		   node_is_empty(item)) {
		; /* adds nothing */
	} else if (deeper && (*there)->kind == NODE_MAP &&
		   item->kind == NODE_MAP) {
		bool further = !entries || strcmp(key->text, entries) != 0;
		for (uint32_t i = 0; i < item->count; i++)
			merge_entry(*there, item->keys[i], item->items[i], NULL,
				further, problems);
		item->count = 0;
	} else {
		node_problem_of_double(problems, into, there, key);
	}
	node_destroy(key);
	node_destroy(item);
}

void
node_merge(struct node *into, struct node *from, const char *entries,
	struct problems *problems)
{
	for (uint32_t i = 0; i < from->count; i++)
		merge_entry(into, from->keys[i], from->items[i], entries, true,
			problems);
	from->count = 0;
	node_destroy(from);
}
