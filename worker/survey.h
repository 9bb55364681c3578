/* survey: which of many packages are not what they were: by fingerprint, and by
 * digest where that differs. It changes nothing and follows no link. */
#pragma once

#include <stdio.h>

/* Orders a line each from `in`, answers in their order to `out`: see
 * proto/launch.h. -1: a line was no order, or could not be answered. */
int survey_run(FILE *in, FILE *out);
