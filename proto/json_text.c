/* json_text: see json_text.h. jansson parses; it is not used for writing,
 * because its reals have either 17 digits (0.1 becomes 0.10000000000000001) or
 * too few. */
#include "proto/json_text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clean.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"

/* ---- numbers ---- */

/* "1e+07" as JSON has it: "1e7". */
static void
shorten_exponent(char *text)
{
	char *from = strchr(text, 'e'), *to;

	if (!from)
		return;
	to = ++from;
	if (*from == '-')
		to++;
	if (*from == '-' || *from == '+')
		from++;
	while (*from == '0' && from[1])
		from++;
	memmove(to, from, strlen(from) + 1);
}

/* 15 digits survive any double but a subnormal, which may need fewer. A plugin
 * may have set a locale, and with it another decimal point. */
void
json_text_append_real(struct buffer *b, double real)
{
	int digits = fabs(real) < DBL_MIN ? 1 : DBL_DIG;
	char text[40], *point;

	do
		snprintf(text, sizeof(text), "%.*g", digits, real);
	while (strtod(text, NULL) != real && ++digits <= DBL_DECIMAL_DIG);
	point = text + strspn(text, "-0123456789");
	if (*point && *point != 'e')
		*point = '.';
	shorten_exponent(text);
	buffer_append_text(b, text);
	if (!strpbrk(text, ".e"))
		buffer_append_text(b, ".0");
}

/* ---- strings ---- */

static void
append_escape(struct buffer *b, uint32_t c)
{
	static const char letters[] = "b\bf\fn\nr\rt\t";
	const char *letter = c && c < 0x20 ? strchr(letters, (int)c) : NULL;

	if (letter)
		buffer_format(b, "\\%c", letter[-1]);
	else if (c < 0x10000)
		buffer_format(b, "\\u%04x", c);
	else
		buffer_format(b, "\\u%04x\\u%04x",
			0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* Bytes from `at` on that are written as they are, most of any string. */
static size_t
plain_length(const uint8_t *at, size_t left)
{
	size_t length = 0;

	while (length < left && at[length] >= 0x20 && at[length] < 0x7f &&
		at[length] != '"' && at[length] != '\\')
		length++;
	return length;
}

static void
append_string(struct buffer *b, const char *text, size_t left, unsigned form)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t length;
	uint32_t c;

	buffer_append_byte(b, '"');
	for (; left; at += length, left -= length) {
		length = plain_length(at, left);
		if (length) {
			buffer_append(b, at, length);
			continue;
		}
		length = utf8_read(at, left, &c);
		if (!length) {
			c = 0xfffd;
			length = 1;
		}
		if (c == '"' || c == '\\')
			buffer_format(b, "\\%c", (int)c);
		else if (clean_is_harmful(c) || c == 0xfffd ||
			 (c >= 0x80 && (form & JSON_TEXT_ASCII)))
			append_escape(b, c);
		else
			buffer_append(b, at, length);
	}
	buffer_append_byte(b, '"');
}

void
json_text_append_string(struct buffer *b, struct bytes text)
{
	append_string(b, text.at, text.length, JSON_TEXT_COMPACT);
}

/* ---- documents ---- */

static void append_value(
	struct buffer *b, const json_t *value, unsigned form, unsigned depth);

/* Before a member, or before the end of a container. */
static void
append_break(struct buffer *b, unsigned form, unsigned depth, bool after_comma)
{
	if (form & JSON_TEXT_LINES)
		buffer_format(b, "\n%*s", (int)(2 * depth), "");
	else if ((form & JSON_TEXT_SPACED) && after_comma)
		buffer_append_byte(b, ' ');
}

static void
append_array(
	struct buffer *b, const json_t *array, unsigned form, unsigned depth)
{
	size_t count = json_array_size(array);

	buffer_append_byte(b, '[');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_byte(b, ',');
		append_break(b, form, depth + 1, i);
		append_value(b, json_array_get(array, i), form, depth + 1);
	}
	if (count)
		append_break(b, form, depth, false);
	buffer_append_byte(b, ']');
}

struct member {
	const char *key;
	size_t length;
	const json_t *value;
};

static int
compare_members(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->key,
		((const struct member *)b)->key);
}

/* The members in the order in which they are written; the caller frees. */
static struct member *
members_of(const json_t *value, unsigned form)
{
	/* jansson iterates without changing; its interface lacks the const. */
	json_t *object = (json_t *)(uintptr_t)value;
	size_t count = json_object_size(object), i = 0;
	struct member *members =
		memory_alloc((count + !count) * sizeof(*members));

	for (void *at = json_object_iter(object); at;
		at = json_object_iter_next(object, at))
		members[i++] = (struct member){json_object_iter_key(at),
			json_object_iter_key_len(at),
			json_object_iter_value(at)};
	if (form & JSON_TEXT_SORTED)
		qsort(members, count, sizeof(*members), compare_members);
	return members;
}

static void
append_object(
	struct buffer *b, const json_t *object, unsigned form, unsigned depth)
{
	struct member *members = members_of(object, form);
	size_t count = json_object_size(object);

	buffer_append_byte(b, '{');
	for (size_t i = 0; i < count; i++) {
		if (i)
			buffer_append_byte(b, ',');
		append_break(b, form, depth + 1, i);
		append_string(b, members[i].key, members[i].length, form);
		buffer_append_text(
			b, form & (JSON_TEXT_SPACED | JSON_TEXT_LINES) ? ": "
								       : ":");
		append_value(b, members[i].value, form, depth + 1);
	}
	if (count)
		append_break(b, form, depth, false);
	buffer_append_byte(b, '}');
	free(members);
}

static void
append_value(
	struct buffer *b, const json_t *value, unsigned form, unsigned depth)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		append_object(b, value, form, depth);
		return;
	case JSON_ARRAY:
		append_array(b, value, form, depth);
		return;
	case JSON_STRING:
		append_string(b, json_string_value(value),
			json_string_length(value), form);
		return;
	case JSON_INTEGER:
		buffer_format(
			b, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return;
	case JSON_REAL:
		json_text_append_real(b, json_real_value(value));
		return;
	case JSON_TRUE:
	case JSON_FALSE:
		buffer_append_text(b, json_is_true(value) ? "true" : "false");
		return;
	case JSON_NULL:
		buffer_append_text(b, "null");
		return;
	}
}

void
json_text_append(struct buffer *b, const json_t *value, unsigned form)
{
	append_value(b, value, form, 0);
}

char *
json_text(const json_t *value, unsigned form)
{
	struct buffer b = {0};
	char *text;

	append_value(&b, value, form, 0);
	text = memory_copy_bytes(buffer_bytes(&b), buffer_length(&b));
	buffer_finish(&b);
	return text;
}

/* ---- reading ---- */

/* Each value but the first comes after one of these, outside of strings. */
size_t
json_text_values(struct bytes text)
{
	bool in_string = false;
	size_t count = 1;

	for (size_t i = 0; i < text.length; i++) {
		char c = text.at[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string)
			i += c == '\\';
		else if (c == ',' || c == ':' || c == '[' || c == '{')
			count++;
	}
	return count;
}

json_t *
json_text_read(struct bytes text, json_error_t *where_out, struct error *err)
{
	json_error_t where;
	json_t *value = json_loadb(text.at, text.length,
		JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
		&where);

	if (value)
		return value;
	clean_text(where.text, "");
	error_set(err, "malformed JSON at line %d, column %d: %s", where.line,
		where.column, where.text);
	if (where_out)
		*where_out = where;
	return NULL;
}
