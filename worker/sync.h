/* sync: writes the files of a folder to disk. */
#pragma once

#include "proto/util/error.h"

/* fsync of every regular file that is directly in the folder, then of the
 * folder. -1: err names the first that failed; the others were tried. */
int sync_run(const char *folder, struct error *err);
