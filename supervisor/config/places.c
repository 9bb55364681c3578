/* places: see places.h. Only the hash of a path is kept: if two paths of a
 * config have the same 64 bits, one of them gets a wrong line, which does no
 * harm. */
#include "supervisor/config/places.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/node.h"

/* FNV-1a */
static uint64_t
hash_of(const char *path, size_t length)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (uint8_t)path[i]) * 1099511628211u;
	return hash;
}

void
config_places_add_one(
	struct config_places *places, const char *path, const struct node *key)
{
	if (places->count == places->capacity) {
		places->capacity = places->capacity ? 2 * places->capacity : 32;
		places->items = memory_resize(places->items,
			places->capacity * sizeof(*places->items));
	}
	places->items[places->count++] =
		(struct config_place){.hash = hash_of(path, strlen(path)),
			.file = key->file,
			.line = key->line};
	places->is_sorted = false;
}

void
config_places_add(struct config_places *places, const char *prefix,
	const struct node *map, const char *without)
{
	for (uint32_t i = 0; map->kind == NODE_MAP && i < map->count; i++) {
		const struct node *key = map->keys[i];
		char *path;

		if (!map->items[i] || (without && !strcmp(key->text, without)))
			continue;
		path = memory_format(
			"%s%s%s", prefix, *prefix ? "." : "", key->text);
		config_places_add_one(places, path, key);
		config_places_add(places, path, map->items[i], NULL);
		free(path);
	}
}

static int
compare(const void *a, const void *b)
{
	const struct config_place *one = a, *other = b;

	return one->hash < other->hash ? -1 : one->hash > other->hash;
}

void
config_places_sort(struct config_places *places)
{
	if (places->count)
		qsort(places->items, places->count, sizeof(*places->items),
			compare);
	places->is_sorted = true;
}

/* The length of the path without its last part. */
static size_t
around(const char *path, size_t length)
{
	while (length && path[length - 1] != '.' && path[length - 1] != '[')
		length--;
	return length ? length - 1 : 0;
}

const struct config_place *
config_places_find(const struct config_places *places, const char *path)
{
	const struct config_place *found = NULL;
	size_t length = strlen(path);

	while (places->is_sorted && places->count && length && !found) {
		struct config_place wanted = {.hash = hash_of(path, length)};

		found = bsearch(&wanted, places->items, places->count,
			sizeof(*places->items), compare);
		length = around(path, length);
	}
	return found;
}

void
config_places_finish(struct config_places *places)
{
	free(places->items);
	*places = (struct config_places){0};
}
