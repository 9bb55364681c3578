/* buffer: growing bytes, written at the end and consumed at the front.
 * Memory comes from memory.h, so appending does not fail; limits are the
 * caller's. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer {
	uint8_t *memory;
	size_t start, end, capacity; /* content is memory[start .. end) */
};

void buffer_init(struct buffer *b); /* all zero bytes are valid too */
void buffer_finish(struct buffer *b);
void buffer_clear(struct buffer *b); /* keeps at most 64 KiB of memory */

static inline uint8_t *
buffer_bytes(const struct buffer *b)
{
	return b->memory + b->start;
}

static inline size_t
buffer_length(const struct buffer *b)
{
	return b->end - b->start;
}

/* The slow half of buffer_reserve: moves the content to the front or grows. */
void buffer_make_room(struct buffer *b, size_t bytes);

/* Room for at least `bytes` more at the returned address; what is written there
 * counts after buffer_commit(). */
static inline uint8_t *
buffer_reserve(struct buffer *b, size_t bytes)
{
	if (__builtin_expect(b->capacity - b->end < bytes || !b->memory, 0))
		buffer_make_room(b, bytes);
	return b->memory + b->end;
}

static inline void
buffer_commit(struct buffer *b, size_t bytes)
{
	b->end += bytes;
}

static inline void
buffer_append(struct buffer *b, const void *bytes, size_t size)
{
	if (size)
		memcpy(buffer_reserve(b, size), bytes, size);
	b->end += size;
}

static inline void
buffer_append_byte(struct buffer *b, uint8_t byte)
{
	*buffer_reserve(b, 1) = byte;
	b->end++;
}

/* From the front; at most what is there. */
static inline void
buffer_consume(struct buffer *b, size_t bytes)
{
	b->start += bytes;
	if (b->start >= b->end)
		b->start = b->end = 0;
}

void buffer_append_text(struct buffer *b, const char *text);
void buffer_format(struct buffer *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
