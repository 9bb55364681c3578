/* log_source: selects the lines for a call of `logs`: those of one plugin or
 * all, since a time, that contain a string. The string is not a pattern, so
 * callers cannot choose what a search costs. */
#pragma once

#include "supervisor/gateway/gateway.h"
#include "supervisor/plugin/output_hub.h"

#define LOG_GREP_MAX 256 /* bytes */

struct log_source {
	const struct gateway *gateway;
	char *id; /* NULL: all plugins */
	uint64_t since_ms;
	char *grep; /* or NULL */
};

/* Copies id and grep, which may be NULL. */
void log_source_init(struct log_source *s, const struct gateway *g,
	const char *id, const char *grep);
void log_source_finish(struct log_source *s);

/* Finds the first kept line from *number on, or with `back` the last one up to
 * *number, and sets *number and *id_out (its plugin). NULL: none. */
const struct output_line *log_source_line(const struct log_source *s,
	uint64_t *number, bool back, const char **id_out);
uint64_t log_source_newest(const struct log_source *s);
bool log_source_takes(
	const struct log_source *s, const struct output_line *line);
/* The line as JSON, with its plugin's id if all plugins are selected. */
json_t *log_source_json(const struct log_source *s,
	const struct output_line *line, const char *id);
