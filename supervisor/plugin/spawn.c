/* spawn: posix_spawn copies the table of descriptors, so with four of them per
 * worker a spawn among a thousand workers took 2 ms instead of 0.8 (measured).
 * Therefore the child shares the table until close_range() gives it one that
 * has the few lowest only: what it needs is put there before. Where that is
 * not possible posix_spawn does it. */
#include "supervisor/plugin/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0 /* it knows no such clone() */
#endif

#include "proto/util/memory.h"
#include "supervisor/plugin/spawn_clone.h"

#define STACK_BYTES ((size_t)64 * 1024)

/* Descriptors kept open on /dev/null: one for stdin, and two that are replaced
 * by the child's stdout and stderr during a spawn. */
enum reserve { RESERVE_IDLE, RESERVE_OUTPUT, RESERVE_ERRORS, RESERVE_COUNT };
static int reserved[RESERVE_COUNT] = {-1, -1, -1};

void
spawn_reserve(void)
{
	int null;

	if (reserved[RESERVE_ERRORS] >= 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (unsigned i = 0; i < RESERVE_COUNT; i++)
		if (reserved[i] < 0)
			reserved[i] =
				fcntl(null, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (null >= 0)
		close(null);
}

static const char *
program_of(const struct spawn_order *order)
{
	return order->program ? order->program : order->argv[0];
}

static char *const *
as_argv(const char *const *texts)
{
	union {
		const char *const *in;
		char *const *out;
	} cast = {.in = texts}; /* exec does not write to the strings */

	return cast.out;
}

/* ---- sharing the table of descriptors ---- */

/* Lies in memory that parent and child share until the exec. */
struct launch {
	const struct spawn_order
		*order; /* NULL: the child ends at once (a test) */
	unsigned first; /* first descriptor that the child must not have */
	bool shared;	/* the table of descriptors is still shared */
	int error;
};

static void
reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
}

/* Runs on borrowed memory while the parent stands still: system calls only. */
__attribute__((no_sanitize_address)) static int
child_main(void *user)
{
	struct launch *l = user;
	const struct spawn_order *order = l->order;
	sigset_t none;

	if (!order)
		_exit(0);
	if (close_range(l->first, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		goto failed;
	l->shared = false;
	setsid();
	if (dup2(reserved[RESERVE_IDLE], STDIN_FILENO) < 0 ||
		dup2(reserved[RESERVE_OUTPUT], STDOUT_FILENO) < 0 ||
		dup2(reserved[RESERVE_ERRORS], STDERR_FILENO) < 0 ||
		(order->dir && chdir(order->dir) < 0))
		goto failed;
	reset_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(program_of(order), as_argv(order->argv), as_argv(order->env));
failed:
	l->error = errno;
	_exit(127);
}

/* -1: errno says why. */
static pid_t
clone_child(struct launch *l, int cgroup)
{
	const int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
	char *stack = memory_alloc(STACK_BYTES);
	sigset_t all, before;
	pid_t pid;
	int error;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all,
		&before); /* no handler may run in the child */
	pid = cgroup ? spawn_clone_into(cgroup, (unsigned)flags, stack,
			       STACK_BYTES, child_main, l)
		     : clone(child_main, stack + STACK_BYTES, flags | SIGCHLD,
			       l);
	error = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(stack);
	errno = error;
	return pid;
}

/* Starts the child in the cgroup, or if that fails in supd's. */
static pid_t
clone_into_cgroup(struct launch *l)
{
	const struct spawn_order *order = l->order;
	pid_t pid;

	if (!order->cgroup)
		return clone_child(l, 0);
	pid = clone_child(l, order->cgroup);
	*order->cgroup_error_out = pid < 0 ? errno : 0;
	return pid < 0 ? clone_child(l, 0) : pid;
}

static unsigned
first_beyond_reserve(void)
{
	int last = reserved[RESERVE_IDLE];

	for (unsigned i = 1; i < RESERVE_COUNT; i++)
		if (reserved[i] > last)
			last = reserved[i];
	return (unsigned)last + 1;
}

/* -1 with *error_out: the program cannot be run. 0: this method does not work
 * here. */
static pid_t
spawn_sharing(const struct spawn_order *order, int *error_out)
{
	struct launch l = {.order = order, .shared = true};
	pid_t pid;

	spawn_reserve();
	if (reserved[RESERVE_ERRORS] < 0 || RUNNING_ON_VALGRIND)
		return 0;
	l.first = first_beyond_reserve();
	if (dup3(order->output, reserved[RESERVE_OUTPUT], O_CLOEXEC) < 0 ||
		dup3(order->errors, reserved[RESERVE_ERRORS], O_CLOEXEC) < 0)
		return 0;
	pid = clone_into_cgroup(&l);
	dup3(reserved[RESERVE_IDLE], reserved[RESERVE_OUTPUT], O_CLOEXEC);
	dup3(reserved[RESERVE_IDLE], reserved[RESERVE_ERRORS], O_CLOEXEC);
	if (pid < 0)
		return 0;
	if (!l.error)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*error_out = l.error;
	return l.shared ? 0 : -1;
}

/* ---- posix_spawn ---- */

/* These fail only if memory runs out. */
static int
prepare_files(
	posix_spawn_file_actions_t *files, const struct spawn_order *order)
{
	int failed = posix_spawn_file_actions_addopen(files, STDIN_FILENO,
		order->input ? order->input : "/dev/null", O_RDONLY, 0);

	if (!failed)
		failed = posix_spawn_file_actions_adddup2(
			files, order->output, STDOUT_FILENO);
	if (!failed)
		failed = posix_spawn_file_actions_adddup2(
			files, order->errors, STDERR_FILENO);
	if (!failed)
		failed = posix_spawn_file_actions_addclosefrom_np(
			files, STDERR_FILENO + 1);
	if (!failed && order->dir)
		failed =
			posix_spawn_file_actions_addchdir_np(files, order->dir);
	return failed;
}

static void
prepare_signals(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF |
						     POSIX_SPAWN_SETSIGMASK |
						     POSIX_SPAWN_SETSID);
}

static pid_t
spawn_plainly(const struct spawn_order *order, int *error_out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	prepare_signals(&attributes);
	*error_out = prepare_files(&files, order);
	if (!*error_out)
		*error_out = posix_spawn(&pid, program_of(order), &files,
			&attributes, as_argv(order->argv), as_argv(order->env));
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return *error_out ? -1 : pid;
}

pid_t
spawn(const struct spawn_order *order, struct error *err)
{
	int error = 0;
	pid_t pid;

	if (order->cgroup)
		*order->cgroup_error_out = ENOSYS; /* until it is there */
	pid = order->input ? 0 : spawn_sharing(order, &error);
	if (!pid)
		pid = spawn_plainly(order, &error);
	if (pid < 0)
		return error_set_errno(err, error, "cannot start %s in %s",
			program_of(order), order->dir ? order->dir : ".");
	return pid;
}

int
spawn_try_cgroup(int folder)
{
	struct launch l = {0};
	pid_t pid = RUNNING_ON_VALGRIND ? 0 : clone_child(&l, folder);

	if (pid <= 0)
		return pid ? errno : ENOSYS;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}
