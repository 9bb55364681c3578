/* What workers start ends with them wherever supd may make cgroups: with no
 * environment, in a session of its own, as another user. Each test makes a
 * cgroup, starts supd in it, and nothing of it must be left at the end. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/own_cgroup.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/raw.h"

#define NOBODY 65534
#define BY_CGROUP "workers' trees: cgroup.kill"
#define BY_ENVIRONMENT "workers' trees: by their environment"

static char *cgroup; /* the test's own cgroup */

static void
make_place(void)
{
	cgroup = own_cgroup_make();
}

static void
remove_place(void)
{
	run_fini();
	own_cgroup_remove(cgroup);
}

TestSuite(cgroups, .init = make_place, .fini = remove_place, .timeout = 200);

/* supd enters the cgroup first; `then` is shell before it becomes supd. The
 * script is freed by the caller, after the run. */
static char *
enter(struct gateway_run *g, const char *then)
{
	char *script = memory_format(
		"echo $$ >%s/cgroup.procs && %s exec \"$@\"", cgroup, then);

	g->wrapper[0] = "/bin/sh";
	g->wrapper[1] = "-c";
	g->wrapper[2] = script;
	g->wrapper[3] = "sh";
	return script;
}

static struct gateway_run *
start_with(const char *more, const char *then, char **script_out)
{
	struct gateway_run *g = run_create();
	char *path = raw_left_path(g);
	char *settings = memory_format("leave: \"%s\"%s", path, more);

	*script_out = enter(g, then);
	raw_add(g, "a", settings);
	run_start(g);
	free(settings);
	free(path);
	return g;
}

static struct gateway_run *
start(char **script_out)
{
	struct gateway_run *g =
		start_with(", leave_clean: true", "", script_out);

	cr_assert(run_log_has(g, 0, BY_CGROUP));
	return g;
}

static void
end(struct gateway_run *g, char *script)
{
	run_end(g);
	free(script);
	cr_expect_eq(own_cgroup_count(cgroup), 0, "folders are left");
}

Test(cgroups, end_what_has_no_environment_when_a_plugin_stops)
{
	char *script;
	struct gateway_run *g = start(&script);
	int fd = raw_left(g);

	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	end(g, script);
}

Test(cgroups, of_an_old_generation_end_and_that_of_the_new_one_lives)
{
	char *script;
	struct gateway_run *g = start(&script);
	int old = raw_left(g), now;

	ctl_destroy(ctl_expect(g, 0, "reload", "--wait", "settled", "a", NULL));
	now = raw_left(g);
	raw_expect_left_ends(old);
	cr_expect_not(raw_left_has_ended(now, 0));
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(now);
	end(g, script);
}

Test(cgroups, end_with_supd)
{
	char *script;
	struct gateway_run *g = start(&script);
	int fd = raw_left(g);

	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	cr_expect(raw_left_has_ended(fd, 0), "it outlived supd");
	close(fd);
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	run_start(g);
	end(g, script);
}

Test(cgroups, that_a_killed_supd_left_end_at_the_next_start)
{
	char *script;
	struct gateway_run *g = start(&script);
	int old = raw_left(g), now;

	run_signal(g, SIGKILL);
	run_wait(g);
	cr_expect_not(raw_left_has_ended(old, 0));
	run_start(g);
	cr_expect(raw_left_has_ended(old, 0), "the next supd serves beside it");
	close(old);
	now = raw_left(g);
	cr_expect_not(raw_left_has_ended(now, 0));
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(now);
	end(g, script);
}

/* ---- cleaned up by somebody else ---- */

/* The folder of this supd, for the caller to free. */
static char *
folder(struct gateway_run *g)
{
	char *path = memory_format("%s/state/tree-mark", g->dir);
	char *mark = files_read(path), *found;

	cr_assert(mark);
	mark[strcspn(mark, " ")] = '\0';
	found = memory_format("%s/supd-%s", cgroup, mark);
	free(mark);
	free(path);
	return found;
}

/* With the process the cgroup is empty, and soon removed. */
static void
remove_when_empty(const char *path)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (rmdir(path) < 0 && clock_ms() < until)
		poll(NULL, 0, 10);
	cr_assert_neq(access(path, F_OK), 0);
}

Test(cgroups, that_somebody_cleans_up_are_made_again)
{
	char *script;
	struct gateway_run *g = start(&script);
	char *all = folder(g);
	int fd = raw_left(g);

	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	remove_when_empty(all);
	ctl_destroy(ctl_expect(g, 0, "start", "a", NULL));
	cr_expect_eq(own_cgroup_count(all), 1);
	fd = raw_left(g);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	end(g, script);
	free(all);
}

/* ---- other users ---- */

Test(cgroups, end_what_runs_as_another_user)
{
	char *script;
	struct gateway_run *g;
	int fd;

	if (geteuid())
		cr_skip_test("only root can change the user");
	g = start_with(", leave_clean: true, leave_as: 65534", "", &script);
	fd = raw_left(g);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	end(g, script);
}

/* The test starts supd as nobody in a folder of its own, and has put a program
 * of somebody else into it. */
static char *
become_nobody(const char *dir)
{
	return memory_format("chown -R %d %s %s && cp /bin/sleep %s/sleep && "
			     "chown %d %s/sleep && chmod 4755 %s/sleep && "
			     "exec setpriv --reuid %d --regid %d "
			     "--clear-groups \"$@\";",
		NOBODY, dir, cgroup, dir, NOBODY - 1, dir, dir, NOBODY, NOBODY);
}

static bool
may_start_set_uid(void)
{
	struct statvfs system;

	return !geteuid() && statvfs("/tmp", &system) == 0 &&
	       !(system.f_flag & ST_NOSUID);
}

/* Its environment is not for an unprivileged supd to read. */
Test(cgroups, of_an_unprivileged_supd_end_what_is_set_uid)
{
	struct gateway_run *g = run_create();
	char *then = become_nobody(g->dir), *script = enter(g, then);
	char *settings = memory_format("leave: \"%s/left\", leave_program: "
				       "\"%s/sleep\"",
		g->dir, g->dir);
	int fd;

	if (!may_start_set_uid())
		cr_skip_test("no set-uid program can be made");
	if (!run_build_is_open())
		cr_skip_test("other users may not enter the build folder");
	raw_add(g, "a", settings);
	run_start(g);
	cr_assert(run_log_has(g, 0, BY_CGROUP));
	fd = raw_left(g);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	end(g, script);
	free(then);
	free(settings);
}

/* ---- what is not theirs ---- */

static pid_t
start_bystander(void)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sleep", "sleep", "1000", NULL);
		_exit(127);
	}
	cr_assert_gt(pid, 0);
	own_cgroup_put(cgroup, pid);
	return pid;
}

Test(cgroups, of_one_supd_end_and_its_neighbours_live)
{
	char *script, *other_script;
	struct gateway_run *g = start(&script), *other = start(&other_script);
	pid_t bystander = start_bystander();
	int old = raw_left(g), theirs = raw_left(other);

	run_signal(g, SIGKILL);
	run_wait(g);
	run_start(g);
	raw_expect_left_ends(old);
	old = raw_left(g);
	run_end(g);
	raw_expect_left_ends(old);
	cr_expect_not(
		raw_left_has_ended(theirs, 0), "another supd's was killed");
	cr_expect_eq(waitpid(bystander, NULL, WNOHANG), 0);
	close(theirs);
	run_end(other);
	cr_expect_eq(waitpid(bystander, NULL, WNOHANG), 0);
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
	free(script);
	free(other_script);
}

/* ---- where they cannot be made ---- */

static void
expect_fallback(const char *then)
{
	char *script;
	struct gateway_run *g = start_with("", then, &script);
	int fd = raw_left(g);

	cr_expect(run_log_has(g, 0, BY_ENVIRONMENT));
	cr_expect_eq(own_cgroup_count(cgroup), 0);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	end(g, script);
}

Test(cgroups, that_supd_may_not_write_to_are_left_alone)
{
	char *then = memory_format("chmod 555 %s && %s", cgroup,
		geteuid()
			? ""
			: "exec setpriv --bounding-set -dac_override \"$@\";");

	expect_fallback(then);
	free(then);
}

Test(cgroups, that_systemd_has_not_delegated_are_left_alone)
{
	char *unit = memory_format("%s/a.service", cgroup), *outer = cgroup;

	cr_assert_eq(mkdir(unit, 0755), 0);
	cgroup = unit;
	expect_fallback("");
	cgroup = outer;
	own_cgroup_remove(unit);
}
