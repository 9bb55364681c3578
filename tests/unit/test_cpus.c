/* cpus: how many CPUs a cgroup leaves. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/ops/cpus.h"
#include "tests/unit/files.h"

TestSuite(cpus, .timeout = 60);

static const struct {
	const char *file, *text; /* one file in the tree of cgroups, or none */
	const char *more, *more_text;
	const char *self; /* as /proc/self/cgroup */
	unsigned most;	  /* 0: no limit */
} rows[] = {
	{NULL, NULL, NULL, NULL, "0::/\n", 0},
	{"cpu.max", "max 100000\n", NULL, NULL, "0::/\n", 0},
	{"cpu.max", "100000 100000\n", NULL, NULL, "0::/\n", 1},
	/* a part counts as one */
	{"cpu.max", "1 100000\n", NULL, NULL, "0::/\n", 1},
	{"cpu.max", "100001 100000\n", NULL, NULL, "0::/\n", 2},
	{"a/b/cpu.max", "10000 10000\n", NULL, NULL,
		"1:name=systemd:/x\n0::/a/b\n", 1},
	{"cpu.max", "10000 10000\n", NULL, NULL, "0::/a/b\n", 0},
	/* version 1 */
	{"cpu/cpu.cfs_quota_us", "50000\n", "cpu/cpu.cfs_period_us", "100000\n",
		"4:cpu:/docker/1\n", 1},
	{"cpu/cpu.cfs_quota_us", "-1\n", "cpu/cpu.cfs_period_us", "100000\n",
		"4:cpu:/\n", 0},
	{"cpu/cpu.cfs_quota_us", "50000\n", NULL, NULL, "4:cpu:/\n", 0},
	/* what cannot be read is no limit */
	{"cpu.max", "\n", NULL, NULL, "0::/\n", 0},
	{"cpu.max", "5\n", NULL, NULL, "0::/\n", 0},
	{"cpu.max", "100000 0\n", NULL, NULL, "0::/\n", 0},
	{"cpu.max", "-100000 100000\n", NULL, NULL, "0::/\n", 0},
};

static struct cpus
find(const struct folder *f)
{
	char *self = memory_format("%s/self", f->path);
	struct cpus cpus = cpus_find(f->path, self);

	free(self);
	return cpus;
}

Test(cpus, the_quota_of_the_cgroup_counts)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct folder f = folder_make();
		struct cpus cpus;
		cpu_set_t set;
		unsigned there;

		cr_assert(!sched_getaffinity(0, sizeof(set), &set));
		there = (unsigned)CPU_COUNT(&set);
		folder_write(&f, "self", rows[i].self);
		if (rows[i].file)
			folder_write(&f, rows[i].file, rows[i].text);
		if (rows[i].more)
			folder_write(&f, rows[i].more, rows[i].more_text);
		cpus = find(&f);
		cr_expect_geq(cpus.online, cpus.usable);
		cr_expect_eq(cpus.usable,
			rows[i].most && rows[i].most < there ? rows[i].most
							     : there,
			"row %zu: %u", i, cpus.usable);
		folder_remove(&f);
	}
}

Test(cpus, so_does_the_affinity)
{
	struct folder f = folder_make();
	cpu_set_t all, one;

	folder_write(&f, "self", "0::/\n");
	cr_assert(!sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &all))
			CPU_SET(cpu, &one);
	cr_assert(!sched_setaffinity(0, sizeof(one), &one));
	cr_expect_eq(find(&f).usable, 1);
	folder_remove(&f);
}
