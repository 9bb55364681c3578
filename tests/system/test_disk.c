/* The disk of the state directory: what must survive a power loss is synced,
 * and while the disk takes nothing what serves goes on serving, crash restarts
 * included. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(disk, .fini = run_fini, .timeout = 120);

#define SYNCED "the state directory is synced"

Test(disk, what_is_new_or_was_decided_by_a_person_is_synced)
{
	static const char *const decisions[] = {
		"disable", "enable", "stop", "start"};
	struct gateway_run *g = run_create();

	run_add_hello(g);
	run_start(g);
	run_await_log(g, 0, SYNCED);
	for (size_t i = 0; i < sizeof(decisions) / sizeof(*decisions); i++) {
		size_t mark = capture_length(&g->log);

		ctl_destroy(ctl_expect(g, 0, decisions[i], "hello", NULL));
		run_await_log(g, mark, SYNCED);
	}
	g->may_grow = true;
	run_end(g);
}

/* ---- a disk that is slow or broken ---- */

/* supd beside a sup-worker of which `sync` does what the file DIR/disk says:
 * "hang", "fail", or nothing special. */
static struct gateway_run *
start_with_sync(const char *mode)
{
	static const char copy[] = "cp \"$1\" \"$0\" && shift && "
				   "exec \"$0\" \"$@\"";
	static char supd[128];
	struct gateway_run *g = run_create();
	char *worker = memory_format("%s/bin/sup-worker", g->dir);
	char *path = memory_format("%s/bin", g->dir);

	cr_assert_eq(mkdir(path, 0755), 0);
	free(path);
	files_write(worker,
		"#!/bin/sh\n"
		"while [ \"$1\" = sync ] && grep -q hang %s/disk; do\n"
		"  sleep 0.01\n"
		"done\n"
		"if [ \"$1\" = sync ] && grep -q fail %s/disk; then\n"
		"  echo 'cannot sync it: Input/output error' >&2\n"
		"  exit 1\n"
		"fi\n"
		"exec %s/worker/sup-worker \"$@\"\n",
		g->dir, g->dir, run_build_root());
	cr_assert_eq(chmod(worker, 0755), 0);
	free(worker);
	path = memory_format("%s/disk", g->dir);
	files_write(path, "%s", mode);
	free(path);
	snprintf(supd, sizeof(supd), "%s/bin/supd", g->dir);
	g->wrapper[0] = "sh";
	g->wrapper[1] = "-c";
	g->wrapper[2] = copy;
	g->wrapper[3] = supd;
	run_add_hello(g);
	run_start(g);
	g->may_grow = true;
	return g;
}

static void
set_disk(struct gateway_run *g, const char *mode)
{
	char *path = memory_format("%s/disk", g->dir);

	files_write(path, "%s", mode);
	free(path);
}

static struct ctl *
begin(struct gateway_run *g, const char *verb)
{
	const char *const args[] = {verb, "hello", NULL};

	return ctl_begin(g, 0, args);
}

static bool
has_ended(const struct ctl *c, int wait_ms)
{
	struct pollfd end = {.fd = c->pidfd, .events = POLLIN};

	return poll(&end, 1, wait_ms) == 1;
}

Test(disk, the_answer_to_a_decision_waits_until_it_is_synced)
{
	struct gateway_run *g = start_with_sync("");
	size_t mark;
	struct ctl *c;

	run_await_log(g, 0, SYNCED);
	set_disk(g, "hang");
	mark = capture_length(&g->log);
	c = begin(g, "disable");
	run_await_log(g, mark, " stopped (supctl)");
	cr_expect(!has_ended(c, 300), "the answer came before the sync");
	cr_expect_not(run_log_has(g, mark, SYNCED));
	cr_expect_eq(http_status(g->http, "/hello"), 404, "nothing waits");
	set_disk(g, "");
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->err);
	cr_expect(run_log_has(g, mark, SYNCED));
	ctl_destroy(c);
	/* Others read while somebody waits; who goes away is not waited for. */
	set_disk(g, "hang");
	mark = capture_length(&g->log);
	c = begin(g, "enable");
	run_await_log(g, mark, " done (supctl)");
	ctl_destroy(ctl_expect(g, 0, "status", NULL));
	kill(c->pid, SIGKILL);
	ctl_wait(c);
	ctl_destroy(c);
	set_disk(g, "");
	run_await_log(g, mark, SYNCED);
	run_end(g);
}

Test(disk, a_decision_that_is_not_synced_is_an_error)
{
	static const char *const modes[] = {"fail", "hang"};
	static const char *const reasons[] = {
		"Input/output error", "has not answered for 5 s"};
	static const char *const verbs[] = {"disable", "enable"};
	struct gateway_run *g = start_with_sync("");

	run_await_log(g, 0, SYNCED);
	for (size_t i = 0; i < 2; i++) {
		struct ctl *c;

		set_disk(g, modes[i]);
		c = ctl_expect(g, 1, verbs[i], "hello", NULL);
		cr_expect(
			strstr(ctl_text(c, "error"), reasons[i]), "%s", c->out);
		cr_expect(strstr(ctl_text(c, "error"), "power failure"));
		cr_expect_str_eq(ctl_text(c, "state"), "done");
		ctl_destroy(c);
		/* It holds all the same. */
		cr_expect_eq(http_status(g->http, "/hello"), i ? 200 : 404);
	}
	set_disk(g, "");
	ctl_destroy(ctl_expect(g, 0, "disable", "hello", NULL));
	run_end(g);
}

/* The state directory of supd alone: a file system of 1 MiB in a mount
 * namespace, so that it can be filled and made read-only. */
static struct gateway_run *
start_with_disk(void)
{
	static const char *const wrapper[] = {"unshare", "-rm", "sh", "-c",
		"mount -t tmpfs -o size=1m tmpfs \"$7\" && exec \"$@\"", "sh"};
	struct gateway_run *g = run_create();
	char *state = memory_format("%s/state", g->dir);

	if (system("unshare -rm mount -t tmpfs tmpfs /mnt 2>/dev/null"))
		cr_skip_test("no mount namespace here");
	cr_assert_eq(mkdir(state, 0755), 0);
	for (size_t i = 0; i < sizeof(wrapper) / sizeof(*wrapper); i++)
		g->wrapper[i] = wrapper[i];
	run_add_fault(g);
	run_defaults(g, "probation: 0ms");
	run_start(g);
	g->may_grow = true;
	free(state);
	return g;
}

/* A command with $STATE in supd's namespaces. */
static void
in_namespace(struct gateway_run *g, const char *command)
{
	char *line = memory_format(
		"STATE=%s/state nsenter -t %d -U -m --preserve-credentials "
		"sh -c '%s'",
		g->dir, (int)g->pid, command);

	cr_assert_eq(system(line), 0, "%s", line);
	free(line);
}

static void
crash(struct gateway_run *g, int restarts)
{
	kill(http_pid(g->http, "/fault"), SIGKILL);
	ctl_await_number(g, "fault", "restarts", restarts);
	ctl_await_state(g, "fault", "serving");
	cr_expect_eq(http_status(g->http, "/fault"), 200);
}

static void
expect_failure(struct gateway_run *g, const char *verb, const char *reason)
{
	struct ctl *c = ctl_run(g, verb, "fault", NULL);

	cr_expect_eq(c->exit_code, 1, "%s: %d", verb, c->exit_code);
	cr_expect(strstr(c->out, reason) || strstr(c->err, reason), "%s: %s%s",
		verb, c->out, c->err);
	ctl_destroy(c);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
}

Test(disk, a_read_only_one_stops_nothing_that_serves)
{
	static const char reason[] = "Read-only file system";
	struct gateway_run *g = start_with_disk();
	size_t mark = capture_length(&g->log);

	run_announce(g, reason);
	run_announce(g, "died");
	in_namespace(g, "mount --bind $STATE $STATE && "
			"mount -o remount,bind,ro $STATE");
	expect_failure(g, "reload", reason);
	expect_failure(g, "disable", reason);
	expect_failure(g, "stop", reason);
	crash(g, 1);
	crash(g, 2);
	run_await_log(g, mark, "generation 3 may be used again");
	in_namespace(g, "umount -l $STATE");
	run_await_log(g, mark, "state saved");
	in_namespace(g, "grep -q \"generation\\\":3,\" $STATE/plugins/fault*");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	cr_expect_eq(ctl_status_number(g, "fault", "generation"), 4);
	run_end(g);
}

Test(disk, a_full_one_stops_nothing_that_serves)
{
	static const char reason[] = "No space left on device";
	struct gateway_run *g = start_with_disk();

	run_announce(g, reason);
	run_announce(g, "died");
	in_namespace(g,
		"cat /dev/zero >$STATE/fill 2>/dev/null; test -s $STATE/fill");
	expect_failure(g, "reload", reason);
	crash(g, 1);
	crash(g, 2);
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	/* There is no space for a stage of the package. */
	ctl_destroy(ctl_run(g, "enable", "fault", NULL));
	ctl_await_state(g, "fault", "serving");
	in_namespace(g, "rm $STATE/fill");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_end(g);
}

/* A crash restart makes a generation that has no stage of its own, so only the
 * store knows of it. */
Test(disk, a_generation_is_not_used_again_when_one_copy_is_lost)
{
	static const char *const copies[] = {"fault.json", "fault.2.json"};

	for (size_t i = 0; i < 4; i++) {
		struct gateway_run *g = run_create();
		char *path = memory_format(
			"%s/state/plugins/%s", g->dir, copies[i % 2]);

		run_add_fault(g);
		run_defaults(g, "probation: 0ms");
		run_announce(g, "died");
		run_start(g);
		crash(g, 1);
		cr_expect_eq(ctl_status_number(g, "fault", "generation"), 2);
		run_signal(g, SIGKILL);
		run_wait(g);
		if (i < 2)
			files_write(path, "torn");
		else
			cr_assert_eq(unlink(path), 0);
		run_start(g);
		cr_expect(run_log_has(g, 0, "read the other copy"));
		cr_expect_gt(ctl_status_number(g, "fault", "generation"), 2,
			"%s", copies[i % 2]);
		free(path);
		run_end(g);
	}
}
