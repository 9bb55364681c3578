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

extern const struct argp_option argument_rows[]; /* ends with zeroes */
