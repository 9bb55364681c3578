/* api_args: a query as text arguments, and a body's beside those of the path.
 * Which arguments there are is the command table's business. */
#include "supervisor/http/api_args.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/http/text.h"

/* -1: it has been said already, or its name is no text. */
static int
add_argument(json_t *args, struct bytes name, json_t *value)
{
	char *key = memory_copy_bytes(name.at, name.length);
	int result = json_object_get(args, key)
			     ? -1
			     : json_object_set(args, key, value);

	free(key);
	json_decref(value);
	return result;
}

/* NULL: the percent coding is malformed, or gives no text. */
static json_t *
decode(struct bytes coded)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	char *text = memory_copy_bytes(coded.at, coded.length);
	size_t length = 0;
	json_t *value = NULL;

	for (const char *at = text; *at; at++) {
		const char *high, *low;

		text[length] = (char)(*at == '+' ? ' ' : *at);
		if (*at == '%') {
			if (!at[1] || !at[2] ||
				!(high = strchr(digits, at[1])) ||
				!(low = strchr(digits, at[2])))
				goto end;
			text[length] = (char)((high - digits) % 16 * 16 +
					      (low - digits) % 16);
			at += 2;
		}
		length++;
	}
	value = json_stringn(text, length);
end:
	free(text);
	return value;
}

/* "kind=tool&plugin=hello"; the command table knows which there are. */
int
api_args_read_query(json_t *args, struct bytes query)
{
	const char *at = query.at, *end = query.at + query.length;

	while (at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		const char *next = stop ? stop : end;
		const char *equals = memchr(at, '=', (size_t)(next - at));
		json_t *value;

		if (!equals || equals == at)
			return -1;
		value = decode((struct bytes){
			equals + 1, (size_t)(next - equals - 1)});
		if (!value || add_argument(args,
				      (struct bytes){at, (size_t)(equals - at)},
				      value))
			return -1;
		at = next + 1;
	}
	return 0;
}

int
api_args_read_path(
	json_t *args, const struct api_row *row, const struct path *path)
{
	json_t *name;

	if (row->kind)
		json_object_set_new(args, "kind", json_string(row->kind));
	if (!row->name_key)
		return 0;
	name = json_stringn(path->segments[2].at, path->segments[2].length);
	return name ? json_object_set_new(args, row->name_key, name) : -1;
}

/* ---- what a body is said to be ---- */

static bool
is_text(struct bytes text, const char *lower_case)
{
	return text_equals_ignoring_case(text, bytes_of(lower_case));
}

static struct bytes
trim(struct bytes text)
{
	while (text.length && (*text.at == ' ' || *text.at == '\t')) {
		text.at++;
		text.length--;
	}
	while (text.length && (text.at[text.length - 1] == ' ' ||
				      text.at[text.length - 1] == '\t'))
		text.length--;
	return text;
}

/* What stands before the next ';', which is taken off as well. */
static struct bytes
next_part(struct bytes *rest)
{
	const char *end = memchr(rest->at, ';', rest->length);
	struct bytes part = *rest;

	if (end) {
		part.length = (size_t)(end - rest->at);
		*rest = (struct bytes){end + 1, rest->length - part.length - 1};
	} else {
		*rest = (struct bytes){"", 0};
	}
	return trim(part);
}

/* Any other charset would be read as what it is not. */
static bool
is_utf8(struct bytes parameter)
{
	static const struct bytes name = BYTES_INIT("charset=");
	struct bytes value;

	if (parameter.length < name.length ||
		!text_equals_ignoring_case(
			(struct bytes){parameter.at, name.length}, name))
		return true;
	value = (struct bytes){
		parameter.at + name.length, parameter.length - name.length};
	return is_text(value, "utf-8") || is_text(value, "\"utf-8\"") ||
	       is_text(value, "utf8");
}

static enum api_type
type_of(struct bytes value)
{
	struct bytes type = next_part(&value);

	while (value.length)
		if (!is_utf8(next_part(&value)))
			return API_TYPE_OTHER;
	if (is_text(type, "text/plain"))
		return API_TYPE_TEXT;
	if (is_text(type, "application/json") || is_text(type, "text/json") ||
		is_text(type, "application/x-www-form-urlencoded") ||
		(type.length > 5 &&
			is_text((struct bytes){type.at + type.length - 5, 5},
				"+json")))
		return API_TYPE_JSON;
	return API_TYPE_OTHER;
}

enum api_type
api_args_type(const struct head *h)
{
	enum api_type type = API_TYPE_JSON;

	for (unsigned i = 0; i < h->field_count; i++) {
		const struct head_field *f = &h->fields[i];

		if (bytes_equal(f->name, BYTES("content-type")))
			type = type_of(f->value);
		else if (bytes_equal(f->name, BYTES("content-encoding")) &&
			 !is_text(f->value, "identity"))
			return API_TYPE_OTHER;
		if (type == API_TYPE_OTHER)
			break;
	}
	return type;
}

/* ---- bodies ---- */

static int
refuse(struct error *err, int status, const char *text)
{
	error_set(err, "%s", text);
	return status;
}

static int
add_object(json_t *args, const json_t *body, struct error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(body))
		return refuse(err, 400, "the body is no JSON object");
	json_object_foreach((json_t *)(uintptr_t)body, key, value)
	{
		if (add_argument(args, bytes_of(key), json_incref(value)))
			return refuse(err, 400, "an argument is there twice");
	}
	return 0;
}

static int
add_value(json_t *args, const struct api_row *row, json_t *body,
	struct error *err)
{
	if (row->body == API_BODY_TEXT && json_is_object(body) &&
		json_object_size(body) == 1)
		body = json_object_get(body, "text");
	if (row->body == API_BODY_TEXT && !json_is_string(body))
		return refuse(err, 400,
			"the body is neither a text nor {\"text\": a text}");
	if (add_argument(args, bytes_of(row->value_key), json_incref(body)))
		return refuse(err, 400, "an argument is there twice");
	return 0;
}

static int
add_body(json_t *args, const struct api_row *row, json_t *body,
	struct error *err)
{
	if (value_is_deeper(body, API_DEPTH_MAX))
		return refuse(err, 400, "the body is nested too deeply");
	return row->body == API_BODY_ARGS ? add_object(args, body, err)
					  : add_value(args, row, body, err);
}

int
api_args_read_body(json_t *args, const struct api_row *row, enum api_type type,
	struct bytes body, json_error_t *where, struct error *err)
{
	json_t *value;
	int status;

	where->line = 0;
	if (type == API_TYPE_TEXT && row->body == API_BODY_TEXT) {
		value = memchr(body.at, 0, body.length)
				? NULL
				: json_stringn(body.at, body.length);
		if (!value)
			return refuse(err, 400, "the body is no UTF-8 text");
	} else {
		value = json_loadb(body.at, body.length,
			JSON_REJECT_DUPLICATES |
				(row->body == API_BODY_ARGS ? 0
							    : JSON_DECODE_ANY),
			where);
		if (!value)
			return refuse(err, 400, "malformed JSON");
		where->line = 0;
	}
	status = add_body(args, row, value, err);
	json_decref(value);
	return status;
}
