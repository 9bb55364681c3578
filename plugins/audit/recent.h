/* recent: the ids of the last lines, by which an event that is sent again is
 * known. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_MAX 1024

/* All zero: empty. Ids are not 0. */
struct recent {
	uint64_t ids[RECENT_MAX]; /* a ring */
	size_t next;
};

void recent_add(struct recent *r, uint64_t id);
bool recent_has(const struct recent *r, uint64_t id);
/* The id of a line, 0 if it has none. */
uint64_t recent_id(const char *line, size_t bytes);
/* Adds those of whole lines; returns how many bytes those are: what follows is
 * the beginning of one. */
size_t recent_add_lines(struct recent *r, const char *text, size_t bytes);
