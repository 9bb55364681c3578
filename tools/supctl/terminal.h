/* terminal: the whole screen for one program, without a library: enters and
 * leaves it, reads keys and signals, reports the size. Whichever signal ends
 * the program, the terminal is as it was before. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"

enum terminal_event {
	TERMINAL_NOTHING, /* the time is over */
	TERMINAL_KEY,	  /* see `key` */
	TERMINAL_RESIZED, /* or back after a stop: draw again */
	TERMINAL_ENDED,	  /* by a signal, or the terminal is gone */
};

/* Keys that are no character. */
enum {
	KEY_UP = 256,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
};

struct terminal {
	int signals; /* a signalfd */
	bool entered;
	int key;
	int ended_by;		/* the signal, 0: the terminal is gone */
	unsigned rows, columns; /* of the screen */
	char pending[32];	/* read from the keyboard, no key yet */
	unsigned pending_length;
};

/* Takes the screen of standard input and output. -1 with errno. */
int terminal_enter(struct terminal *t);
/* Gives it back; idempotent. */
void terminal_leave(struct terminal *t);
/* Waits up to timeout_ms for what happens next; -1: for ever. */
enum terminal_event terminal_wait(struct terminal *t, int timeout_ms);
/* Writes the lines, each ended by a newline, over the screen. */
void terminal_draw(struct terminal *t, const struct buffer *lines);
/* After TERMINAL_ENDED and terminal_leave(): ends this process as the signal
 * would have; returns the exit code if it was none. */
int terminal_exit(const struct terminal *t);
