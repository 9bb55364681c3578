/* pieces: cuts a text into what a channel takes at once: at the ends of lines
 * if there are any in reach, else at a space, else between two characters. Line
 * ends and spaces at which it is cut are left out. Pure. */
#pragma once

#include <jansson.h>

#include "proto/util/bytes.h"

/* Of one text; the last one ends with "…" if there would be more. */
#define PIECES_MAX 10

struct pieces {
	struct bytes rest;
	size_t limit;	/* bytes of a piece; 0: any number */
	unsigned count; /* made so far */
};

/* The next one as {text, format}, a new reference; NULL: there are no more. */
json_t *pieces_next(struct pieces *p);
/* The key of the piece that was made last; the caller frees. The first one has
 * the key that all begin with. */
char *pieces_key(const struct pieces *p, const char *begin);
