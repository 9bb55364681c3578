/* capture: passes a worker's output on to the plugin's ring: cuts stdout and
 * stderr into lines and passes at most CAPTURE_LINES_PER_SECOND. Further lines
 * are dropped, counted and reported, so that a flood costs little. Paths in the
 * staged copy are rewritten to those of the package, where an author looks for
 * the line of a traceback. */
#pragma once

#include "proto/util/buffer.h"
#include "supervisor/plugin/error_line.h"
#include "supervisor/plugin/output.h"

#define CAPTURE_LINES_PER_SECOND 1000
#define CAPTURE_ERRORS_PER_SECOND                                              \
	200 /* further lines, if they report an error */

enum capture_stream { CAPTURE_STDOUT, CAPTURE_STDERR, CAPTURE_STREAMS };

/* Ends with a slash; borrowed. */
struct capture_folder {
	const char *path;
	size_t length;
};

struct capture {
	struct output *output;		       /* must outlive the capture */
	struct capture_folder staged, package; /* length 0: none */
	uint32_t generation;
	int pid;
	struct buffer partial[CAPTURE_STREAMS]; /* an incomplete line */
	bool is_cut[CAPTURE_STREAMS];		/* a piece came before */
	uint64_t second; /* the second that passed and dropped are for */
	uint32_t passed, errors, dropped;
	struct error_lines traces[CAPTURE_STREAMS];
	bool address_in_use; /* a line said so */
};

void capture_init(
	struct capture *c, struct output *output, uint32_t generation, int pid);
/* Both paths end with a slash and must outlive the capture. */
void capture_name_package(
	struct capture *c, const char *staged, const char *package);
/* Takes bytes as they were read. */
void capture_feed(
	struct capture *c, enum capture_stream stream, struct bytes bytes);
/* Takes the text of a `log` message, which may have several lines. */
void capture_log(struct capture *c, enum log_level level, struct bytes text);
/* Reports lines dropped in a second that has ended; for a timer, because no
 * further line may come. */
void capture_report(struct capture *c);
/* Ends incomplete lines and reports dropped ones. */
void capture_end(struct capture *c);
void capture_finish(struct capture *c);
