/* hooks: the table of hooks, also for `supctl show`. */
#pragma once

#include <jansson.h>

/* rows: registrations, of which those of other kinds are left out. */
void hooks_print(const json_t *rows);
