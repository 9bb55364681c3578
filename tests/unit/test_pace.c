/* test_pace: when long work rests, and when it steps back. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "worker/pace.h"
#include "worker/stage.h"
#include "worker/unstage.h"

#define KIB 1024
#define MIB (1024 * KIB)
#define DEADLINE_MS 30000

static int
niceness(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

/* A process that is nicer already, such as a suite under nice(1), stays so. */
static int
polite_after(int before)
{
	return before < 10 ? 10 : before;
}

static uint64_t
cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void
work_us(uint64_t us)
{
	uint64_t end = cpu_us() + us;

	while (cpu_us() < end)
		;
}

Test(pace, small_work_never_rests)
{
	struct pace p = {0};

	for (unsigned done = 0; done < 4 * MIB - 64 * KIB; done += 64 * KIB) {
		pace_add(&p, 64 * KIB);
		work_us(100);
	}
	cr_expect_eq(p.rested_ms, 0);
}

Test(pace, what_is_nicer_already_stays_so)
{
	struct pace p = {0};
	int before = niceness();

	cr_assert(!setpriority(PRIO_PROCESS, 0, before < 15 ? 15 : before));
	pace_add(&p, MIB);
	cr_expect_eq(niceness(), before < 15 ? 15 : before);
}

Test(pace, the_smallest_work_keeps_its_priority)
{
	struct pace p = {0};
	int before = niceness();

	for (unsigned done = 0; done < MIB - 64 * KIB; done += 64 * KIB)
		pace_add(&p, 64 * KIB);
	cr_expect_eq(niceness(), before);
	pace_add(&p, 64 * KIB);
	cr_expect_eq(niceness(), polite_after(before));
}

/* Where a slice waited for the processor it does not rest, so this goes on
 * until one did not. */
Test(pace, long_work_rests, .timeout = 60)
{
	struct pace p = {0};
	uint64_t until = clock_ms() + DEADLINE_MS;

	while (!p.rested_ms && clock_ms() < until) {
		pace_add(&p, MIB);
		work_us(200);
	}
	cr_expect_gt(p.rested_ms, 0);
}

/* Stages a package of one file of 3 MiB. */
static int
stage_large(uint64_t limit_bytes)
{
	char folder[] = "/tmp/supd-pace-XXXXXX";
	struct stage_order order = {
		.limit_bytes = limit_bytes, .limit_entries = 9};
	struct stage_result result;
	struct error err;
	char *from, *to, *file;
	FILE *f;
	int rc;

	cr_assert(mkdtemp(folder));
	order.source = from = memory_format("%s/p", folder);
	order.target = to = memory_format("%s/q", folder);
	file = memory_format("%s/file", from);
	cr_assert(!mkdir(from, 0700));
	f = fopen(file, "w");
	cr_assert(f && !ftruncate(fileno(f), 3 * MIB) && !fclose(f));
	rc = stage_run(&order, &result, &err);
	cr_expect(!unstage_run(folder, NULL));
	free(from), free(to), free(file);
	return rc;
}

/* One large file may be all there is in a package. */
Test(pace, a_large_file_is_copied_at_low_priority)
{
	int before = niceness();

	cr_expect_eq(stage_large(4 * MIB), 0);
	cr_expect_eq(niceness(), polite_after(before));
}

/* It is not read up to the limit first. */
Test(pace, a_file_that_is_too_large_is_no_work)
{
	int before = niceness();

	cr_expect_eq(stage_large(2 * MIB), -1);
	cr_expect_eq(niceness(), before);
}
