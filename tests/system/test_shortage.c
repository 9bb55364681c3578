/* Starts that fail for want of what others use up: disk space, inodes,
 * processes and threads. None of them is a death of the plugin, each is
 * reported once, and the plugin comes back when the resource does. The kill is
 * an early death; after a second one a plugin would be `failed` here. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/run.h"

TestSuite(shortage, .fini = run_fini, .timeout = 120);

#define REPORT "cannot start now"

static struct gateway_run *
create(void)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	run_defaults(g, "probation: 0ms, crash: {early_max: 2, within: 5m}");
	run_announce(g, "died");
	return g;
}

/* ---- disks ---- */

/* Mounts something at $5/w, the workers' part of the runtime directory among
 * supd's arguments, or at $7, the state directory. */
static struct gateway_run *
start_with_disk(const char *folder, const char *mount)
{
	static const char *const wrapper[] = {
		"unshare", "-rm", "sh", "-c", NULL, "sh"};
	struct gateway_run *g;
	char *path;

	if (system("unshare -rm mount -t tmpfs tmpfs /mnt 2>/dev/null"))
		cr_skip_test("no mount namespace here");
	g = create();
	path = memory_format("mkdir -p %s/%s", g->dir, folder);
	cr_assert_eq(system(path), 0);
	free(path);
	for (size_t i = 0; i < sizeof(wrapper) / sizeof(*wrapper); i++)
		g->wrapper[i] = wrapper[i];
	g->wrapper[4] = mount;
	run_start(g);
	g->may_grow = true;
	return g;
}

/* A command with $DIR in supd's namespaces. */
static void
in_namespace(struct gateway_run *g, const char *command)
{
	char *line = memory_format(
		"DIR=%s nsenter -t %d -U -m --preserve-credentials sh -c '%s'",
		g->dir, (int)g->pid, command);

	cr_assert_eq(system(line), 0, "%s", line);
	free(line);
}

/* ---- what holds in every case ---- */

static void
await_other_try(struct gateway_run *g, const char *id)
{
	char *first = ctl_status_text(g, id, "lastReload.id");
	uint64_t until = clock_ms() + CTL_DEADLINE_MS;
	bool same = true;

	while (same) {
		char *now = ctl_status_text(g, id, "lastReload.id");

		same = !strcmp(now, first);
		free(now);
		cr_assert(clock_ms() < until, "%s is not tried again", id);
	}
	free(first);
}

static unsigned
count_events(struct gateway_run *g, const char *name)
{
	struct ctl *c = ctl_expect(g, 0, "events", NULL);
	char *text = memory_format("\"%s\"", name);
	unsigned count = 0;

	for (const char *at = c->out; (at = strstr(at, text)); at++)
		count++;
	free(text);
	ctl_destroy(c);
	return count;
}

static void
expect_starved(
	struct gateway_run *g, const char *id, size_t mark, const char *reason)
{
	char *state, *failure;

	run_await_log(g, mark, REPORT);
	await_other_try(g, id);
	await_other_try(g, id);
	state = ctl_status_text(g, id, "state");
	failure = ctl_status_text(g, id, "failure");
	cr_expect(!strcmp(state, "holding") || !strcmp(state, "starting"), "%s",
		state);
	cr_expect(strstr(failure, reason), "%s", failure);
	cr_expect_eq(capture_count(&g->log, mark, REPORT), 1);
	cr_expect_eq(capture_count(&g->log, mark, "rolled back"), 1);
	cr_expect_eq(count_events(g, "plugin.starved"), 1);
	cr_expect_eq(count_events(g, "plugin.failed"), 0);
	free(state);
	free(failure);
}

static void
expect_back(struct gateway_run *g, const char *id)
{
	char *failure;

	ctl_await_state(g, id, "serving");
	failure = ctl_status_text(g, id, "failure");
	cr_expect_str_empty(failure);
	free(failure);
}

static void
crash(struct gateway_run *g)
{
	kill(http_pid(g->http, "/fault"), SIGKILL);
}

/* The last sockets of a worker that serves would go with it, so this is a start
 * by a person. */
Test(shortage, of_inodes_delays_a_start)
{
	static const char reason[] = "No space left on device";
	struct gateway_run *g = start_with_disk("run/w",
		"mount -t tmpfs -o nr_inodes=64 tmpfs \"$5/w\" && exec \"$@\"");
	size_t mark = capture_length(&g->log);
	struct ctl *c;

	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	in_namespace(g, "i=0; while touch $DIR/run/w/fill$i 2>/dev/null; do "
			"i=$((i+1)); done; test $i -gt 1");
	c = ctl_expect(g, 1, "start", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), reason), "%s", c->out);
	ctl_destroy(c);
	expect_starved(g, "fault", mark, reason);
	in_namespace(g, "rm $DIR/run/w/fill*");
	expect_back(g, "fault");
	run_end(g);
}

Test(shortage, of_disk_space_delays_a_first_start_and_fails_a_reload)
{
	static const char reason[] = "No space left on device";
	struct gateway_run *g = start_with_disk("state",
		"mount -t tmpfs -o size=1m tmpfs \"$7\" && exec \"$@\"");
	size_t mark = capture_length(&g->log);
	int pid = http_pid(g->http, "/fault");
	struct ctl *c;

	in_namespace(g, "cat /dev/zero >$DIR/state/fill 2>/dev/null; "
			"test -s $DIR/state/fill");
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), reason), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	cr_expect(!run_log_has(g, mark, REPORT), "it serves");

	mark = capture_length(&g->log);
	plan_put_in(g, "late.yaml",
		"plugins:\n  late: {use: fault, mount: /late, "
		"namespace: late}\n");
	run_signal(g, SIGHUP);
	expect_starved(g, "late", mark, reason);
	in_namespace(g, "rm $DIR/state/fill");
	expect_back(g, "late");
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	run_end(g);
}

/* ---- processes ---- */

/* A limit of processes and threads for supd and what it starts from now on:
 * a cgroup where that is allowed, else the limit of an ordinary user. */
struct limit {
	char *cgroup; /* NULL: RLIMIT_NPROC */
	pid_t supd;
};

static void
limit_write(const struct limit *l, const char *file, const char *text)
{
	char *path = memory_format("%s/%s", l->cgroup, file);
	FILE *stream = fopen(path, "w");

	cr_assert(stream && fputs(text, stream) >= 0 && !fclose(stream), "%s",
		path);
	free(path);
}

static bool
limit_make_cgroup(struct limit *l, const char *root)
{
	char *max;
	bool made;

	l->cgroup = memory_format("%s/supd-test-%d", root, (int)getpid());
	max = memory_format("%s/pids.max", l->cgroup);
	made = !mkdir(l->cgroup, 0755) && files_exist(max);
	free(max);
	if (made)
		return true;
	rmdir(l->cgroup);
	free(l->cgroup);
	l->cgroup = NULL;
	return false;
}

static void
limit_make(struct limit *l, pid_t supd)
{
	char text[24];

	*l = (struct limit){.supd = supd};
	if (!limit_make_cgroup(l, "/sys/fs/cgroup/pids") &&
		!limit_make_cgroup(l, "/sys/fs/cgroup")) {
		if (!geteuid())
			cr_skip_test("no cgroup of pids here, and no limit "
				     "of processes holds for root");
		return;
	}
	snprintf(text, sizeof(text), "%d", (int)supd);
	limit_write(l, "cgroup.procs", text);
}

/* 0: none but those that run. */
static void
limit_set(const struct limit *l, unsigned more)
{
	struct rlimit now;
	char text[24];

	snprintf(text, sizeof(text), "%u", 1 + more);
	if (l->cgroup) {
		limit_write(l, "pids.max", text);
		return;
	}
	cr_assert(!prlimit(l->supd, RLIMIT_NPROC, NULL, &now));
	now.rlim_cur = 1;
	cr_assert(!prlimit(l->supd, RLIMIT_NPROC, &now, NULL));
}

static void
limit_lift(const struct limit *l)
{
	struct rlimit now;

	if (l->cgroup) {
		limit_write(l, "pids.max", "max");
		return;
	}
	cr_assert(!prlimit(l->supd, RLIMIT_NPROC, NULL, &now));
	now.rlim_cur = now.rlim_max;
	cr_assert(!prlimit(l->supd, RLIMIT_NPROC, &now, NULL));
}

static void
limit_end(struct limit *l)
{
	if (l->cgroup)
		cr_expect(!rmdir(l->cgroup), "%s", l->cgroup);
	free(l->cgroup);
}

Test(shortage, of_processes_delays_a_crash_restart_and_fails_a_reload)
{
	static const char reason[] = "Resource temporarily unavailable";
	struct gateway_run *g = create();
	struct limit limit;
	struct ctl *c;
	size_t mark;
	int pid;

	run_start(g);
	limit_make(&limit, g->pid);
	mark = capture_length(&g->log);
	pid = http_pid(g->http, "/fault");
	limit_set(&limit, 0);
	c = ctl_expect(g, 1, "reload", "fault", NULL);
	cr_expect(strstr(ctl_text(c, "error"), reason), "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(http_pid(g->http, "/fault"), pid);
	mark = capture_length(&g->log);
	crash(g);
	expect_starved(g, "fault", mark, reason);
	limit_lift(&limit);
	expect_back(g, "fault");
	cr_expect_eq(ctl_status_number(g, "fault", "restarts"), 1);
	run_end(g);
	limit_end(&limit);
}

/* libnng needs some; a worker that cannot make them says so before it can say
 * hello. The child that syncs is awaited because a sanitizer needs a thread at
 * its end. */
static void
threads_are_lacking(unsigned threads)
{
	struct gateway_run *g = create();
	struct limit limit;
	size_t mark;

	run_start(g);
	limit_make(&limit, g->pid);
	if (!limit.cgroup)
		cr_skip_test("no cgroup of pids here");
	run_await_log(g, 0, "the state directory is synced");
	limit_set(&limit, 1 + threads);
	mark = capture_length(&g->log);
	crash(g);
	expect_starved(
		g, "fault", mark, "memory, descriptors or processes ran out");
	limit_lift(&limit);
	expect_back(g, "fault");
	run_end(g);
	limit_end(&limit);
}

Test(shortage, of_threads_delays_a_crash_restart)
{
	threads_are_lacking(0);
}

Test(shortage, of_some_threads_delays_a_crash_restart)
{
	threads_are_lacking(6);
}

Test(shortage, of_one_thread_delays_a_crash_restart)
{
	threads_are_lacking(8);
}
