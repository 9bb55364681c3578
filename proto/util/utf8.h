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
