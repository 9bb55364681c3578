/* progress: the phases of running transactions on stderr: on a terminal a line
 * per plugin, written anew in place with the time so far; else a line per
 * phase. Knows no receipt. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress;

/* live: stderr is a terminal. color: its phases are coloured. */
struct progress *progress_create(bool live, bool color);
void progress_destroy(struct progress *p); /* clears first */
/* A phase of a plugin began, ms after its transaction. */
void progress_phase(
	struct progress *p, const char *id, const char *phase, double ms);
/* Its transaction is over: the line goes. */
void progress_end(struct progress *p, const char *id);
/* Around what is printed in between. */
void progress_clear(struct progress *p);
void progress_draw(struct progress *p);
