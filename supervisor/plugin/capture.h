/* capture: what one worker writes, on its way to the plugin's output: cuts
 * stdout and stderr into lines and lets at most CAPTURE_LINES_PER_SECOND
 * through; the others are counted and told, so that a flood costs little. */
#pragma once

#include "proto/util/buffer.h"
#include "supervisor/plugin/output.h"

#define CAPTURE_LINES_PER_SECOND 1000

enum capture_stream { CAPTURE_STDOUT, CAPTURE_STDERR, CAPTURE_STREAMS };

struct capture {
	struct output *output; /* outlives it */
	uint32_t generation;
	int pid;
	struct buffer partial[CAPTURE_STREAMS]; /* a line without its end */
	uint64_t second; /* the one that passed and dropped count for */
	uint32_t passed, dropped;
};

void capture_init(
	struct capture *c, struct output *output, uint32_t generation, int pid);
/* Bytes as they were read. */
void capture_feed(
	struct capture *c, enum capture_stream stream, struct bytes bytes);
/* A message of the wire; may have several lines. */
void capture_log(struct capture *c, enum log_level level, struct bytes text);
/* Lines without an end are lines now, and what was dropped is told. */
void capture_end(struct capture *c);
void capture_finish(struct capture *c);
