/* error_line: see error_line.h. */
#include "supervisor/plugin/error_line.h"

#include <string.h>

#define NAME_MAX 64 /* of an exception's class */

static const struct bytes traceback = BYTES_INIT("Traceback (");

static bool
starts_with(struct bytes text, struct bytes start)
{
	return text.length >= start.length &&
	       !memcmp(text.at, start.at, start.length);
}

static bool
ends_with(const char *at, size_t length, const char *end)
{
	size_t tail = strlen(end);

	return length >= tail && !memcmp(at + length - tail, end, tail);
}

/* "ValueError:", "java.lang.Exception:", "Error:" */
static bool
is_named_error(struct bytes text)
{
	size_t length = 0;

	while (length < text.length && length < NAME_MAX &&
		(strchr("._", text.at[length]) ||
			(text.at[length] >= 'A' && text.at[length] <= 'Z') ||
			(text.at[length] >= 'a' && text.at[length] <= 'z')) &&
		text.at[length])
		length++;
	return length < text.length && text.at[length] == ':' &&
	       (ends_with(text.at, length, "Error") ||
		       ends_with(text.at, length, "Exception"));
}

bool
error_line_begins(struct bytes text)
{
	static const struct bytes starts[] = {BYTES_INIT("panic: "),
		BYTES_INIT("fatal"), BYTES_INIT("Fatal"), BYTES_INIT("FATAL"),
		BYTES_INIT("Uncaught "), BYTES_INIT("Assertion ")};

	if (!text.length || *text.at == ' ' || *text.at == '\t')
		return false;
	if (starts_with(text, traceback))
		return true;
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
		if (starts_with(text, starts[i]))
			return true;
	return is_named_error(text);
}

/* "main.f(0x1)", as Go prints a call */
static bool
is_call(struct bytes line)
{
	return line.length && line.at[line.length - 1] == ')' &&
	       memchr(line.at, '(', line.length);
}

/* Whether a line after the header belongs to the trace. */
static bool
goes_on(struct error_lines *e, struct bytes line)
{
	bool is_goroutine = starts_with(line, BYTES("goroutine "));
	bool indented = !line.length || *line.at == ' ' || *line.at == '\t';

	e->has_goroutines = e->has_goroutines || is_goroutine;
	if (!e->has_goroutines)
		return indented || starts_with(line, BYTES("[signal "));
	if (e->dump_lines++ >= ERROR_DUMP_LINES)
		return false;
	return indented || is_goroutine || is_call(line) ||
	       starts_with(line, BYTES("created by "));
}

bool
error_line_take(struct error_lines *e, struct bytes line)
{
	if (e->inside && goes_on(e, line))
		return true;
	if (e->inside && e->has_cause) {
		*e = (struct error_lines){.inside = true};
		return true;
	}
	*e = (struct error_lines){.inside = error_line_begins(line)};
	e->has_cause = e->inside && starts_with(line, traceback);
	return e->inside;
}
