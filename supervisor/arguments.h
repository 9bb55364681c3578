/* arguments: supd's options, in the table that its command line, --help and the
 * manual are made from. */
#pragma once

#include <argp.h>

enum {
	ARGUMENT_CONFIG = 'c',
	ARGUMENT_CHECK = 256,
	ARGUMENT_WATCH,
	ARGUMENT_RUNTIME,
	ARGUMENT_STATE,
	ARGUMENT_LEVEL,
	ARGUMENT_FORMAT
};

/* Returns the first long option of argv that is unknown or abbreviated (argp
 * would accept prefixes), or NULL. near_out: the most similar option, or NULL.
 */
const char *arguments_find_wrong(int argc, char **argv, const char **near_out);

extern const struct argp_option argument_rows[]; /* ends with a row of zeroes */
