/* map: texts to pointers, open addressing. Copies the keys, never owns the
 * values. Iteration order is not defined. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct map {
	struct map_entry *entries;
	size_t count, capacity;
};

struct map_entry {
	char *key; /* NULL: free */
	uint32_t key_length, hash;
	void *value;
};

void map_init(struct map *m); /* all zero bytes are valid too */
void map_finish(struct map *m);
void *map_get(const struct map *m, const char *key, size_t key_length);
void map_set(struct map *m, const char *key, size_t key_length, void *value);
/* Gives back the value that was there, NULL if none. Not while iterating. */
void *map_remove(struct map *m, const char *key, size_t key_length);
/* for (size_t i = 0; (entry = map_next(m, &i));) */
const struct map_entry *map_next(const struct map *m, size_t *next);
