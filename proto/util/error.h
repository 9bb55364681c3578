/* error: the text of what went wrong, for the person who has to act on it.
 * A function that fails fills it and returns -1; it never logs as well. */
#pragma once

struct error {
	char text[512]; /* one sentence without a final full stop */
};

/* Both accept err == NULL and always return -1, so that a caller can write
 * `return error_set(err, "...")`. error_prefix puts text before what is
 * there already. */
int error_set(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int error_prefix(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
