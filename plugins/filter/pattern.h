/* pattern: regular expressions of Perl's kind (PCRE2) on text of strangers.
 * Each search has a limit of steps for each place that it begins at, and of
 * memory; long texts are searched piece by piece, and the clock is looked at
 * between. So no pattern and no text takes longer than the work may. */
#pragma once

#include <stddef.h>

#include "work.h"

#define PATTERN_BYTES_MAX 4096
#define PATTERN_STEPS_MAX 100000 /* from one place of the text */
#define PATTERN_MEMORY_KIB 16384 /* of one search */
#define PATTERN_PIECE_BYTES 256	 /* places to begin at, between two looks */

struct pattern;

struct span {
	size_t begin, end;
};

/* NULL, with the reason in `why`: what is wrong, and at which byte. */
struct pattern *pattern_compile(
	const char *text, size_t bytes, char *why, size_t why_bytes);
void pattern_destroy(struct pattern *p); /* NULL is fine */
/* The first match at or after `from` in text, which is UTF-8: 1, and 0 if there
 * is none. -1: the limits were reached, see work->why. */
int pattern_find(struct pattern *p, const char *text, size_t bytes, size_t from,
	struct span *span_out, struct work *work);
