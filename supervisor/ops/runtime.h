/* runtime: makes supd's two folders, locks them while it runs, and removes
 * leftovers of a dead supd. */
#pragma once

#include "proto/util/error.h"

struct runtime {
	char *runtime_dir, *state_dir;
	int runtime_lock, state_lock; /* descriptors that hold the locks */
};

/* Makes runtime_dir (0711) and state_dir (0755), locks both and clears
 * RUNTIME/w. If another supd has one of them, the error names its pid. */
int runtime_open(struct runtime *r, const char *runtime_dir,
	const char *state_dir, struct error *err);
void runtime_close(struct runtime *r);
