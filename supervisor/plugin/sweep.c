/* sweep: one sweep at a time; marks added during a sweep wait for the next. */
#include "supervisor/plugin/sweep.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/cgroup.h"
#include "supervisor/plugin/cgroup_own.h"
#include "supervisor/plugin/spawn.h"

#define SWEEP_WAIT_MS (LAUNCH_SWEEP_MS + 1000)
#define ARGUMENTS_BEFORE 4

static const char *const no_environment[] = {NULL};

static void
report(int code)
{
	if (code == LAUNCH_EXIT_SWEPT)
		log_info("ended processes that outlived their worker");
	else if (code == LAUNCH_EXIT_UNSWEPT)
		log_warn("processes that outlived their worker do not end");
	else if (code != LAUNCH_EXIT_DONE)
		log_warn("cannot search for processes that workers left");
}

/* Fills in the arguments before the marks; the rest is NULL. Returns their
 * number. */
static unsigned
begin_arguments(const struct sweeper *s, const char **argv)
{
	unsigned count = 0;

	argv[count++] = s->program;
	argv[count++] = LAUNCH_SWEEP;
	if (s->own) {
		argv[count++] = LAUNCH_SWEEP_CGROUPS;
		argv[count++] = s->own;
	}
	return count;
}

/* ---- blocking, before and after the loop ---- */

/* False: the child is stuck and is left alone. */
static bool
await_end(pid_t pid, int *status_out)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = {.fd = pidfd, .events = POLLIN};
	uint64_t until = clock_ms() + SWEEP_WAIT_MS, now;
	int done = pidfd < 0;

	while (!done && (now = clock_ms()) < until)
		done = poll(&ended, 1, (int)(until - now)) == 1;
	if (pidfd >= 0)
		close(pidfd);
	if (!done)
		kill(pid, SIGKILL);
	while (waitpid(pid, status_out, done ? 0 : WNOHANG) < 0 &&
		errno == EINTR)
		;
	return done;
}

static void
sweep_now(struct sweeper *s)
{
	char *mark = memory_format(LAUNCH_TREE "=%s-", s->mark);
	const char *argv[ARGUMENTS_BEFORE + 2] = {NULL};
	struct spawn_order order = {.argv = argv,
		.env = no_environment,
		.output = STDERR_FILENO,
		.errors = STDERR_FILENO};
	struct error err;
	int status = 0;
	pid_t pid;

	argv[begin_arguments(s, argv)] = mark;
	pid = spawn(&order, &err);
	if (pid < 0)
		log_warn("cannot search for processes that workers left: %s",
			err.text);
	else if (!await_end(pid, &status))
		log_warn("the search for processes that workers left takes "
			 "longer than %d ms: going on without",
			SWEEP_WAIT_MS);
	else
		report(WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	free(mark);
}

static void
open_mark(struct sweeper *s, const char *state_dir, bool *has_earlier_out)
{
	struct error err;
	enum sweep_mark_state state = sweep_mark_open(state_dir, s->mark, &err);

	if (state == SWEEP_MARK_UNKEPT)
		log_warn("processes of workers may outlive a crash of "
			 "supd: %s",
			err.text);
	if (state == SWEEP_MARK_LOST)
		log_warn("both copies of %s/tree-mark are damaged or missing: "
			 "processes of an earlier run cannot be found and "
			 "are not ended",
			state_dir);
	if (*s->mark && !sweep_mark_random(s->run, SWEEP_RUN_DIGITS))
		s->mark[0] = '\0';
	*has_earlier_out = *s->mark && (state == SWEEP_MARK_KNOWN ||
					       state == SWEEP_MARK_UNKEPT);
}

/* Once, at the start, after leftovers have been swept. */
static void
open_cgroup(struct sweeper *s, const struct error *why_not)
{
	struct error err = *why_not;

	if (s->own && cgroup_open(s->own, s->mark, &err) == 0) {
		log_info("workers' trees: cgroup.kill in %s/" LAUNCH_CGROUP
			 "%s",
			s->own, s->mark);
		return;
	}
	log_info("workers' trees: by their environment: %s", err.text);
	free(s->own);
	s->own = NULL;
}

void
sweeper_init(struct sweeper *s, struct children *children, const char *program,
	const char *state_dir, bool may_use_cgroups)
{
	struct cgroup_sources sources = cgroup_sources();
	struct error err = {.text = ""};
	bool has_earlier;

	*s = (struct sweeper){.children = children, .program = program};
	open_mark(s, state_dir, &has_earlier);
	if (*s->mark && may_use_cgroups)
		s->own = cgroup_own(&sources, &err);
	if (has_earlier)
		sweep_now(s);
	if (*s->mark && may_use_cgroups)
		open_cgroup(s, &err);
}

/* ---- from the loop ---- */

static void go_on(struct sweeper *s);

static void
on_output(struct child *c, enum child_stream stream, struct bytes bytes)
{
	(void)c, (void)stream, (void)bytes;
}

static void
on_end(struct child *c)
{
	struct sweeper *s = container_of(c, struct sweeper, child);
	char text[80];
	int code = -1;

	report(child_has_ended(c, text, sizeof(text), &code) ? code : -1);
	child_reap(c);
	s->is_running = false;
	go_on(s);
}

static void
go_on(struct sweeper *s)
{
	static const struct child_ops ops = {
		.on_output = on_output, .on_end = on_end};
	const char *argv[ARGUMENTS_BEFORE + SWEEP_MARKS_MAX + 1] = {NULL};
	struct child_start start = {.argv = argv, .env = no_environment};
	unsigned count = s->pending_count < SWEEP_MARKS_MAX ? s->pending_count
							    : SWEEP_MARKS_MAX;
	struct error err;
	unsigned before;

	if (s->is_running || !count)
		return;
	before = begin_arguments(s, argv);
	for (unsigned i = 0; i < count; i++)
		argv[before + i] = s->pending[i];
	s->is_running =
		child_start(&s->child, s->children, &start, &ops, &err) == 0;
	if (!s->is_running) { /* the marks wait for the next sweep */
		log_warn("cannot search for processes that a worker left: %s",
			err.text);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		free(s->pending[i]);
	s->pending_count -= count;
	memmove(s->pending, s->pending + count,
		s->pending_count * sizeof(*s->pending));
}

static void
warn_without_cgroup(struct sweeper *s, const char *reason)
{
	if (!s->has_warned)
		log_warn("a worker has no cgroup of its own; processes that it "
			 "starts are known only by their environment: %s",
			reason);
	s->has_warned = true;
}

int
sweeper_open_cgroup(struct sweeper *s, uint32_t worker)
{
	struct error err;
	int fd = s->own ? cgroup_add(s->own, s->mark, s->run, worker, &err) : 0;

	if (fd < 0)
		warn_without_cgroup(s, err.text);
	return fd > 0 ? fd : 0;
}

void
sweeper_close_cgroup(struct sweeper *s, int cgroup, int cgroup_error)
{
	if (!cgroup)
		return;
	close(cgroup);
	if (cgroup_error)
		warn_without_cgroup(s, strerror(cgroup_error));
}

char *
sweeper_mark(const struct sweeper *s, uint32_t worker)
{
	return *s->mark ? memory_format("%s-%s-%u", s->mark, s->run, worker)
			: NULL;
}

void
sweeper_add(struct sweeper *s, uint32_t worker)
{
	if (!*s->mark || s->pending_count == SWEEP_PENDING_MAX)
		return;
	s->pending = memory_resize(
		s->pending, (s->pending_count + 1) * sizeof(*s->pending));
	s->pending[s->pending_count++] =
		memory_format(LAUNCH_TREE "=%s-%s-%u", s->mark, s->run, worker);
	go_on(s);
}

void
sweeper_finish(struct sweeper *s)
{
	if (s->is_running)
		child_reap(&s->child);
	for (unsigned i = 0; i < s->pending_count; i++)
		free(s->pending[i]);
	free(s->pending);
	if (*s->mark)
		sweep_now(s);
	if (s->own) /* the sweep may be incomplete */
		cgroup_close(s->own, s->mark);
	free(s->own);
}
