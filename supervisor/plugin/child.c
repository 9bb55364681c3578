/* child: spawns, watches by pidfd and reaps. It waits only for its own pids, so
 * other children of the process are left alone. */
#include "supervisor/plugin/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/list.h"
#include "supervisor/plugin/spawn.h"

#define REST_BYTES_MAX (1024 * 1024)

static char read_buffer[CHILD_READ_BYTES]; /* one loop, one thread */

static void
pipe_close(struct child_pipe *p)
{
	if (p->fd < 0)
		return;
	ev_io_stop(p->child->loop, &p->readable);
	close(p->fd);
	p->fd = -1;
}

/* Passes on one piece; false: no data now, or EOF. */
static bool
pipe_read(struct child_pipe *p, size_t *read_out)
{
	struct child *c = p->child;
	ssize_t length = read(p->fd, read_buffer, sizeof(read_buffer));

	*read_out = length > 0 ? (size_t)length : 0;
	if (length > 0) {
		c->ops->on_output(c, (enum child_stream)(p - c->pipes),
			(struct bytes){read_buffer, (size_t)length});
		return true;
	}
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	pipe_close(p);
	return false;
}

static void
pipe_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	size_t length;

	(void)loop;
	(void)events;
	pipe_read(container_of(watcher, struct child_pipe, readable), &length);
}

static void
child_ended(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct child *c = container_of(watcher, struct child, ended);

	(void)events;
	ev_io_stop(loop, watcher);
	c->ops->on_end(c);
}

static void
limit_files(const struct child *c, uint64_t nofile)
{
	struct rlimit limit;

	if (!nofile || prlimit(c->pid, RLIMIT_NOFILE, NULL, &limit) < 0)
		return;
	if (nofile < limit.rlim_max)
		limit.rlim_cur = nofile;
	prlimit(c->pid, RLIMIT_NOFILE, &limit, NULL);
}

static int
open_pipes(struct child *c, const struct child_start *start,
	int ends[CHILD_STREAMS], struct error *err)
{
	for (unsigned i = 0; i < CHILD_STREAMS; i++) {
		int both[2];

		if (i == CHILD_STDOUT && start->output)
			continue;
		if (pipe2(both, O_CLOEXEC) < 0)
			return error_set_errno(
				err, errno, "cannot make a pipe");
		fcntl(both[0], F_SETFL, O_NONBLOCK);
		c->pipes[i].fd = both[0];
		c->pipes[i].child = c;
		ev_io_init(
			&c->pipes[i].readable, pipe_readable, both[0], EV_READ);
		ends[i] = both[1];
	}
	return 0;
}

bool
children_have(const struct children *all, pid_t pid)
{
	list_for_each (node, &all->list)
		if (container_of(node, struct child, node)->pid == pid)
			return true;
	return false;
}

/* Starts from the beginning each time, because the callback may reap this child
 * and others. */
static struct child *
find_ended(const struct children *all)
{
	char text[80];
	int code;

	list_for_each (node, &all->list) {
		struct child *c = container_of(node, struct child, node);

		if (c->pidfd < 0 && !c->reported &&
			child_has_ended(c, text, sizeof(text), &code))
			return c;
	}
	return NULL;
}

static void
one_ended(struct ev_loop *loop, ev_signal *watcher, int events)
{
	struct children *all = container_of(watcher, struct children, ended);
	struct child *c;

	(void)loop, (void)events;
	while ((c = find_ended(all))) {
		c->reported = true;
		c->ops->on_end(c);
	}
}

void
children_init(struct children *all, struct ev_loop *loop)
{
	all->loop = loop;
	list_init(&all->list);
	ev_signal_init(&all->ended, one_ended, SIGCHLD);
}

void
children_finish(struct children *all)
{
	if (!ev_is_active(&all->ended))
		return;
	ev_ref(all->loop);
	ev_signal_stop(all->loop, &all->ended);
}

static int
watch(struct child *c, struct children *all, struct error *err)
{
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd >= 0) {
		ev_io_init(&c->ended, child_ended, c->pidfd, EV_READ);
		ev_io_start(c->loop, &c->ended);
		return 0;
	}
	if (errno != ENOSYS && errno != EPERM)
		return error_set_errno(err, errno, "cannot watch a process");
	if (!ev_is_active(&all->ended)) {
		ev_signal_start(all->loop, &all->ended);
		ev_unref(all->loop);
	}
	/* the child may have ended before the watcher was started */
	ev_feed_signal_event(all->loop, SIGCHLD);
	return 0;
}

int
child_start(struct child *c, struct children *all,
	const struct child_start *start, const struct child_ops *ops,
	struct error *err)
{
	int ends[CHILD_STREAMS] = {-1, -1}, failed;
	pid_t pid;
	struct spawn_order order = {.program = start->program,
		.argv = start->argv,
		.env = start->env,
		.dir = start->dir,
		.input = start->input,
		.cgroup = start->cgroup,
		.cgroup_error_out = &c->cgroup_error};

	*c = (struct child){.loop = all->loop, .ops = ops, .pidfd = -1};
	list_init(&c->node);
	c->pipes[CHILD_STDOUT].fd = c->pipes[CHILD_STDERR].fd = -1;
	failed = open_pipes(c, start, ends, err);
	if (!failed) {
		order.output =
			start->output ? start->output : ends[CHILD_STDOUT];
		order.errors = ends[CHILD_STDERR];
		pid = spawn(&order, err);
		failed = pid < 0;
		c->pid = failed ? 0 : pid;
	}
	for (unsigned i = 0; i < CHILD_STREAMS; i++)
		if (ends[i] >= 0)
			close(ends[i]);
	if (!failed)
		failed = watch(c, all, err);
	if (failed) {
		child_kill_group(c);
		child_reap(c);
		return -1;
	}
	limit_files(c, start->nofile);
	list_append(&all->list, &c->node);
	for (unsigned i = 0; i < CHILD_STREAMS; i++)
		if (c->pipes[i].child)
			ev_io_start(c->loop, &c->pipes[i].readable);
	return 0;
}

/* Only child_reap() reaps the process, so its pid and group cannot belong to
 * another. */
void
child_signal(struct child *c, int signal)
{
	if (c->pid)
		kill(c->pid, signal);
}

void
child_kill_group(struct child *c)
{
	if (c->pid)
		kill(-c->pid, SIGKILL);
}

bool
child_has_ended(
	const struct child *c, char *text_out, size_t text_size, int *code_out)
{
	siginfo_t info = {0};

	if (!c->pid ||
		waitid(P_PID, (id_t)c->pid, &info,
			WEXITED | WNOWAIT | WNOHANG) < 0 ||
		!info.si_pid)
		return false;
	*code_out =
		info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
	if (info.si_code == CLD_EXITED)
		snprintf(text_out, text_size, "exit status %d", info.si_status);
	else
		snprintf(text_out, text_size, "killed by signal %d (%s)%s",
			info.si_status, strsignal(info.si_status),
			info.si_code == CLD_DUMPED ? ", core dumped" : "");
	return true;
}

void
child_read_rest(struct child *c)
{
	for (unsigned i = 0; i < CHILD_STREAMS; i++) {
		size_t length, total = 0;

		while (c->pipes[i].fd >= 0 && total < REST_BYTES_MAX &&
			pipe_read(&c->pipes[i], &length))
			total += length;
	}
}

static void
close_all(struct child *c)
{
	for (unsigned i = 0; i < CHILD_STREAMS; i++)
		if (c->pipes[i].child)
			pipe_close(&c->pipes[i]);
	if (c->pidfd >= 0) {
		ev_io_stop(c->loop, &c->ended);
		close(c->pidfd);
		c->pidfd = -1;
	}
}

void
child_reap(struct child *c)
{
	siginfo_t info;

	if (!c->ops)
		return;
	if (c->pid) {
		child_kill_group(c);
		while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) < 0 &&
			errno == EINTR)
			;
		c->pid = 0;
		list_remove(&c->node);
	}
	close_all(c);
}

bool
child_reap_within(struct child *c, int limit_ms)
{
	struct pollfd end = {.fd = c->pidfd, .events = POLLIN};
	int ended = 1;

	if (c->ops && c->pid && c->pidfd >= 0) {
		child_kill_group(c);
		while ((ended = poll(&end, 1, limit_ms)) < 0 && errno == EINTR)
			;
	}
	if (ended) {
		child_reap(c);
		return true;
	}
	c->pid = 0;
	list_remove(&c->node);
	close_all(c);
	return false;
}
