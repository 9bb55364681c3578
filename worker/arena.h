/* arena: small pieces of memory that are freed together; used for the strings
 * of one request. Keeps its first block from one use to the next. */
#pragma once

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* the newest first; the last one is kept */
	size_t used;		    /* of the newest */
};

void *arena_take(struct arena *a, size_t bytes); /* aligned, not zeroed */
char *arena_text(struct arena *a, const void *bytes, size_t size); /* + NUL */
void arena_clear(struct arena *a);
void arena_finish(struct arena *a);
