/* reaper: as PID 1 (or as a subreaper) supd inherits processes that it did not
 * start; their exit statuses are collected here. Its own children are left to
 * those who watch them by pidfd. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

struct reaper {
	struct ev_loop *loop; /* NULL: not started */
	bool (*is_own)(const void *user, pid_t pid);
	const void *user;
	ev_signal child;
	ev_timer again; /* an own child stood first in line */
};

/* Does nothing unless this process is one that inherits. */
void reaper_start(struct reaper *r, struct ev_loop *loop,
	bool (*is_own)(const void *user, pid_t pid), const void *user);
void reaper_stop(struct reaper *r);
