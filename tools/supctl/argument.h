/* argument: a text or a JSON document of the command line: as it stands there,
 * from standard input ("-"), or from a file ("@FILE"), so that it need be
 * neither short nor visible in `ps`. */
#pragma once

#include <jansson.h>

#include "proto/util/buffer.h"
#include "proto/util/error.h"

/* Appends the bytes that a word stands for, at most those of one message to
 * supd. -1 with err. */
int argument_read(const char *word, struct buffer *out, struct error *err);
/* The same as JSON, nested no deeper than supd passes on; a new reference, or
 * NULL with err, which names line and column. */
json_t *argument_read_json(const char *word, struct error *err);
