/* The children that stage, clear and remove packages: whatever becomes of one,
 * the verdict names a cause and no folder stays for ever. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/survey.h"
#include "tests/system/bed.h"
#include "tests/system/harness/files.h"

static struct bed bed;
static const char *real_program; /* sup-worker */
static unsigned verdicts;
static char verdict[512]; /* "": success */
static bool shortage;
static struct survey *survey;

/* From now on `script` runs instead of sup-worker; $D is the bed's folder and
 * $REAL the program itself. */
static void
replace_worker(const char *script)
{
	char *path = memory_format("%s/worker", bed.dir);

	files_write(path, "#!/bin/sh\nD=%s REAL=%s\n%s\n", bed.dir,
		real_program, script);
	cr_assert(!chmod(path, 0700));
	if (bed.workers.worker_program != real_program)
		free((char *)(uintptr_t)bed.workers.worker_program);
	bed.workers.worker_program = path;
}

static void
begin(void)
{
	bed_make(&bed, "plugins/hello", "", NULL);
	real_program = bed.workers.worker_program;
	verdicts = 0;
}

static void
finish(void)
{
	if (bed.workers.worker_program != real_program)
		free((char *)(uintptr_t)real_program);
	bed_clear(&bed);
}

TestSuite(stage_children, .init = begin, .fini = finish, .timeout = 60);

static void
staged(void *user, const struct stage_result *result)
{
	snprintf(verdict, sizeof(verdict), "%s",
		result->err ? result->err->text : "");
	shortage = result->err && result->err->shortage;
	verdicts++;
}

static void
stage_and_await(uint32_t generation)
{
	struct error err = {.text = ""};

	cr_assert(stage_begin(&bed.workers, bed.dir, "it", generation,
			  bed.manifest, clock_ms() + 20000, staged, NULL, &err),
		"%s", err.text);
	bed_await(&bed, &verdicts, verdicts + 1);
}

static unsigned
count_stages(void)
{
	char *folder = memory_format("%s/run/it", bed.dir);
	char *command = memory_format("ls -A %s 2>/dev/null | wc -l", folder);
	FILE *pipe = popen(command, "r");
	unsigned count = 0;

	cr_assert(pipe && fscanf(pipe, "%u", &count) == 1);
	pclose(pipe);
	free(command);
	free(folder);
	return count;
}

static void
await_removals(void)
{
	uint64_t end = clock_ms() + 20000;

	while (bed.workers.remover || !list_is_empty(&bed.workers.removals)) {
		cr_assert(clock_ms() < end, "removing takes too long");
		ev_run(bed.loop, EVRUN_ONCE);
	}
}

Test(stage_children, each_end_of_a_staging_has_a_cause)
{
	static const struct {
		const char *script, *verdict;
		bool shortage;
	} rows[] = {
		{"kill -9 $$", "failed: killed by signal 9 (Killed)", true},
		{"kill -SEGV $$", "failed: killed by signal 11", true},
		{"exit 3", "failed: exit status 3", true},
		{"exit 0", "failed: exit status 0", true},
		{"echo no space >&2; exit 71", "no space", true},
		{"echo bad package >&2; exit 1", "bad package", false},
		{"echo nonsense", "sup-worker gave no digest", false},
		{"ulimit -n 4; exec $REAL \"$@\"", "Too many open files", true},
		{"ulimit -f 1; exec $REAL \"$@\"", "signal 25", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		replace_worker(rows[i].script);
		stage_and_await(1);
		cr_expect(strstr(verdict, rows[i].verdict), "%s: %s",
			rows[i].script, verdict);
		cr_expect_eq(shortage, rows[i].shortage, "%s: %s",
			rows[i].script, verdict);
	}
}

Test(stage_children, a_copy_that_was_cut_short_is_removed)
{
	replace_worker("[ $1 = stage ] || exec $REAL \"$@\"\n"
		       "mkdir $3 && echo half > $3/file\n"
		       "kill -9 $$");
	stage_and_await(1);
	cr_expect(strstr(verdict, "killed by signal 9"), "%s", verdict);
	await_removals();
	cr_expect_eq(count_stages(), 0);
}

Test(stage_children, a_place_that_cannot_be_cleared_has_a_cause)
{
	char *dir = memory_format("%s/run/it/1", bed.dir);

	stage_and_await(1);
	cr_assert_str_empty(verdict);
	replace_worker("[ $1 = unstage ] && kill -9 $$\nexec $REAL \"$@\"");
	stage_and_await(1);
	cr_expect(strstr(verdict, "clearing ") && strstr(verdict, dir) &&
			  strstr(verdict, "killed by signal 9"),
		"%s", verdict);
	free(dir);
	await_removals();
}

Test(stage_children, a_remover_that_is_killed_is_followed_by_another)
{
	char *dir = memory_format("%s/run/it/1", bed.dir);

	stage_and_await(1);
	replace_worker("mkdir $D/once 2>/dev/null && kill -9 $$\n"
		       "exec $REAL \"$@\"");
	stage_remove(&bed.workers, dir);
	await_removals();
	cr_expect_eq(count_stages(), 0);
	free(dir);
}

Test(stage_children, what_could_not_be_removed_goes_with_a_later_removal)
{
	char *first = memory_format("%s/run/it/1", bed.dir);
	char *second = memory_format("%s/run/it/2", bed.dir);

	stage_and_await(1);
	stage_and_await(2);
	replace_worker("echo cannot remove it >&2; exit 1");
	stage_remove(&bed.workers, first);
	await_removals();
	cr_expect_eq(count_stages(), 2);
	replace_worker("exec $REAL \"$@\"");
	stage_remove(&bed.workers, second);
	await_removals();
	cr_expect_eq(count_stages(), 0);
	free(first);
	free(second);
}

/* In a container every supd has the same pid. */
Test(stage_children, the_names_of_an_earlier_supd_are_passed_over)
{
	char *dir = memory_format("%s/run/it/1", bed.dir);
	char *taken =
		memory_format("%s/run/it/.gone-%d-1", bed.dir, (int)getpid());
	struct stat stat;

	stage_and_await(1);
	cr_assert(!mkdir(taken, 0700));
	free(taken);
	taken = memory_format(
		"%s/run/it/.gone-%d-1/file", bed.dir, (int)getpid());
	files_write(taken, "left");
	stage_remove(&bed.workers, dir);
	cr_expect(lstat(dir, &stat), "its name is free at once");
	await_removals();
	cr_expect_eq(count_stages(), 1);
	free(dir);
	free(taken);
}

Test(stage_children, a_plugin_that_is_configured_no_more_leaves_nothing)
{
	char *run = memory_format("ls -A %s/run | wc -l", bed.dir);
	unsigned count = 1;
	FILE *pipe;

	stage_and_await(1);
	stage_and_await(2);
	stage_remove_all(&bed.workers, bed.dir, "it");
	await_removals();
	pipe = popen(run, "r");
	cr_assert(pipe && fscanf(pipe, "%u", &count) == 1);
	pclose(pipe);
	cr_expect_eq(count, 0);
	free(run);
}

static void
surveyed(void *user, struct error *err)
{
	snprintf(verdict, sizeof(verdict), "%s", err ? err->text : "");
	shortage = err && err->shortage;
	verdicts++;
}

static void
survey_and_await(const char *script)
{
	struct error err = {.text = ""};

	replace_worker(script);
	survey = survey_create(&bed.workers);
	survey_add(survey, bed.package, NULL, NULL);
	cr_assert(
		!survey_begin(survey, clock_ms() + 20000, surveyed, NULL, &err),
		"%s", err.text);
	bed_await(&bed, &verdicts, 1);
}

Test(stage_children, a_comparison_that_is_killed_has_a_cause)
{
	survey_and_await("kill -9 $$");
	cr_expect_str_eq(verdict,
		"the packages could not be compared: killed by signal 9 "
		"(Killed)");
	cr_expect(shortage);
	survey_destroy(survey);
}

/* A stage that cannot be read for want of descriptors is not damaged. */
Test(stage_children, a_comparison_says_whether_something_was_lacking)
{
	struct survey_answer answer;

	survey_and_await("ulimit -n 4; exec $REAL \"$@\"");
	cr_expect_str_empty(verdict);
	answer = survey_answer_at(survey, 0);
	cr_expect(answer.error && strstr(answer.error, "Too many open files"),
		"%s", answer.error);
	cr_expect(answer.shortage);
	survey_destroy(survey);
}
