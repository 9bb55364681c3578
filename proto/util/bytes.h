/* bytes: a borrowed sequence of bytes, not NUL-terminated; its owner says how
 * long it is valid. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bytes {
	const char *at;
	size_t length;
};

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})
/* The same for initialisers of static tables. */
#define BYTES_INIT(literal)                                                    \
	{                                                                      \
		(literal), sizeof(literal) - 1                                 \
	}

static inline struct bytes
bytes_of(const char *text)
{
	return (struct bytes){text, text ? strlen(text) : 0};
}

static inline bool
bytes_equal(struct bytes a, struct bytes b)
{
	return a.length == b.length && !memcmp(a.at, b.at, a.length);
}
