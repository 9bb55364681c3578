/* api_args: reads the arguments in a path, a query and a body. The command
 * table decides which arguments a call takes. */
#include "supervisor/http/api_args.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/http/text.h"

/* -1: the argument is there already, or its name is not valid text. */
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

/* NULL: the percent encoding is malformed or does not give UTF-8. */
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

/* Reads "kind=tool&plugin=hello". */
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
	struct bytes key, value;
	json_t *name;

	if (row->http->kind)
		json_object_set_new(args, "kind", json_string(row->http->kind));
	if (!api_row_name(row, path, &key, &value))
		return 0;
	name = json_stringn(value.at, value.length);
	return name ? json_object_setn_new(args, key.at, key.length, name) : -1;
}

/* ---- the type of a body ---- */

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

/* Takes the part before the next ';', and the ';', off the front. */
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

/* Any other charset would be misread as UTF-8. */
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
		return refuse(err, 400, "the body is not a JSON object");
	json_object_foreach((json_t *)(uintptr_t)body, key, value)
	{
		if (add_argument(args, bytes_of(key), json_incref(value)))
			return refuse(err, 400, "duplicate argument");
	}
	return 0;
}

static int
add_value(json_t *args, const struct api_row *row, json_t *body,
	struct error *err)
{
	if (row->http->body == VERB_BODY_TEXT && json_is_object(body) &&
		json_object_size(body) == 1)
		body = json_object_get(body, "text");
	if (row->http->body == VERB_BODY_TEXT && !json_is_string(body))
		return refuse(err, 400,
			"the body must be a string or {\"text\": a text}");
	if (add_argument(
		    args, bytes_of(row->http->value_key), json_incref(body)))
		return refuse(err, 400, "duplicate argument");
	return 0;
}

static int
add_body(json_t *args, const struct api_row *row, json_t *body,
	struct error *err)
{
	if (value_is_deeper(body, VALUE_DEPTH_MAX))
		return refuse(err, 400, "the body is nested too deeply");
	return row->http->body == VERB_BODY_ARGS
		       ? add_object(args, body, err)
		       : add_value(args, row, body, err);
}

int
api_args_read_body(json_t *args, const struct api_row *row, enum api_type type,
	struct bytes body, json_error_t *where, struct error *err)
{
	json_t *value;
	int status;

	where->line = 0;
	if (type == API_TYPE_TEXT && row->http->body == VERB_BODY_TEXT) {
		value = json_stringn(body.at, body.length);
		if (!value)
			return refuse(err, 400, "the body is not UTF-8 text");
	} else if (json_text_values(body) > WIRE_VALUES_MAX) {
		return refuse(err, 413, "the body has more than 65536 values");
	} else {
		value = json_text_read(body, where, err);
		if (!value)
			return 400;
	}
	status = add_body(args, row, value, err);
	json_decref(value);
	return status;
}
