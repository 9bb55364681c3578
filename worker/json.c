/* json: values by path, and text by format. Knows no request. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	json_t *string = json_string(text);
	char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

	buffer_append_text(b, quoted ? quoted : "null");
	free(quoted);
	json_decref(string);
}

/* One conversion that printf does itself; specification is "%...d". */
static void
json_convert(struct buffer *b, const char *specification, va_list *arguments)
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
	buffer_append(b, text,
		length < (int)sizeof(text) ? (size_t)length : sizeof(text) - 1);
}

/* Moves past the argument that the conversion consumed. */
static void
json_skip(const char *specification, size_t length, va_list *arguments)
{
	char last = specification[length - 1];
	bool wide = strchr("zjt", specification[length - 2]) ||
		    specification[length - 2] == 'l';

	if (strchr("aAeEfFgG", last))
		(void)va_arg(*arguments, double);
	else if (last == 'p' || wide)
		(void)va_arg(*arguments, long);
	else
		(void)va_arg(*arguments, int);
}

void
json_format(struct buffer *b, const char *format, va_list arguments)
{
	va_list rest;

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
			json_convert(b, specification, &rest);
			json_skip(specification, length, &rest);
		}
	}
	va_end(rest);
}
