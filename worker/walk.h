/* walk: one pass over a package: each entry copied, hashed and remembered as it
 * looked, or only some of that. Removes nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "worker/copy.h"
#include "worker/seen.h"
#include "worker/stage.h"
#include "worker/symlink.h"

enum walk_kind {
	WALK_COPY,   /* to order->target */
	WALK_DIGEST, /* what a copy's digest would be; target is not used */
	WALK_LOOK,   /* no file is opened: the fingerprint only */
};

struct walk {
	const struct stage_order *order;
	enum walk_kind kind;
	int target; /* the open folder of the copy, -1: none */
	/* The rest is the walk's own: all zero at first. */
	char *root; /* real path of source */
	struct tree tree;
	struct stat target_stat;
	SHA256_CTX digest;
	uint64_t bytes, files, entries;
	struct seen seen;
	struct timespec made; /* is_copy: when the copy was complete */
	struct pace pace;
	bool torn; /* it failed because the source changed meanwhile */
	struct error *err;
};

/* Goes through all of source, and then looks again at all that was read. */
int walk_run(struct walk *w);
/* After it: "sha256:..." of what was copied or read. */
void walk_digest(struct walk *w, char text_out[sizeof("sha256:") + 64]);
int walk_fail(struct walk *w, const char *what, const char *path); /* errno */
void walk_finish(struct walk *w); /* forgets; closes nothing of the caller's */
