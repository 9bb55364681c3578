/* fields: one set of functions for each type of field. */
#include "proto/kinds/fields.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/json_text.h"
#include "proto/registration.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"
#include "proto/value.h"

#define COUNT_MAX (1LL << 53) /* every language has all numbers up to it */

static const struct {
	int64_t least, most;
} ranges[] = {
	[FIELD_BYTES] = {0, INT64_MAX},
	[FIELD_COUNT] = {0, COUNT_MAX},
	[FIELD_POSITIVE] = {1, COUNT_MAX},
	[FIELD_INT] = {-1000000000, 1000000000},
};

static void *
field_in(const struct field *f, struct registration *r)
{
	return (char *)r + f->at;
}

static const void *
value_in(const struct field *f, const struct registration *r)
{
	return (const char *)r + f->at;
}

static bool
is_number(const struct field *f)
{
	return f->type == FIELD_BYTES || f->type == FIELD_COUNT ||
	       f->type == FIELD_POSITIVE || f->type == FIELD_INT;
}

static bool
is_text(const struct field *f)
{
	return f->type == FIELD_TEXT || f->type == FIELD_LINES ||
	       f->type == FIELD_OBJECT || f->type == FIELD_WORDS;
}

static const char *
text_in(const struct field *f, const struct registration *r)
{
	return *(char *const *)value_in(f, r);
}

void
field_init(const struct field *f, struct registration *r)
{
	if (f->type == FIELD_EITHER)
		*(int *)field_in(f, r) = -1;
	else if (is_number(f))
		*(int64_t *)field_in(f, r) = f->type == FIELD_INT ? 0 : -1;
	else if (f->type == FIELD_BOOL)
		*(bool *)field_in(f, r) = false;
	else
		*(char **)field_in(f, r) = NULL;
}

/* ---- reading ---- */

static int
read_text(const struct field *f, struct registration *r,
	const msgpack_object *o, struct error *err)
{
	struct bytes text = codec_bytes(o);

	if (o->type != MSGPACK_OBJECT_STR ||
		!utf8_is_clean(text.at, text.length, f->type == FIELD_LINES))
		return error_set(err,
			"%s must be UTF-8 text without control characters",
			f->name);
	if (text.length > REGISTRATION_TEXT_MAX)
		return error_set(err, "%s is longer than %d bytes", f->name,
			REGISTRATION_TEXT_MAX);
	*(char **)field_in(f, r) = memory_copy_bytes(text.at, text.length);
	return 0;
}

static int
read_object(const struct field *f, struct registration *r,
	const msgpack_object *o, struct error *err)
{
	char **text_out = field_in(f, r);
	struct error why;
	json_t *value;

	if (o->type == MSGPACK_OBJECT_STR)
		value = json_text_read(codec_bytes(o), NULL, &why);
	else
		value = value_from(o, &why);
	if (!value)
		return error_set(err, "%s: %.400s", f->name, why.text);
	if (json_is_object(value))
		*text_out = json_text(value, JSON_TEXT_COMPACT);
	json_decref(value);
	return *text_out ? 0 : error_set(err, "%s is not an object", f->name);
}

/* A token of RFC 9110. */
static bool
is_word(const msgpack_object *o)
{
	struct bytes word = codec_bytes(o);

	if (o->type != MSGPACK_OBJECT_STR || !word.length)
		return false;
	for (size_t i = 0; i < word.length; i++)
		if (word.at[i] <= ' ' || word.at[i] >= 0x7f ||
			strchr("\"(),/:;<=>?@[\\]{}", word.at[i]))
			return false;
	return true;
}

static int
read_words(const struct field *f, struct registration *r,
	const msgpack_object *o, struct error *err)
{
	const msgpack_object_array *list = &o->via.array;
	struct buffer text = {0};

	if (o->type != MSGPACK_OBJECT_ARRAY)
		return error_set(err, "%s is not an array", f->name);
	for (uint32_t i = 0; i < list->size; i++) {
		struct bytes word = codec_bytes(&list->ptr[i]);

		if (!is_word(&list->ptr[i]) ||
			buffer_length(&text) + word.length >
				FIELD_WORDS_BYTES) {
			buffer_finish(&text);
			return error_set(err,
				"%s must be tokens of at most %d bytes "
				"together",
				f->name, FIELD_WORDS_BYTES);
		}
		if (i)
			buffer_append_text(&text, ", ");
		buffer_append(&text, word.at, word.length);
	}
	if (buffer_length(&text))
		*(char **)field_in(f, r) =
			memory_copy_bytes((const char *)buffer_bytes(&text),
				buffer_length(&text));
	buffer_finish(&text);
	return 0;
}

static int
read_bool(const struct field *f, struct registration *r,
	const msgpack_object *o, struct error *err)
{
	if (o->type != MSGPACK_OBJECT_BOOLEAN)
		return error_set(err, "%s is not a boolean", f->name);
	if (f->type == FIELD_BOOL)
		*(bool *)field_in(f, r) = o->via.boolean;
	else
		*(int *)field_in(f, r) = o->via.boolean;
	return 0;
}

static int
read_number(const struct field *f, struct registration *r,
	const msgpack_object *o, struct error *err)
{
	bool is_known = o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
			(o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
				o->via.u64 <= INT64_MAX);
	int64_t number = is_known ? o->via.i64 : 0;
	long long least = ranges[f->type].least, most = ranges[f->type].most;

	if (!is_known || number < least || number > most)
		return error_set(err, "%s must be a number %sfrom %lld to %lld",
			f->name, f->type == FIELD_BYTES ? "of bytes " : "",
			least, most);
	*(int64_t *)field_in(f, r) = number;
	return 0;
}

int
field_read(const struct field *f, struct registration *r,
	const msgpack_object *item, struct error *err)
{
	const msgpack_object *o = codec_field(item, f->name);

	if (!o || o->type == MSGPACK_OBJECT_NIL)
		return 0;
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_LINES:
		return read_text(f, r, o, err);
	case FIELD_OBJECT:
		return read_object(f, r, o, err);
	case FIELD_WORDS:
		return read_words(f, r, o, err);
	case FIELD_BOOL:
	case FIELD_EITHER:
		return read_bool(f, r, o, err);
	case FIELD_BYTES:
	case FIELD_COUNT:
	case FIELD_POSITIVE:
	case FIELD_INT:
		break;
	}
	return read_number(f, r, o, err);
}

/* ---- what was read ---- */

void
field_copy(const struct field *f, struct registration *to,
	const struct registration *from)
{
	if (is_text(f))
		*(char **)field_in(f, to) = memory_copy_text(text_in(f, from));
}

static bool
text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool
field_equal(const struct field *f, const struct registration *a,
	const struct registration *b)
{
	const void *first = value_in(f, a), *second = value_in(f, b);

	switch (f->type) {
	case FIELD_BOOL:
		return *(const bool *)first == *(const bool *)second;
	case FIELD_EITHER:
		return *(const int *)first == *(const int *)second;
	case FIELD_BYTES:
	case FIELD_COUNT:
	case FIELD_POSITIVE:
	case FIELD_INT:
		return *(const int64_t *)first == *(const int64_t *)second;
	default:
		return text_equal(text_in(f, a), text_in(f, b));
	}
}

bool
field_is_absent(const struct field *f, const struct registration *r)
{
	struct registration none = {0};

	field_init(f, &none);
	return field_equal(f, r, &none);
}

/* The words as they were read. */
static void
pack_words(const char *text, msgpack_packer *out)
{
	uint32_t count = 1;
	const char *end;

	for (const char *at = text; (at = strstr(at, ", ")); at += 2)
		count++;
	msgpack_pack_array(out, count);
	for (const char *at = text; count--; at = end + 2) {
		end = strstr(at, ", ");
		end = end ? end : at + strlen(at);
		codec_str(out, (struct bytes){at, (size_t)(end - at)});
	}
}

void
field_pack(const struct field *f, const struct registration *r,
	msgpack_packer *out)
{
	const void *value = value_in(f, r);
	bool yes;

	codec_text(out, f->name);
	if (f->type == FIELD_WORDS) {
		pack_words(text_in(f, r), out);
	} else if (is_text(f)) {
		codec_text(out, text_in(f, r));
	} else if (is_number(f)) {
		msgpack_pack_int64(out, *(const int64_t *)value);
	} else {
		yes = f->type == FIELD_BOOL ? *(const bool *)value
					    : *(const int *)value > 0;
		if (yes)
			msgpack_pack_true(out);
		else
			msgpack_pack_false(out);
	}
}

void
field_finish(const struct field *f, struct registration *r)
{
	if (is_text(f))
		free(*(char **)field_in(f, r));
	field_init(f, r);
}
