/* value_path: where in a document a walk is, as text: "$.a[3]". Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

/* A link of the chain of the containers around a value, on the stack of who
 * walks; NULL: the document itself. */
struct value_path {
	const struct value_path *around;
	struct bytes key; /* in an object; at is NULL in an array */
	uint32_t index;
};

#define VALUE_PATH_BYTES 256

/* "$", then ".key" and "[7]". Keys of other characters than letters, digits
 * and '_' stand in brackets, cleaned and cut; so does a path get cut. The
 * result is the length. */
size_t value_path_text(const struct value_path *p, char *out, size_t size);
