/* test_sweep: the mark of a state directory, how sweeps are shared, and what
 * one does that cannot end everything. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/spawn.h"
#include "supervisor/plugin/sweep.h"
#include "tests/system/own_cgroup.h"
#include "tests/system/harness/files.h"
#include "worker/sweep.h"

TestSuite(sweep, .timeout = 120);

static char *dir;

static void
open_dir(void)
{
	char name[] = "/tmp/test_sweep-XXXXXX";

	cr_assert(mkdtemp(name));
	dir = memory_format("%s", name);
}

static void
close_dir(void)
{
	files_remove_tree(dir);
	free(dir);
}

static char *
in_dir(const char *name)
{
	return memory_format("%s/%s", dir, name);
}

static void
write_file(const char *name, const char *text)
{
	char *path = in_dir(name);

	files_write(path, "%s", text);
	free(path);
}

/* ---- the mark ---- */

Test(sweep, a_mark_lasts_though_one_of_its_files_is_torn, .init = open_dir,
	.fini = close_dir)
{
	const char *const bad[] = {"", "0123", "not a mark at all\n"};
	char mark[SWEEP_MARK_DIGITS + 1], again[SWEEP_MARK_DIGITS + 1];
	struct error err;

	cr_assert_eq(sweep_mark_open(dir, mark, &err), SWEEP_MARK_NEW);
	for (unsigned i = 0; i < 3; i++) {
		write_file("tree-mark", bad[i]);
		cr_expect_eq(
			sweep_mark_open(dir, again, &err), SWEEP_MARK_KNOWN);
		cr_expect_str_eq(again, mark);
		write_file("tree-mark.copy", bad[i]);
		cr_expect_eq(
			sweep_mark_open(dir, again, &err), SWEEP_MARK_KNOWN);
		cr_expect_str_eq(again, mark);
	}
	write_file("tree-mark", "");
	write_file("tree-mark.copy", "");
	cr_expect_eq(sweep_mark_open(dir, again, &err), SWEEP_MARK_LOST);
	cr_expect_str_neq(again, mark);
}

Test(sweep, a_copied_state_directory_has_a_mark_of_its_own, .init = open_dir,
	.fini = close_dir)
{
	char mark[SWEEP_MARK_DIGITS + 1], other[SWEEP_MARK_DIGITS + 1];
	char *from, *copy = in_dir("copy"), *to = in_dir("copy/tree-mark");
	struct error err;

	cr_assert_eq(sweep_mark_open(dir, mark, &err), SWEEP_MARK_NEW);
	cr_assert_eq(mkdir(copy, 0700), 0);
	from = in_dir("tree-mark");
	cr_assert_eq(link(from, to), 0);
	cr_expect_eq(sweep_mark_open(copy, other, &err), SWEEP_MARK_NEW);
	cr_expect_str_neq(other, mark);
	free(from);
	free(to);
	free(copy);
}

Test(sweep, a_mark_that_is_damaged_everywhere_is_lost_and_made_anew,
	.init = open_dir, .fini = close_dir)
{
	char mark[SWEEP_MARK_DIGITS + 1], again[SWEEP_MARK_DIGITS + 1];
	char *copy = in_dir("tree-mark.copy");
	struct error err;

	write_file("tree-mark", "torn");
	cr_expect_eq(sweep_mark_open(dir, mark, &err), SWEEP_MARK_LOST);
	cr_expect_eq(sweep_mark_open(dir, again, &err), SWEEP_MARK_KNOWN);
	cr_expect_str_eq(again, mark);
	write_file("tree-mark", "torn");
	cr_assert_eq(unlink(copy), 0);
	cr_expect_eq(sweep_mark_open(dir, again, &err), SWEEP_MARK_LOST);
	cr_expect_str_neq(again, mark);
	free(copy);
}

/* ---- sharing ---- */

struct counts {
	unsigned sweeps, marks, most;
};

/* A stand-in for sup-worker that notes how many marks each sweep has. */
static char *
make_program(void)
{
	char *program = in_dir("program");
	char *script = memory_format("#!/bin/sh\nshift\n"
				     "echo $# >>%s/sweeps\n",
		dir);

	write_file("program", script);
	cr_assert_eq(chmod(program, 0755), 0);
	free(script);
	return program;
}

static struct counts
sweep_after(unsigned workers)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	char *program = make_program(), *path = in_dir("sweeps");
	struct counts counts = {0};
	struct children children;
	struct sweeper s;
	unsigned n;
	FILE *file;

	children_init(&children, loop);
	sweeper_init(&s, &children, program, dir, false);
	for (unsigned i = 1; i <= workers; i++)
		sweeper_add(&s, i);
	while (s.is_running)
		ev_run(loop, EVRUN_ONCE);
	cr_assert_eq(s.pending_count, 0);
	file = fopen(path, "r");
	cr_assert(file);
	while (fscanf(file, "%u", &n) == 1) {
		counts.sweeps++;
		counts.marks += n;
		counts.most = n > counts.most ? n : counts.most;
	}
	fclose(file);
	sweeper_finish(&s);
	children_finish(&children);
	ev_loop_destroy(loop);
	free(path);
	free(program);
	return counts;
}

Test(sweep, workers_that_end_together_share_two_sweeps, .init = open_dir,
	.fini = close_dir)
{
	struct counts counts = sweep_after(40);

	cr_expect_eq(counts.sweeps, 2);
	cr_expect_eq(counts.marks, 40);
}

Test(sweep, a_sweep_has_64_marks_and_4096_wait, .init = open_dir,
	.fini = close_dir)
{
	struct counts counts = sweep_after(5000);

	cr_expect_eq(counts.marks, 1 + SWEEP_PENDING_MAX);
	cr_expect_eq(counts.most, SWEEP_MARKS_MAX);
	cr_expect_eq(counts.sweeps, 1 + SWEEP_PENDING_MAX / SWEEP_MARKS_MAX);
}

/* ---- the place of a worker ---- */

Test(sweep, the_folder_of_cgroups_goes_without_a_sweep_if_it_is_empty,
	.init = open_dir, .fini = close_dir)
{
	char *cgroup = own_cgroup_make();
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct children children;
	struct sweeper s;

	own_cgroup_put(cgroup, getpid());
	children_init(&children, loop);
	sweeper_init(&s, &children, "/bin/false", dir, true);
	cr_expect_eq(own_cgroup_count(cgroup), 1);
	sweeper_finish(&s);
	children_finish(&children);
	ev_loop_destroy(loop);
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	own_cgroup_leave(cgroup);
	own_cgroup_remove(cgroup);
}

/* A folder that is no cgroup stands for one that somebody has removed. */
Test(sweep, a_worker_that_cannot_begin_in_its_cgroup_begins_beside_it)
{
	const char *const argv[] = {"/bin/true", NULL}, *const env[] = {NULL};
	int folder = open("/tmp", O_RDONLY | O_DIRECTORY), cgroup_error = 0;
	struct spawn_order order = {.argv = argv,
		.env = env,
		.output = STDERR_FILENO,
		.errors = STDERR_FILENO,
		.cgroup = folder,
		.cgroup_error_out = &cgroup_error};
	struct error err;
	int status = -1;
	pid_t pid;

	cr_assert_neq(spawn_try_cgroup(folder), 0);
	pid = spawn(&order, &err);
	cr_assert_gt(pid, 0);
	cr_expect_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	cr_expect_neq(cgroup_error, 0);
	close(folder);
}

/* ---- what does not die ---- */

static pid_t
start_marked(bool is_held)
{
	const char *const argv[] = {"sleep", "1000", NULL};
	const char *const env[] = {"TEST_SWEEP=a-1", NULL};
	pid_t pid = fork();

	if (!pid) {
		if (is_held)
			ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execve("/bin/sleep", (char *const *)(uintptr_t)argv,
			(char *const *)(uintptr_t)env);
		_exit(127);
	}
	cr_assert_gt(pid, 0);
	return pid;
}

/* It stands before its end, with its memory, until its tracer lets it go. */
static pid_t
start_held(void)
{
	pid_t pid = start_marked(true);
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSTOPPED(status));
	cr_assert_eq(
		ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEEXIT), 0);
	cr_assert_eq(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
	return pid;
}

Test(sweep, one_that_does_not_die_costs_the_limit_and_saves_no_other)
{
	char mark[] = "TEST_SWEEP=a-", *marks[] = {mark};
	pid_t held = start_held(), other = start_marked(false);
	uint64_t begun = clock_ms();
	struct sweep sweep;
	int status = 0;

	cr_assert_eq(sweep_run(NULL, marks, 1, 500, &sweep), 0);
	cr_expect(sweep.is_unfinished);
	cr_expect_geq(clock_ms() - begun, 500);
	cr_expect_lt(clock_ms() - begun, 20000);
	cr_expect_eq(waitpid(other, &status, 0), other);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	ptrace(PTRACE_DETACH, held, NULL, NULL);
	while (waitpid(held, &status, 0) == held && !WIFSIGNALED(status))
		ptrace(PTRACE_DETACH, held, NULL, NULL);
}
