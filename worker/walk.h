/* walk: one pass over a package: each entry copied, hashed and remembered as it
 * looked, or only some of that. Knows no tries and removes nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "worker/copy.h"
#include "worker/fingerprint.h"
#include "worker/stage.h"

struct seen; /* what was copied, as it looked when it was */

enum walk_kind {
	WALK_COPY,   /* to order->target */
	WALK_DIGEST, /* what a copy's digest would be; target is not used */
	WALK_LOOK,   /* no file is opened: the fingerprint only */
};

struct walk {
	const struct stage_order *order;
	enum walk_kind kind;
	int source, target; /* open folders */
	struct stat target_stat;
	SHA256_CTX digest;
	struct fingerprint fingerprint;
	uint64_t bytes, files;
	struct seen *seen;
	bool polite;
	bool torn; /* it failed because the source changed meanwhile */
	struct error *err;
};

/* Goes through all of source, and then looks again at all that was read. */
int walk_run(struct walk *w);
/* After it: "sha256:..." of what was copied or read. */
void walk_digest(struct walk *w, char text_out[sizeof("sha256:") + 64]);
int walk_fail(struct walk *w, const char *what, const char *path); /* errno */
void walk_finish(struct walk *w); /* forgets; closes nothing */
