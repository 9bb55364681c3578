/* field: names a value in an event's data by a dotted path, such as "text",
 * "from.id" or "media.0.kind". In `when` and in `fields` of `redact` a word may
 * be `*`: every member of a map or list. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node.h"

#define FIELD_WORDS_MAX 16
#define FIELD_BYTES_MAX 255

struct field {
	char text[FIELD_BYTES_MAX + 1];	   /* "a.b" */
	char words[FIELD_BYTES_MAX + 1];   /* "a\0b" */
	const char *word[FIELD_WORDS_MAX]; /* into words */
	size_t count;
	bool has_star;
};

/* NULL, or what is wrong with the path. The field must not be moved afterwards,
 * because word[] points into it. */
const char *field_read(struct field *f, const char *text, size_t bytes);
/* The value (borrowed). NULL: it is absent, or the path has a `*`. */
json_t *field_get(const struct field *f, json_t *data);
/* Calls see() for each value that the path names, until see() returns something
 * other than 0, and returns that. see() may replace the value by setting
 * *replaced_out to a new reference, which is taken. */
int field_each(const struct field *f, json_t **data,
	int (*see)(json_t *value, json_t **replaced_out, void *user),
	void *user);
/* Sets the value, whose reference is taken, and makes the maps on the way that
 * are missing. NULL, or why it cannot be set. Nobody else may hold the data. */
const char *field_set(const struct field *f, json_t *data, json_t *value);
/* Removes the value and returns it, a reference of the caller's. NULL: it was
 * absent. */
json_t *field_take(const struct field *f, json_t *data);
