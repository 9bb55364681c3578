/* sweep: kills the process trees of workers, which it finds by two marks. A
 * worker's environment carries SUPD_TREE=MARK-RUN-N, which what it starts
 * inherits: MARK belongs to the state directory (sweep_mark.h), RUN is made at
 * random by each run of supd, N is the worker. Where supd may make cgroups
 * (cgroup_own.h), a worker begins in one of that name, too, which what it
 * starts cannot leave without write access to another (cgroup.h). Processes
 * with that mark or in that cgroup are killed by a `sup-worker sweep`, because
 * a walk over /proc takes longer than a loop turn. A process is out of reach
 * only if it is in neither: it has taken the mark out of its environment, or
 * runs as a user whose environment supd may not read, and there are no cgroups,
 * or it has moved itself to another. */
#pragma once

#include "supervisor/plugin/child.h"
#include "supervisor/plugin/sweep_mark.h"

#define SWEEP_RUN_DIGITS 8
#define SWEEP_MARKS_MAX 64     /* per sweep */
#define SWEEP_PENDING_MAX 4096 /* past it, trees are killed when supd ends */

struct sweeper {
	struct children *children;
	const char *program;		  /* sup-worker */
	char mark[SWEEP_MARK_DIGITS + 1]; /* "": there are no marks */
	char run[SWEEP_RUN_DIGITS + 1];
	char *own;	 /* supd's cgroup; NULL: workers get none */
	bool has_warned; /* a worker did not get its cgroup; reported once */
	struct child child;
	bool is_running; /* a sweep for all pending marks is running */
	char **pending;	 /* marks of workers that are gone */
	unsigned pending_count;
};

/* Kills processes that earlier runs on this state directory left behind. Blocks
 * for at most LAUNCH_SWEEP_MS and a second; call it before the loop runs. If
 * cgroups cannot be used, only the environment marks trees; the log says why.
 */
void sweeper_init(struct sweeper *s, struct children *children,
	const char *program, const char *state_dir, bool may_use_cgroups);
/* Kills everything that workers left behind. Blocks, as above; call it after
 * the loop. */
void sweeper_finish(struct sweeper *s);
/* The worker is gone: kills its tree soon. */
void sweeper_add(struct sweeper *s, uint32_t worker);
/* Makes the worker's cgroup. Returns a folder descriptor to start it with, or
 * 0. sweeper_close_cgroup() closes it; cgroup_error is that of child.h. */
int sweeper_open_cgroup(struct sweeper *s, uint32_t worker);
void sweeper_close_cgroup(struct sweeper *s, int cgroup, int cgroup_error);
/* "MARK-RUN-N", freed by the caller; NULL if there are no marks. */
char *sweeper_mark(const struct sweeper *s, uint32_t worker);
