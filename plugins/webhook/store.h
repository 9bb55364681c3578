/* store: the bodies that are too large for the data of an event, a file each.
 * The oldest ones go when there are too many. What it keeps is known from the
 * folder alone, so two generations may use it at a time. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STORE_FILES_MAX 1000
#define STORE_PATH_BYTES 4096

/* Writes FOLDER/AT-ID, which makes room first; FOLDER is made if it is not
 * there. The id is a file name. -1 with errno: nothing is left of it. */
int store_write(const char *folder, uint64_t limit_bytes, uint64_t at_ms,
	const char *id, const void *body, size_t bytes,
	char path_out[STORE_PATH_BYTES]);
