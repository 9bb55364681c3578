#include "node.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node *
node_create(enum node_kind kind, char *where, json_t *value)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n || !where) {
		free(n);
		free(where);
		json_decref(value);
		return NULL;
	}
	n->kind = kind;
	n->where = where;
	n->value = value;
	return n;
}

void
node_destroy(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++) {
		node_destroy(n->items[i]);
		if (n->kind == NODE_MAP)
			free(n->keys[i]);
	}
	free(n->items);
	free(n->keys);
	free(n->where);
	json_decref(n->value);
	free(n);
}

/* The arrays grow to the next power of two. */
static int
node_grow(struct node *n)
{
	void *items, *keys;

	if (n->count & (n->count - 1) || n->count == 1)
		return 0;
	items = realloc(n->items, (2 * n->count + 2) * sizeof(*n->items));
	if (!items)
		return -1;
	n->items = items;
	if (n->kind != NODE_MAP)
		return 0;
	keys = realloc(n->keys, (2 * n->count + 2) * sizeof(*n->keys));
	if (!keys)
		return -1;
	n->keys = keys;
	return 0;
}

int
node_add(struct node *n, const char *key, struct node *item)
{
	char *copy = n->kind == NODE_MAP && key ? strdup(key) : NULL;

	if (!item || (n->kind == NODE_MAP && !copy) || node_grow(n)) {
		node_destroy(item);
		free(copy);
		return -1;
	}
	n->items[n->count] = item;
	if (copy)
		n->keys[n->count] = copy;
	n->count++;
	return 0;
}

const struct node *
node_get(const struct node *map, const char *key)
{
	for (size_t i = 0; map->kind == NODE_MAP && i < map->count; i++)
		if (!strcmp(map->keys[i], key))
			return map->items[i];
	return NULL;
}

const char *
node_text(const struct node *n)
{
	const char *text;

	if (n->kind != NODE_SCALAR)
		return NULL;
	text = json_string_value(n->value);
	return text && strlen(text) == json_string_length(n->value) ? text
								    : NULL;
}

json_t *
node_json(const struct node *n)
{
	json_t *all;

	if (n->kind == NODE_SCALAR)
		return json_incref(n->value);
	all = n->kind == NODE_MAP ? json_object() : json_array();
	for (size_t i = 0; i < n->count; i++)
		if (n->kind == NODE_MAP)
			json_object_set_new(
				all, n->keys[i], node_json(n->items[i]));
		else
			json_array_append_new(all, node_json(n->items[i]));
	return all;
}

int
node_fail(const struct node *n, char why[WHY_BYTES], const char *format, ...)
{
	int length = snprintf(why, WHY_BYTES, "%.300s: ", n->where);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why + length, WHY_BYTES - (size_t)length, format, arguments);
	va_end(arguments);
	return -1;
}

int
node_check_keys(
	const struct node *map, const char *const *known, char why[WHY_BYTES])
{
	if (map->kind != NODE_MAP)
		return node_fail(map, why, "must be a map");
	for (size_t i = 0; i < map->count; i++) {
		size_t k = 0;

		while (known[k] && strcmp(known[k], map->keys[i]) != 0)
			k++;
		if (!known[k])
			return node_fail(map->items[i], why,
				"unknown key '%.60s'", map->keys[i]);
	}
	return 0;
}

/* ---- from the settings ---- */

static struct node *
convert(const char *where, const json_t *value, unsigned depth)
{
	json_t *j = (json_t *)(uintptr_t)value;
	struct node *n;
	const char *key;
	json_t *item;
	char way[320];
	size_t i;

	if (depth > NODE_DEPTH_MAX)
		return NULL;
	n = node_create(json_is_object(j)  ? NODE_MAP
			: json_is_array(j) ? NODE_LIST
					   : NODE_SCALAR,
		strdup(where), NULL);
	if (!n)
		return NULL;
	if (n->kind == NODE_SCALAR)
		n->value = json_incref(j);
	json_array_foreach(j, i, item)
	{
		snprintf(way, sizeof(way), "%.280s.%zu", where, i);
		if (node_add(n, NULL, convert(way, item, depth + 1)))
			goto fail;
	}
	json_object_foreach(j, key, item)
	{
		snprintf(way, sizeof(way), "%.240s.%.60s", where, key);
		if (node_add(n, key, convert(way, item, depth + 1)))
			goto fail;
	}
	return n;
fail:
	node_destroy(n);
	return NULL;
}

struct node *
node_from_json(const json_t *value, char why[WHY_BYTES])
{
	struct node *n = convert("settings", value, 0);

	if (!n)
		snprintf(why, WHY_BYTES, "settings: nested too deep");
	return n;
}
