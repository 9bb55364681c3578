/* error: a message that says what went wrong, for the user who has to act.
 * A function that fails fills it and returns -1; it never logs as well. */
#pragma once

#include <stdbool.h>

struct error {
	char text[512]; /* one sentence without a final full stop */
	bool shortage;	/* see error_set_errno() */
};

/* All accept err == NULL and always return -1, so that a caller can write
 * `return error_set(err, "...")`. error_prefix puts text before what is
 * there already. */
int error_set(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int error_prefix(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Appends ": " and the meaning of `number` (an errno). It is a shortage if
 * space, memory, descriptors or processes ran out: the same call may succeed
 * later without a repair. */
int error_set_errno(struct error *err, int number, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
