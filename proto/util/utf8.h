/* utf8: is it text? Strict: no overlong forms, no surrogates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins at `at`, 0 if it is not UTF-8. */
size_t utf8_length(const uint8_t *at, size_t left);
/* The same, with the character itself. */
size_t utf8_read(const uint8_t *at, size_t left, uint32_t *character_out);
bool utf8_is_valid(const void *bytes, size_t size);
/* Valid, and without control characters (C0, DEL and C1). `lines`: tab and line
 * feed are allowed. */
bool utf8_is_clean(const void *bytes, size_t size, bool lines);
/* Whether the character of `length` bytes at `at` is a control character. */
bool utf8_is_control(const uint8_t *at, size_t length);

/* Text that arrives in pieces, which may cut a character anywhere. */
struct utf8_pieces {
	uint8_t left;	   /* bytes that the character still needs */
	uint8_t low, high; /* bounds of the next one of them */
};
/* Whether the text is valid so far; false as soon as no further piece can make
 * it so. Zero at the start; the text is whole if `left` is 0 at its end. */
bool utf8_take_piece(struct utf8_pieces *p, const void *bytes, size_t size);
