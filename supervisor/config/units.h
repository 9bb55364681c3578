/* units: how durations and sizes are written, and which word a mistyped one
 * was meant to be. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "500ms", "10s", "5m", "1h", "0"; a number without unit is none. */
bool duration_parse(const char *text, uint64_t *ms_out);
/* "512", "512B", "64KiB", "1MiB", "2GiB" */
bool size_parse(const char *text, uint64_t *bytes_out);

#define UNIT_TEXT_BYTES 32
/* In the largest unit that leaves no rest. Both return `out`. */
const char *duration_format(uint64_t ms, char out[UNIT_TEXT_BYTES]);
const char *size_format(uint64_t bytes, char out[UNIT_TEXT_BYTES]);

/* The nearest of the words offered one after the other. */
struct near {
	const char *word; /* borrowed, as is best */
	const char *best;
	unsigned distance;
	char hint[100];
};
void near_init(struct near *n, const char *word);
void near_offer(struct near *n, const char *candidate);
/* "; did you mean 'x'?", or "" if nothing is near. Within n. */
const char *near_hint(struct near *n);
