/* api_args: the arguments of an API call, from wherever the request says them.
 * Saying one twice is an error, so that nothing is ever ignored. */
#pragma once

#include <jansson.h>

#include "proto/util/bytes.h"

/* "kind=tool&plugin=hello" as texts. -1: malformed, or one is there twice. */
int api_args_read_query(json_t *args, struct bytes query);
/* A body's. -1: one is there already. */
int api_args_add(json_t *args, const json_t *more);
