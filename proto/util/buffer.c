/* buffer: the parts that are too large to be inline. Grows by doubling;
 * moves the content to the front instead where half the memory is consumed
 * already. */
#include "proto/util/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/util/memory.h"

#define BUFFER_FIRST_BYTES 256
#define BUFFER_KEEP_BYTES (64 * 1024)

void
buffer_init(struct buffer *b)
{
	*b = (struct buffer){0};
}

void
buffer_finish(struct buffer *b)
{
	free(b->memory);
	*b = (struct buffer){0};
}

void
buffer_clear(struct buffer *b)
{
	b->start = b->end = 0;
	if (b->capacity > BUFFER_KEEP_BYTES)
		buffer_finish(b);
}

void
buffer_make_room(struct buffer *b, size_t bytes)
{
	size_t length = buffer_length(b), capacity = b->capacity;

	if (b->start && length <= b->start && b->capacity - length >= bytes) {
		memcpy(b->memory, b->memory + b->start, length);
	} else {
		if (b->start && length)
			memmove(b->memory, b->memory + b->start, length);
		if (capacity < BUFFER_FIRST_BYTES)
			capacity = BUFFER_FIRST_BYTES;
		while (capacity - length < bytes && capacity < SIZE_MAX / 2)
			capacity *= 2;
		if (capacity - length < bytes)
			capacity = SIZE_MAX; /* memory_resize ends it */
		b->memory = memory_resize(b->memory, capacity);
		b->capacity = capacity;
	}
	b->start = 0;
	b->end = length;
}

void
buffer_append_text(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

void
buffer_format(struct buffer *b, const char *format, ...)
{
	va_list args, again;
	size_t room;
	int length;

	va_start(args, format);
	va_copy(again, args);
	buffer_reserve(b, 64);
	room = b->capacity - b->end;
	length = vsnprintf((char *)b->memory + b->end, room, format, args);
	if (length > 0 && (size_t)length >= room) {
		buffer_reserve(b, (size_t)length + 1);
		vsnprintf((char *)b->memory + b->end, (size_t)length + 1,
			format, again);
	}
	if (length > 0)
		b->end += (size_t)length;
	va_end(again);
	va_end(args);
}
