/* client: one call over the control socket, with a plain blocking socket: no
 * loop and no threads, so that a call costs a millisecond. It never dials
 * again: a call is sent once or not at all. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "tools/supctl/answer.h"
#include "tools/supctl/options.h"

/* Who sees what happens during a call. */
struct client_watch {
	/* A `progress` message, borrowed. NULL: not of interest. */
	void (*on_progress)(void *user, json_t *event);
	/* After each tick_ms without news; 0: never. */
	void (*on_tick)(void *user);
	int tick_ms;
	bool follows; /* ends when nobody reads stdout any more */
	/* Of a command line: writes the output to descriptors 1 and 2 as fast
	 * as they take it, and sends what input_fd has, -1: nothing. */
	bool streams;
	int input_fd;
	void *user;
};

/* Runs one call to its end. deadline_ms is clock_ms(), UINT64_MAX: none. */
void client_call(const char *path, uint64_t deadline_ms, enum verb verb,
	const json_t *args, const struct client_watch *watch,
	struct answer *answer_out);
/* After `shutdown`: waits until supd has closed the connection. */
void client_wait_gone(struct answer *answer, uint64_t deadline_ms);
