/* survey: finds which of many packages have changed: by fingerprint, and by
 * digest where that differs. It changes nothing. */
#pragma once

#include <stdio.h>

/* Reads one order per line from `in` and writes the answers in order to `out`,
 * see proto/launch.h. -1: a line was malformed, or could not be answered. */
int survey_run(FILE *in, FILE *out);
