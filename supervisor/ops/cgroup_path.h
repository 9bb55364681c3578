/* cgroup_path: the path of a process's cgroup of version 2. */
#pragma once

/* self: "/proc/self/cgroup", or a file of a test. The path begins with a slash;
 * the caller frees it. NULL: there is no cgroup of version 2. */
char *cgroup_path(const char *self);
