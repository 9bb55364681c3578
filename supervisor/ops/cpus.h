/* cpus: how many CPUs supd may use: those of its affinity, which a cpuset of a
 * container restricts, and at most as many as the quota of its cgroup amounts
 * to. How many workers start at a time depends on it. */
#pragma once

struct cpus {
	unsigned online; /* of the machine; at least 1 */
	unsigned usable; /* at least 1; a part of a CPU counts as one */
};

/* Reads files of the kernel. cgroups: "/sys/fs/cgroup"; self:
 * "/proc/self/cgroup"; tests have files of their own. */
struct cpus cpus_find(const char *cgroups, const char *self);
