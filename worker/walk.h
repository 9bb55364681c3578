/* walk: one pass over a package: each entry copied, hashed and remembered as it
 * looked. Knows no tries and removes nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "worker/copy.h"
#include "worker/stage.h"

struct seen; /* what was copied, as it looked when it was */

struct walk {
	const struct stage_order *order;
	int source, target; /* open folders */
	struct stat target_stat;
	SHA256_CTX digest;
	uint64_t bytes, files;
	struct seen *seen;
	bool polite;
	bool torn; /* it failed because the source changed meanwhile */
	struct error *err;
};

/* Copies all of source to target and looks again at all of source. */
int walk_run(struct walk *w);
int walk_fail(struct walk *w, const char *what, const char *path); /* errno */
void walk_finish(struct walk *w); /* forgets; closes nothing */
