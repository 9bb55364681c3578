/* error: builds error texts; cut to fit, never failing itself. */
#include "proto/util/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
error_set(struct error *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -1;
}

int
error_prefix(struct error *err, const char *format, ...)
{
	struct error old;
	va_list args;
	size_t length;

	if (!err)
		return -1;
	old = *err;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	length = strlen(err->text);
	snprintf(
		err->text + length, sizeof(err->text) - length, "%s", old.text);
	return -1;
}
