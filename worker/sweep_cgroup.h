/* sweep_cgroup: ends all that is in a worker's cgroup, or in those of all
 * workers, and removes them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* OWN/supd-MARK/REST for a mark "NAME=MARK-REST" as sweep.h has them, freed by
 * the caller; NULL: it is none of that form. */
char *sweep_cgroup_path(const char *own, const char *mark);
/* True: there was a process in it, and all that are get KILL. Waits for
 * nothing. */
bool sweep_cgroup_kill(const char *path);
/* Removes it and those below it once they are empty, and tries at least once.
 * False: there is still a process in it at until_ms (clock_ms()). */
bool sweep_cgroup_remove(const char *path, uint64_t until_ms);
