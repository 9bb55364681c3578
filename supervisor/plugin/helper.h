/* helper: what supd's helper processes have in common: where the program is, a
 * socket to the process, and its output as a line for the log. */
#pragma once

#include "supervisor/plugin/child.h"

/* The path of the program NAME, which is beside sup-worker, or in `build_dir`
 * of the tree that sup-worker was built in; the caller frees it. If there is no
 * such program, starting it reports that. */
char *helper_program(
	const char *worker_program, const char *name, const char *build_dir);
/* Like child_start(), but stdout of the process is a socket. Returns supd's end
 * of the socket, which the caller closes, or -1. */
int helper_start(struct child *c, struct children *all,
	const struct child_start *start, const struct child_ops *ops,
	struct error *err);
/* Makes a printable line of output, cut if it is too long; returns line. */
const char *helper_line(char *line, size_t size, struct bytes output);
