/* json_text: writes and reads JSON, in the same way everywhere. Integers keep
 * all digits; reals are written in the shortest form that reads back as the
 * same double. Strings are UTF-8; a character that controls a terminal
 * (proto/util/clean.h) is written as an escape, so that printing JSON is
 * harmless and its value unchanged. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"

enum json_text_form {
	JSON_TEXT_COMPACT = 0,
	JSON_TEXT_SPACED = 1, /* a space after ':' and ',' */
	JSON_TEXT_LINES = 2,  /* one line per member, indented by two */
	/* or'ed to one of these: */
	JSON_TEXT_SORTED = 4, /* by key; else in the order of insertion */
	JSON_TEXT_ASCII = 8,  /* escapes everything else */
};

/* Appends the document; NULL is written as null. */
void json_text_append(struct buffer *b, const json_t *value, unsigned form);
/* The same as a string that the caller frees. */
char *json_text(const json_t *value, unsigned form);
/* Parts of a document: a string, in which bytes that are not UTF-8 become
 * U+FFFD, and a finite number. */
void json_text_append_string(struct buffer *b, struct bytes text);
void json_text_append_real(struct buffer *b, double real);

/* About how many values a document has, keys and containers included, found
 * without reading it; never too few. */
size_t json_text_values(struct bytes text);
/* Reads one document of any type. Duplicate keys, integers beyond 64 bits
 * with a sign, reals beyond a double, NUL in a key and anything that RFC 8259
 * does not allow are errors; \u0000 in a string is data. NULL with err, which
 * names line and column, also in where_out unless that is NULL. */
json_t *json_text_read(
	struct bytes text, json_error_t *where_out, struct error *err);
