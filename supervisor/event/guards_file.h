/* guards_file: STATE/guards.json, as a JSON object. */
#pragma once

#include <jansson.h>

#include "proto/util/error.h"

/* The object; an empty one if there is no file. NULL with err and errno: EINVAL
 * if what is there is not such a file, else it could not be read this time. */
json_t *guards_file_read(const char *path, struct error *err);
/* -1 with err: not replaced. */
int guards_file_write(
	const char *path, const json_t *guards, struct error *err);
