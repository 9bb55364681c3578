/* stage: copies a package to the place that one generation runs from, and
 * gives the digest of what it wrote. Runs in a process of its own. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"

struct stage_order {
	const char *source, *target;
	uint64_t limit_bytes;
	char **shares; /* names at the top that are linked, not copied */
	int share_count;
};

/* Of what was written: the receipt of the copy. */
struct stage_result {
	char digest[sizeof("sha256:") + 64];
	uint64_t bytes, files;
	char fingerprint[33]; /* see fingerprint.h */
};

/* On failure nothing is left of target, unless it was there before. A source
 * that changes while it is copied is copied again, up to three times. */
int stage_run(const struct stage_order *order, struct stage_result *result_out,
	struct error *err);
