/* text: copies strings into buffers of a fixed size. They are cut between two
 * characters if they do not fit, and bytes that are not UTF-8 become U+FFFD, so
 * the result is always valid in JSON. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/util/bytes.h"

/* How many of the bytes are whole characters within `max` bytes. */
size_t text_fit(const char *at, size_t length, size_t max);
/* For "%.*s": at most `max` bytes of a string. */
#define TEXT_FIT(string, max)                                                  \
	(int)text_fit((string), strlen(string), (max)), (string)

/* Shortens a string of more than `max` bytes (8 or more) in place, by replacing
 * its middle by "…", so that the subject and the reason both remain. */
void text_shorten(char *text, size_t max);

/* As snprintf; the result is the length of what was written. */
size_t text_format(char *out, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t text_vformat(char *out, size_t size, const char *format, va_list list)
	__attribute__((format(printf, 3, 0)));
/* Either may be NULL, which is the same as NULL alone. */
bool text_same(const char *a, const char *b);
/* Of either case; -1: it is not one. */
int text_hex_digit(char c);
/* A copy in which everything that is not UTF-8, and NUL, is U+FFFD; the caller
 * frees. */
char *text_valid_copy(struct bytes bytes);
