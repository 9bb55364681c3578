/* split: a text of any length as lines that a server takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What is left of a text. */
struct split {
	const char *at;
	size_t left;
	size_t most; /* bytes of a piece, at least 4 */
};

/* The next piece, never empty, in the text: up to the end of its line, or, if
 * that is too long, to a blank or at least the end of a character. Blank lines
 * are none. False at the end. */
bool split_next(struct split *s, const char **piece_out, size_t *size_out);
size_t split_count(struct split s);
/* In place: no byte is left that ends a message of IRC, or starts another: CR
 * LF is LF, CR is LF, other control characters are blanks. */
void split_clean(char *text, size_t *size);
