/* field: the place of a value in an event's data, as a dotted path: "text",
 * "from.id", "media.0.kind". `*` is every member of a map or list, where the
 * rule allows it. */
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
	const char *word[FIELD_WORDS_MAX]; /* into words; "" is itself */
	size_t count;
	bool has_star;
};

/* NULL, or why it is no path. The field must not be moved afterwards. */
const char *field_read(struct field *f, const char *text, size_t bytes);
/* The value (borrowed); NULL if it is absent, or the path has a star. */
json_t *field_get(const struct field *f, json_t *data);
/* Calls see() for each value that there is until it returns other than 0, and
 * returns that. see() may replace the value by setting *slot_out to a new
 * reference, which is taken. */
int field_each(const struct field *f, json_t **data,
	int (*see)(json_t *value, json_t **replaced_out, void *user),
	void *user);
/* Takes the value. NULL, or why it cannot be there; makes maps on the way. The
 * data must not be shared with anybody. */
const char *field_set(const struct field *f, json_t *data, json_t *value);
/* Takes it out: a reference of the caller's, NULL if it was absent. */
json_t *field_take(const struct field *f, json_t *data);
