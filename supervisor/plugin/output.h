/* output: what the workers of one plugin wrote, line by line: the last
 * OUTPUT_LINES lines, and each line to the log. Never blocks, never grows. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/log.h"

#define OUTPUT_LINES 500
#define OUTPUT_LINE_BYTES 4096 /* longer lines are cut by who adds them */

struct output;
struct output_line {
	uint64_t number; /* counts up from 1 per plugin, without gaps */
	uint64_t wall_ms;
	uint32_t generation;
	int pid;
	const char *stream; /* "stdout", "stderr", "log" */
	char *text;	    /* without the newline; UTF-8 made valid */
};

/* Who follows a ring (`supctl logs -f`). */
struct output_follower {
	struct list node;
	void (*on_line)(
		struct output_follower *f, const struct output_line *line);
};

struct output *output_create(const char *plugin_id);
void output_destroy(struct output *o);
void output_add(struct output *o, uint32_t generation, int pid,
	const char *stream, struct bytes line); /* logged as info */
void output_add_at(struct output *o, enum log_level level, uint32_t generation,
	int pid, const char *stream, struct bytes line);
/* The last `count` lines (0: all), oldest first, of one generation (0: any).
 * Array of {"time","generation","pid","stream","text"}; new reference. */
json_t *output_last(
	const struct output *o, unsigned count, uint32_t generation);
json_t *output_line_json(const struct output_line *line);
void output_follow(struct output *o, struct output_follower *f);
void output_unfollow(struct output_follower *f);
