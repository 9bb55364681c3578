/* seen: the deliveries of the last days, so that none is taken twice. Knows no
 * clock and no file: times come from the caller. The oldest one is forgotten
 * when there are too many. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_KEY_BYTES 16

struct seen_key {
	unsigned char bytes[SEEN_KEY_BYTES];
};

struct seen;

/* NULL: no memory. */
struct seen *seen_create(size_t max);
void seen_destroy(struct seen *s); /* NULL is fine */
/* A delivery is known by its endpoint and its id. */
struct seen_key seen_key_of(const char *endpoint, const char *id);
bool seen_has(const struct seen *s, const struct seen_key *key);
/* False if it was there already. `at` is when it came; one that is older than
 * the last counts as that one. */
bool seen_add(struct seen *s, const struct seen_key *key, uint64_t at_ms);
/* Forgets those from before this time. */
void seen_expire(struct seen *s, uint64_t before_ms);
size_t seen_count(const struct seen *s);
/* By index from 0, the oldest; false after the last. */
bool seen_at(const struct seen *s, size_t index, struct seen_key *key_out,
	uint64_t *at_ms_out);

void seen_write_key(
	char hex[2 * SEEN_KEY_BYTES + 1], const struct seen_key *key);
/* A line of text per delivery, for the file and for a reload. */
#define SEEN_LINE_BYTES 47 /* with the newline, without a NUL */
void seen_write_line(char line[SEEN_LINE_BYTES + 1], const struct seen_key *key,
	uint64_t at_ms);
/* Adds the lines of a text, and skips those that are none. Returns how many
 * bytes were whole lines: what follows them is the beginning of one. */
size_t seen_read_lines(struct seen *s, const char *text, size_t bytes);
