/* frame: the stream from supd to supd-export, over a socket that is the
 * latter's descriptor 1. A frame is a head of two numbers, highest byte first,
 * and records back to back (see supervisor/trace/records.h). The first number
 * is the length of the records (4 bytes); the second, added to the times in
 * them, makes these microseconds since 1970 (8 bytes). supd-export answers with
 * lines of JSON. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"

#define FRAME_HEAD_BYTES 12
#define FRAME_BYTES_MAX ((size_t)32 << 20)

static inline void
frame_put(uint8_t *at, uint64_t n, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--, n >>= 8)
		at[i] = (uint8_t)n;
}

static inline uint64_t
frame_get(const uint8_t *at, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | at[i];
	return n;
}

/* Reserves a head, which frame_end() fills in; returns where it is. */
static inline size_t
frame_begin(struct buffer *b)
{
	size_t start = buffer_length(b);

	buffer_reserve(b, FRAME_HEAD_BYTES);
	buffer_commit(b, FRAME_HEAD_BYTES);
	return start;
}

static inline void
frame_end(struct buffer *b, size_t start)
{
	uint8_t *head = buffer_bytes(b) + start;

	frame_put(head, buffer_length(b) - start - FRAME_HEAD_BYTES, 4);
	frame_put(head + 4, clock_wall_ms() * 1000 - clock_us(), 8);
}
