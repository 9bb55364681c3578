/* unstage: removes the copy that a generation ran from. Runs in a process of
 * its own, so that supd does not wait for a large one. */
#pragma once

#include "proto/util/error.h"

/* A folder that is not there is removed already. */
int unstage_run(const char *folder, struct error *err);
