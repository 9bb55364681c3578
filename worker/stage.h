/* stage: copies a package to the folder that one generation runs from, and
 * computes the digest of the copy. Runs in a process of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"

/* Made last in a copy. */
#define STAGE_MARK ".staged"

struct stage_order {
	const char *source, *target;
	uint64_t limit_bytes,
		limit_entries; /* entries: files, folders, links */
	char **shares; /* names at the top that are linked, not copied */
	int share_count;
	/* source is a staged copy, to be read only: files made in it since do
	 * not count, and its links are not followed. */
	bool is_copy;
};

/* The result of a copy. */
struct stage_result {
	char digest[sizeof("sha256:") + 64];
	uint64_t bytes, files;
	char fingerprint[33]; /* see fingerprint.h */
};

/* On failure nothing is left of target, unless it was there before. A source
 * that changes while it is copied is copied again, for about two seconds. */
int stage_run(const struct stage_order *order, struct stage_result *result_out,
	struct error *err);
