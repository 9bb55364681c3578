/* sweep: ends processes that workers have left behind in sessions of their own,
 * where no signal to a process group reaches them. They are known by their
 * cgroup, or by a mark in their environment, never by their pid. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sweep {
	unsigned killed;    /* signals sent, and cgroups killed */
	bool is_unfinished; /* some were still there when the time was over */
};

/* Marks are "NAME=value"; one that ends in '-' is a prefix. With `own` (not
 * NULL) the cgroups below it that belong to these marks are killed and removed
 * too (sweep_cgroup.h). Takes limit_ms at most, unless the kernel itself delays
 * a read of /proc. -1: there are no pidfds. */
int sweep_run(const char *own, char *const *marks, int count, uint64_t limit_ms,
	struct sweep *sweep_out);
