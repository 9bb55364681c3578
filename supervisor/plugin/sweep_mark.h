/* sweep_mark: the mark of all processes of one state directory's workers. It is
 * made at random once and kept in STATE/tree-mark and a second copy, so that
 * one damaged file loses nothing. The file names its folder, because a copied
 * state directory needs another mark: its supd would otherwise kill the workers
 * of the original. */
#pragma once

#include <stdbool.h>

#include "proto/util/error.h"

#define SWEEP_MARK_DIGITS 32

/* Hexadecimal digits from the kernel's random numbers. */
bool sweep_mark_random(char *text_out, unsigned digits);

enum sweep_mark_state {
	SWEEP_MARK_UNKEPT = -1, /* could not be saved; see err */
	SWEEP_MARK_NEW,		/* there was none */
	SWEEP_MARK_KNOWN,	/* the mark of earlier runs */
	SWEEP_MARK_LOST,	/* a new mark; the old one is damaged */
};

/* Reads or makes the mark, which is "" if both fail. */
enum sweep_mark_state sweep_mark_open(const char *state_dir,
	char mark_out[SWEEP_MARK_DIGITS + 1], struct error *err);
