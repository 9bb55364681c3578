/* arena: blocks linked newest first, bumped until full. */
#include "worker/arena.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define BLOCK_BYTES 2048
#define ALIGNMENT sizeof(void *)

struct arena_block {
	struct arena_block *next;
	size_t size;
	char bytes[];
};

void *
arena_take(struct arena *a, size_t bytes)
{
	struct arena_block *block = a->blocks;
	void *at;

	bytes = (bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (!block || block->size - a->used < bytes) {
		size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

		block = memory_alloc(sizeof(*block) + size);
		block->size = size;
		block->next = a->blocks;
		a->blocks = block;
		a->used = 0;
	}
	at = block->bytes + a->used;
	a->used += bytes;
	return at;
}

char *
arena_text(struct arena *a, const void *bytes, size_t size)
{
	char *text = arena_take(a, size + 1);

	if (size)
		memcpy(text, bytes, size);
	text[size] = 0;
	return text;
}

void
arena_clear(struct arena *a)
{
	struct arena_block *block;

	while ((block = a->blocks) &&
		(block->next || block->size > BLOCK_BYTES)) {
		a->blocks = block->next;
		free(block);
	}
	a->used = 0;
}

void
arena_finish(struct arena *a)
{
	arena_clear(a);
	free(a->blocks);
	a->blocks = NULL;
}
