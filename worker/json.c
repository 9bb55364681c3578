/* json: values by path, and text by format. Knows no request. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "worker/request.h"

const json_t *
json_at_path(const json_t *root, const char *path)
{
	while (root && *path) {
		size_t length = strcspn(path, ".");
		char key[128];

		if (length >= sizeof(key))
			return NULL;
		memcpy(key, path, length);
		key[length] = 0;
		root = json_object_get(root, key);
		path += length + (path[length] == '.');
	}
	return root;
}

static void
json_quote(struct buffer *b, const char *text)
{
	if (text)
		json_text_append_string(b, bytes_of(text));
	else
		buffer_append_text(b, "null");
}

static bool
json_format_is_real(char conversion)
{
	return strchr("aAeEfFgG", conversion);
}

const char *
json_text_value(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* One conversion that printf does itself; specification is "%...d". */
static void
json_convert(struct buffer *b, const char *specification, bool is_real,
	va_list *arguments)
{
	char text[512];
	va_list copy;
	int length;

	va_copy(copy, *arguments);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	length = vsnprintf(text, sizeof(text), specification, copy);
#pragma GCC diagnostic pop
	va_end(copy);
	if (length >= (int)sizeof(text))
		length = sizeof(text) - 1;
	/* The plugin may have set a locale. */
	for (int i = 0; is_real && i < length; i++)
		text[i] = text[i] == ',' ? '.' : text[i];
	buffer_append(b, text, (size_t)length);
}

/* Moves past the argument that the conversion consumed; -1: JSON has no such
 * number. */
static int
json_skip(const char *specification, size_t length, va_list *arguments)
{
	char last = specification[length - 1];
	bool wide = strchr("zjt", specification[length - 2]) ||
		    specification[length - 2] == 'l';

	if (json_format_is_real(last))
		return isfinite(va_arg(*arguments, double)) ? 0 : -1;
	if (last == 'p' || wide)
		(void)va_arg(*arguments, long);
	else
		(void)va_arg(*arguments, int);
	return 0;
}

int
json_format(struct buffer *b, const char *format, va_list arguments,
	struct error *err)
{
	va_list rest;
	int result = 0;

	va_copy(rest, arguments);
	while (*format) {
		size_t plain = strcspn(format, "%"), length;
		char specification[32];

		buffer_append(b, format, plain);
		format += plain;
		if (!*format)
			break;
		length = 1 + strspn(format + 1, "0123456789.+- #lhzjt") + 1;
		if (length >= sizeof(specification) || !format[length - 1] ||
			strchr("*n", format[length - 1]))
			host_abort("sup_reply_json: cannot format %s", format);
		memcpy(specification, format, length);
		specification[length] = 0;
		format += length;
		if (specification[length - 1] == '%') {
			buffer_append(b, "%", 1);
		} else if (specification[length - 1] == 's') {
			json_quote(b, va_arg(rest, const char *));
		} else {
			size_t at = buffer_length(b);

			json_convert(b, specification,
				json_format_is_real(specification[length - 1]),
				&rest);
			if (json_skip(specification, length, &rest) && !result)
				result = error_set(err,
					"the %s at byte %zu: NaN and Infinity "
					"are not JSON",
					specification, at);
		}
	}
	va_end(rest);
	return result;
}
