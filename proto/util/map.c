/* map: linear probing at a load of at most 3/4, removal by shifting back, so
 * there are no tombstones and a miss stays short after any history. */
#include "proto/util/map.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define MAP_FIRST_CAPACITY 8 /* a power of two */

static uint32_t
map_hash(const char *key, size_t length)
{
	uint64_t hash = length * 0x9e3779b97f4a7c15u, word;

	for (; length >= 8; key += 8, length -= 8) {
		memcpy(&word, key, 8);
		hash = (hash ^ word) * 0xff51afd7ed558ccdu;
		hash ^= hash >> 32;
	}
	word = 0;
	for (size_t i = 0; i < length; i++)
		word = word << 8 | (uint8_t)key[i];
	hash = (hash ^ word) * 0xc4ceb9fe1a85ec53u;
	return (uint32_t)(hash ^ hash >> 32);
}

void
map_init(struct map *m)
{
	*m = (struct map){0};
}

void
map_finish(struct map *m)
{
	for (size_t i = 0; i < m->capacity; i++)
		free(m->entries[i].key);
	free(m->entries);
	map_init(m);
}

/* The entry of the key, or the free entry where it would go. */
static struct map_entry *
map_find(const struct map *m, const char *key, size_t length, uint32_t hash)
{
	size_t mask = m->capacity - 1, i = hash & mask;
	struct map_entry *e;

	for (;; i = (i + 1) & mask) {
		e = &m->entries[i];
		if (!e->key)
			return e;
		if (e->hash == hash && e->key_length == length &&
			!memcmp(e->key, key, length))
			return e;
	}
}

void *
map_get(const struct map *m, const char *key, size_t key_length)
{
	struct map_entry *e;

	if (!m->count)
		return NULL;
	e = map_find(m, key, key_length, map_hash(key, key_length));
	return e->key ? e->value : NULL;
}

static void
map_grow(struct map *m)
{
	struct map bigger = {0};

	bigger.capacity = m->capacity ? m->capacity * 2 : MAP_FIRST_CAPACITY;
	bigger.entries = memory_alloc(bigger.capacity * sizeof(*m->entries));
	bigger.count = m->count;
	for (size_t i = 0; i < m->capacity; i++) {
		const struct map_entry *e = &m->entries[i];

		if (e->key)
			*map_find(&bigger, e->key, e->key_length, e->hash) = *e;
	}
	free(m->entries);
	*m = bigger;
}

void
map_set(struct map *m, const char *key, size_t key_length, void *value)
{
	uint32_t hash = map_hash(key, key_length);
	struct map_entry *e;

	assert(key_length < UINT32_MAX);
	if (m->count + 1 > m->capacity / 4 * 3)
		map_grow(m);
	e = map_find(m, key, key_length, hash);
	if (!e->key) {
		e->key = memory_copy_bytes(key, key_length);
		e->key_length = (uint32_t)key_length;
		e->hash = hash;
		m->count++;
	}
	e->value = value;
}

/* Fills the hole at `hole` with later entries that probe over it. */
static void
map_close_hole(struct map *m, size_t hole)
{
	size_t mask = m->capacity - 1;

	for (size_t i = (hole + 1) & mask; m->entries[i].key;
		i = (i + 1) & mask) {
		size_t home = m->entries[i].hash & mask;

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		m->entries[hole] = m->entries[i];
		hole = i;
	}
	m->entries[hole] = (struct map_entry){0};
}

void *
map_remove(struct map *m, const char *key, size_t key_length)
{
	struct map_entry *e;
	void *value;

	if (!m->count)
		return NULL;
	e = map_find(m, key, key_length, map_hash(key, key_length));
	if (!e->key)
		return NULL;
	value = e->value;
	free(e->key);
	m->count--;
	map_close_hole(m, (size_t)(e - m->entries));
	return value;
}

const struct map_entry *
map_next(const struct map *m, size_t *next)
{
	while (*next < m->capacity) {
		const struct map_entry *e = &m->entries[(*next)++];

		if (e->key)
			return e;
	}
	return NULL;
}
