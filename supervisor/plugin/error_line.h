/* error_line: recognises lines that report an error, which a flood of other
 * lines must not push out. It knows them by their form: a header as languages
 * print it ("Traceback (most recent call last):", "TypeError: ...", "panic:
 * ..."), and the indented lines after it; after a panic of Go also the
 * goroutines, whose calls are not indented. */
#pragma once

#include <stdbool.h>

#include "proto/util/bytes.h"

/* Of the goroutines of a panic, so that they do not push out its header. */
#define ERROR_DUMP_LINES 50

/* Of one stream; zeroed at first. */
struct error_lines {
	bool inside;	     /* within a trace: indented lines belong to it */
	bool has_cause;	     /* the line after the trace names the error */
	bool has_goroutines; /* calls belong to it, too */
	unsigned dump_lines; /* since the first goroutine */
};

/* Whether a line begins an error. The line ends at a newline or with the text.
 */
bool error_line_begins(struct bytes text);
/* Whether the next line of the stream belongs to an error. */
bool error_line_take(struct error_lines *e, struct bytes line);
