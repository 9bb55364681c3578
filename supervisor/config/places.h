/* places: the file and line of each key of a config, by path ("log.level",
 * "plugins.bot.settings.token"), for plans and messages. They are added while
 * the files are read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct node;

struct config_place {
	uint64_t hash;	  /* of the path */
	const char *file; /* borrowed from the config */
	uint32_t line;
};

struct config_places {
	struct config_place *items;
	uint32_t count, capacity;
	bool is_sorted;
};

/* Adds the keys of `map`, and of the maps in it, behind `prefix` ("" or
 * "plugins.bot"). A key named `without` is left out with all that is in it;
 * NULL: none. */
void config_places_add(struct config_places *places, const char *prefix,
	const struct node *map, const char *without);
void config_places_add_one(
	struct config_places *places, const char *path, const struct node *key);
/* After the last one, before the first search. */
void config_places_sort(struct config_places *places);
/* The place of the key, or else of the nearest one around it: "listen" for
 * "listen[a]". NULL: no file has any of them. */
const struct config_place *config_places_find(
	const struct config_places *places, const char *path);
void config_places_finish(struct config_places *places);
