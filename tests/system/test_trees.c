/* What workers start and leave behind: it ends with its worker, also where it
 * made a session of its own, and where supd itself was killed. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/raw.h"

TestSuite(trees, .fini = run_fini, .timeout = 200);

/* By their environment: supd makes no cgroups where systemd has started it.
 * Those have tests of their own. */
static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();
	char *path = raw_left_path(g);
	char *settings = memory_format("leave: \"%s\"", path);

	setenv("INVOCATION_ID", "a-test", 1);
	raw_add(g, "a", settings);
	run_start(g);
	free(settings);
	free(path);
	return g;
}

Test(trees, end_when_a_plugin_is_stopped)
{
	struct gateway_run *g = start();
	int fd = raw_left(g);

	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(fd);
	run_end(g);
}

Test(trees, of_an_old_generation_end_and_those_of_the_new_one_live)
{
	struct gateway_run *g = start();
	int old = raw_left(g), now;

	ctl_destroy(ctl_expect(g, 0, "reload", "--wait", "settled", "a", NULL));
	now = raw_left(g);
	raw_expect_left_ends(old);
	cr_expect_not(raw_left_has_ended(now, 0));
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(now);
	run_end(g);
}

Test(trees, end_with_supd)
{
	struct gateway_run *g = start();
	int fd = raw_left(g);

	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	cr_expect(raw_left_has_ended(fd, 0), "it outlived supd");
	close(fd);
	run_start(g);
	run_end(g);
}

Test(trees, that_a_killed_supd_left_end_at_the_next_start)
{
	struct gateway_run *g = start();
	int old = raw_left(g), now;

	run_signal(g, SIGKILL);
	run_wait(g);
	cr_expect_not(raw_left_has_ended(old, 0));
	run_start(g);
	cr_expect(raw_left_has_ended(old, 0), "the next supd serves beside it");
	close(old);
	now = raw_left(g);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	raw_expect_left_ends(now);
	run_end(g);
}

Test(trees, of_an_earlier_run_are_lost_with_both_copies_of_the_mark)
{
	struct gateway_run *g = start();
	char *mark = memory_format("%s/state/tree-mark", g->dir);
	char *copy = memory_format("%s.copy", mark);
	int old = raw_left(g);

	run_signal(g, SIGKILL);
	run_wait(g);
	files_write(mark, "torn");
	files_write(copy, "torn");
	run_start(g);
	cr_expect(run_log_has(g, 0, "cannot be found"));
	cr_expect_not(raw_left_has_ended(old, 0));
	syscall(SYS_pidfd_send_signal, old, SIGKILL, NULL, 0);
	raw_expect_left_ends(old);
	free(copy);
	free(mark);
	run_end(g);
}

/* The starter's file is at a low number, and locked. */
Test(trees, get_no_descriptor_that_supd_was_started_with)
{
	struct gateway_run *g = run_create();
	char *script =
		memory_format("exec 3>%s/starter 7>&3; exec \"$@\"", g->dir);
	char link[200], path[64];
	ssize_t n;

	g->wrapper[0] = "/bin/sh";
	g->wrapper[1] = "-c";
	g->wrapper[2] = script;
	g->wrapper[3] = "sh";
	raw_add(g, "a", "");
	run_start(g);
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/%ld/fd/%d",
			ctl_status_number(g, "a", "pid"), fd);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		cr_expect_not(strstr(link, "/starter"), "%s is %s", path, link);
	}
	free(script);
	run_end(g);
}
