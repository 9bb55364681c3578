/* reaper: as PID 1 (or as a subreaper) supd inherits processes that it did not
 * start; their exit statuses are collected here. Its own children are left to
 * those who watch them by pidfd. */
#pragma once

#include <ev.h>

#include "supervisor/plugin/child.h"

struct reaper {
	const struct children *own;
	ev_signal child;
	ev_timer again; /* an own child stood first in line */
};

/* Does nothing unless this process is one that inherits. */
void reaper_start(struct reaper *r, const struct children *own);
void reaper_stop(struct reaper *r);
