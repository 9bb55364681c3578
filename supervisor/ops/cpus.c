/* cpus: see the header. A limit that cannot be read is none. */
#include "supervisor/ops/cpus.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/ops/cgroup_path.h"

/* The numbers at the beginning of DIR/NAME; returns how many there are. */
static int
read_numbers(const char *dir, const char *name, long long numbers_out[2])
{
	char *path = memory_format("%s/%s", dir, name), text[64] = "";
	FILE *file = fopen(path, "re");
	int count = 0;

	if (file && fgets(text, sizeof(text), file))
		count = sscanf(
			text, "%lld %lld", &numbers_out[0], &numbers_out[1]);
	if (file)
		fclose(file);
	free(path);
	return count;
}

/* 0: no quota. Version 2 has "QUOTA PERIOD" or "max PERIOD" in one file,
 * version 1, which a container sees at its mount, has two files and -1. */
static unsigned
quota_cpus(const char *cgroups, const char *self)
{
	char *path = cgroup_path(self);
	char *own = memory_format("%s%s", cgroups, path ? path : "");
	char *first = memory_format("%s/cpu", cgroups);
	long long n[2] = {0, 0}, period[2] = {0, 0};

	if (read_numbers(own, "cpu.max", n) != 2) {
		n[1] = read_numbers(first, "cpu.cfs_period_us", period)
			       ? period[0]
			       : 0;
		if (read_numbers(first, "cpu.cfs_quota_us", n) < 1)
			n[0] = 0;
	}
	free(first);
	free(own);
	free(path);
	return n[0] > 0 && n[1] > 0 ? (unsigned)((n[0] + n[1] - 1) / n[1]) : 0;
}

struct cpus
cpus_find(const char *cgroups, const char *self)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned quota = quota_cpus(cgroups, self);
	struct cpus cpus = {.online = online > 0 ? (unsigned)online : 1};
	cpu_set_t set;

	cpus.usable = cpus.online;
	/* fails where there are more CPUs than the set has room for */
	if (!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) > 0)
		cpus.usable = (unsigned)CPU_COUNT(&set);
	if (quota && quota < cpus.usable)
		cpus.usable = quota;
	return cpus;
}
