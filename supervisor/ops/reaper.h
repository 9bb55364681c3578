/* reaper: as PID 1 or a subreaper, supd inherits orphans, which are reaped
 * here. supd's own children are left to their watchers. */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

struct reaper {
	struct ev_loop *loop; /* NULL: not started */
	bool (*is_own)(const void *user, pid_t pid);
	const void *user;
	ev_signal child;
	ev_timer again; /* goes on after an own child, or in the next turn */
};

/* Does nothing unless supd is PID 1 or a subreaper. */
void reaper_start(struct reaper *r, struct ev_loop *loop,
	bool (*is_own)(const void *user, pid_t pid), const void *user);
void reaper_stop(struct reaper *r);
