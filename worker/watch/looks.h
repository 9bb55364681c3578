/* looks: decides when the process looks at its trees: after events of inotify,
 * and without them, as a sweep or to check that inotify reports everything. */
#pragma once

#include <ev.h>

#include "proto/util/buffer.h"
#include "worker/watch/tree.h"

struct watch {
	struct tree_host host;
	int fd;
	ev_io readable, changed;
	ev_timer sweep, check;
	double retry_s, retry_at;
	struct buffer in;
	struct list trees; /* struct watch_tree.node */
	bool has_failed;
};

void looks_open(struct watch *w); /* once, with a loop */
/* A tree was added, or is watched in another way. */
void looks_begin(struct watch *w);
/* Events were dropped: as `on_lost` of the host. */
void looks_lost(struct tree_host *host);
