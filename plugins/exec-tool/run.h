/* run: one script under way: its output as it comes, its limits, and the
 * answer that it makes. It goes when the script has ended. */
#pragma once

#include <ev.h>
#include <sup/plugin.h>
#include <sys/types.h>

#include "tool.h"

#define NOTES_BYTES 4096 /* of stderr, the last */

/* Why a run was ended before it ended. */
enum verdict { RUN_RAN, RUN_TIMED_OUT, RUN_TALKED, RUN_CANCELLED };

struct run {
	struct sup *plugin;
	struct sup_req *req;
	struct tools *tools;
	struct tool *tool;
	pid_t pid;
	enum verdict verdict;
	ev_io out, err, exit;
	ev_timer limit;
	char *text; /* stdout */
	size_t text_bytes;
	char notes[NOTES_BYTES + 1]; /* the end of stderr */
	size_t notes_bytes;
};

/* Starts the tool's program for a request, and answers it in the end. -1 with
 * errno: it did not start, and the request is still to be answered. */
int run_start(struct sup_req *req, struct tools *tools, struct tool *tool);
/* Watches what was started: stdout, stderr and a pidfd, which it closes. */
void run_watch(struct run *r, int out, int err, int pidfd);
