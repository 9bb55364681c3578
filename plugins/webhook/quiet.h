/* quiet: lets a stranger cause only so many lines of the log. */
#pragma once

#include <sup/plugin.h>

struct quiet {
	int64_t window; /* which 10 s it is */
	unsigned said, withheld;
};

/* Writes a warning, or counts it; the next one that is written says how many
 * were not. */
void quiet_log(struct quiet *q, struct sup *p, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
