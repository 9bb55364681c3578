/* output: the output of one plugin's workers: keeps the last OUTPUT_LINES lines
 * and, of those before, the last OUTPUT_KEPT that report an error; writes each
 * line to the log. Never blocks; its size is bounded. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/bytes.h"
#include "proto/util/list.h"
#include "proto/util/log.h"

#define OUTPUT_LINES 500
#define OUTPUT_KEPT 100
#define OUTPUT_LINE_BYTES 4096 /* callers cut longer lines */

struct output;
struct output_hub;
struct output_line {
	uint64_t number; /* counts up from 1 per plugin */
	uint64_t wall_ms;
	uint32_t generation;
	int pid;
	const char *stream; /* "stdout", "stderr", "log" */
	char *text;	    /* without the newline; UTF-8 made valid */
	bool is_error;	    /* kept when pushed out of the ring */
};

/* A follower of a ring (`supctl logs -f`). */
struct output_follower {
	struct list node;
	void (*on_line)(
		struct output_follower *f, const struct output_line *line);
	/* The ring is destroyed and no longer followed. May be NULL. */
	void (*on_gone)(struct output_follower *f);
};

struct output *output_create(const char *plugin_id);
/* Adds the ring's lines to those of all plugins, from now on. */
void output_join(struct output *o, struct output_hub *hub);
const char *output_plugin_id(const struct output *o);
void output_destroy(struct output *o);
void output_add(struct output *o, uint32_t generation, int pid,
	const char *stream, struct bytes line); /* logged as info */
void output_add_at(struct output *o, enum log_level level, uint32_t generation,
	int pid, const char *stream, struct bytes line);
/* Adds a line that reports an error. */
void output_add_error(struct output *o, enum log_level level,
	uint32_t generation, int pid, const char *stream, struct bytes line);
/* The last `count` lines (0: all), oldest first, of one generation (0: any), as
 * a new array of {"time","generation","pid","stream","text"}. */
json_t *output_last(
	const struct output *o, unsigned count, uint32_t generation);
/* The first kept line from *number on; sets *number to its number. NULL: there
 * is none yet. Valid until the next line is added. */
const struct output_line *output_at(const struct output *o, uint64_t *number);
/* The last kept line up to *number; sets *number to its number. NULL: there is
 * none. */
const struct output_line *output_until(
	const struct output *o, uint64_t *number);
uint64_t output_newest(const struct output *o); /* number, or 0 */
json_t *output_line_json(const struct output_line *line);
void output_follow(struct output *o, struct output_follower *f);
void output_unfollow(struct output_follower *f);
