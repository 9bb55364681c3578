/* runtime: the two folders that are supd's own while it runs: made, locked,
 * and cleared of what a dead supd left. */
#pragma once

#include "proto/util/error.h"

struct runtime {
	char *runtime_dir, *state_dir;
	int runtime_lock, state_lock; /* file descriptors */
};

/* Makes runtime_dir (0711) and state_dir (0755), locks both and clears
 * RUNTIME/w. Fails naming the pid of the supd that has one of them. */
int runtime_open(struct runtime *r, const char *runtime_dir,
	const char *state_dir, struct error *err);
void runtime_close(struct runtime *r);
