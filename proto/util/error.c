/* error: builds error texts; cut to fit, never failing itself. */
#include "proto/util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "proto/util/text.h"

int
error_set(struct error *err, const char *format, ...)
{
	va_list args;

	if (!err)
		return -1;
	va_start(args, format);
	text_vformat(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->shortage = false;
	return -1;
}

static bool
is_shortage(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
	case ENOBUFS:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		return true;
	default:
		return false;
	}
}

int
error_set_errno(struct error *err, int number, const char *format, ...)
{
	va_list args;
	size_t length;

	if (!err)
		return -1;
	va_start(args, format);
	text_vformat(err->text, sizeof(err->text), format, args);
	va_end(args);
	length = strlen(err->text);
	text_format(err->text + length, sizeof(err->text) - length, ": %s",
		strerror(number));
	err->shortage = is_shortage(number);
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
	text_vformat(err->text, sizeof(err->text), format, args);
	va_end(args);
	length = strlen(err->text);
	text_format(
		err->text + length, sizeof(err->text) - length, "%s", old.text);
	return -1;
}
