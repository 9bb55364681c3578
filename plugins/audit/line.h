/* line: an event as one line of JSON. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* {"id", "at", "event", "plugin", "chain", "data"} and a newline; the caller
 * frees. The context is what supd says of the event: {"id", "at", "plugin",
 * "chain"}; data is JSON text. NULL: no memory. */
char *line_write(const json_t *context, const char *event, const char *data,
	size_t *bytes_out);
/* About events that were not written. */
char *line_of_losses(
	uint64_t lost, const char *reason, int64_t now_ms, size_t *bytes_out);
