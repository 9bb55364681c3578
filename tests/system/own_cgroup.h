/* own_cgroup: a cgroup of a test's own, below the one it runs in, that says
 * that it is delegated. */
#pragma once

#include <sys/types.h>

/* The folder; skips the test with the reason where there can be none. Freed by
 * the caller. */
char *own_cgroup_make(void);
/* It must be empty, so nothing of what was in it is left. */
void own_cgroup_remove(char *cgroup);
void own_cgroup_put(const char *cgroup, pid_t pid);
/* The test itself goes back to the cgroup above it. */
void own_cgroup_leave(const char *cgroup);
/* Folders in it, without those below these. */
unsigned own_cgroup_count(const char *cgroup);
