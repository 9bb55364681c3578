/* utf8: is it text? Strict: no overlong forms, no surrogates. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins at `at`, 0 if it is not UTF-8. */
size_t utf8_length(const uint8_t *at, size_t left);
bool utf8_is_valid(const void *bytes, size_t size);
