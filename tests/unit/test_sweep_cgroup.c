/* test_sweep_cgroup: killing and removing cgroups, with real ones. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/own_cgroup.h"
#include "worker/sweep.h"
#include "worker/sweep_cgroup.h"

static char *cgroup;

static void
make_place(void)
{
	cgroup = own_cgroup_make();
}

static void
remove_place(void)
{
	own_cgroup_remove(cgroup);
}

TestSuite(sweep_cgroup, .timeout = 60);

/* A process in a new cgroup of that name. */
static pid_t
start_in(const char *name)
{
	char *path = memory_format("%s/%s", cgroup, name);
	pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(mkdir(path, 0755), 0);
	own_cgroup_put(path, pid);
	free(path);
	return pid;
}

/* It stands before its end until its tracer, the test, lets it go. */
static void
hold(pid_t pid)
{
	int status;

	cr_assert_eq(ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEEXIT), 0);
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
}

static void
let_go(pid_t pid)
{
	int status;

	do
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	while (waitpid(pid, &status, 0) == pid && !WIFSIGNALED(status));
}

static void
expect_killed(pid_t pid)
{
	int status = 0;

	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static unsigned
sweep(const char *mark)
{
	char *marks[] = {memory_copy_text(mark)};
	struct sweep sweep;

	cr_assert_eq(sweep_run(cgroup, marks, 1, 10000, &sweep), 0);
	cr_expect_not(sweep.is_unfinished);
	free(marks[0]);
	return sweep.killed;
}

Test(sweep_cgroup, has_the_path_of_a_mark)
{
	static const struct {
		const char *mark, *path;
	} rows[] = {
		{"T=0a-1b-7", "/own/supd-0a/1b-7"},
		{"T=0a-", "/own/supd-0a"},
		{"T=0a", NULL},
		{"T", NULL},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *path = sweep_cgroup_path("/own", rows[i].mark);

		cr_expect_eq(!path, !rows[i].path, "%s", rows[i].mark);
		if (path && rows[i].path)
			cr_expect_str_eq(path, rows[i].path);
		free(path);
	}
}

Test(sweep_cgroup, of_one_worker_ends_and_the_others_live, .init = make_place,
	.fini = remove_place)
{
	char *folder = memory_format("%s/supd-a", cgroup);
	pid_t one, other;

	cr_assert_eq(mkdir(folder, 0755), 0);
	one = start_in("supd-a/b-1");
	other = start_in("supd-a/b-10");
	cr_expect_eq(sweep("T=a-b-1"), 1);
	expect_killed(one);
	cr_expect_eq(waitpid(other, NULL, WNOHANG), 0);
	cr_expect_eq(own_cgroup_count(folder), 1);
	cr_expect_eq(sweep("T=a-"), 1);
	expect_killed(other);
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	free(folder);
}

/* A plugin that runs as root can make cgroups, as a container manager does. */
Test(sweep_cgroup, ends_with_those_that_were_made_below_it, .init = make_place,
	.fini = remove_place)
{
	char *folder = memory_format("%s/supd-a", cgroup);
	pid_t outer, inner;

	cr_assert_eq(mkdir(folder, 0755), 0);
	outer = start_in("supd-a/b-1");
	inner = start_in("supd-a/b-1/.hidden");
	cr_expect_eq(sweep("T=a-b-1"), 1);
	expect_killed(outer);
	expect_killed(inner);
	cr_expect_eq(own_cgroup_count(folder), 0);
	cr_expect_eq(sweep("T=a-"), 0);
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	free(folder);
}

/* Makes them, or removes them from the innermost on. */
static void
go_down(const char *folder, unsigned levels, bool is_to_stay)
{
	char *below = memory_format("%s/x", folder);

	if (is_to_stay)
		cr_assert_eq(mkdir(below, 0755), 0);
	if (levels > 1)
		go_down(below, levels - 1, is_to_stay);
	if (!is_to_stay)
		rmdir(below);
	free(below);
}

Test(sweep_cgroup, that_are_too_deep_end_and_stay, .init = make_place,
	.fini = remove_place)
{
	char *folder = memory_format("%s/supd-a", cgroup);
	char *worker = memory_format("%s/b-1", folder);
	char mark[] = "T=a-b-1", *marks[] = {mark};
	uint64_t begun = clock_ms();
	struct sweep sweep;
	pid_t pid;

	cr_assert_eq(mkdir(folder, 0755), 0);
	pid = start_in("supd-a/b-1");
	go_down(worker, 40, true);
	cr_assert_eq(sweep_run(cgroup, marks, 1, 300, &sweep), 0);
	cr_expect_lt(clock_ms() - begun, 20000);
	expect_killed(pid);
	cr_expect_not(sweep.is_unfinished);
	cr_expect_eq(own_cgroup_count(folder), 1);
	go_down(worker, 40, false);
	rmdir(worker);
	rmdir(folder);
	free(worker);
	free(folder);
}

Test(sweep_cgroup, that_does_not_die_costs_the_limit_and_saves_no_other,
	.init = make_place, .fini = remove_place)
{
	char *folder = memory_format("%s/supd-a", cgroup);
	char one[] = "T=a-b-1", other[] = "T=a-b-2", *marks[] = {one, other};
	uint64_t begun = clock_ms();
	pid_t held, lost;
	struct sweep result;

	cr_assert_eq(mkdir(folder, 0755), 0);
	held = start_in("supd-a/b-1");
	lost = start_in("supd-a/b-2");
	hold(held);
	cr_assert_eq(sweep_run(cgroup, marks, 2, 300, &result), 0);
	cr_expect_eq(result.killed, 2);
	cr_expect(result.is_unfinished);
	cr_expect_lt(clock_ms() - begun, 20000);
	expect_killed(lost);
	cr_expect_eq(own_cgroup_count(folder), 1);
	let_go(held);
	cr_expect_eq(sweep("T=a-"), 0);
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	free(folder);
}

Test(sweep_cgroup, that_is_not_there_costs_nothing, .init = make_place,
	.fini = remove_place)
{
	uint64_t begun = clock_ms();

	cr_expect_eq(sweep("T=a-b-1"), 0);
	cr_expect_eq(sweep("T=a-"), 0);
	cr_expect_lt(clock_ms() - begun, 5000);
}
