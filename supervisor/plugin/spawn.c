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

#define STACK_BYTES ((size_t)64 * 1024)

/* /dev/null, and the two places by which descriptors are handed over; they
 * mean /dev/null between spawns. */
enum place { PLACE_IDLE, PLACE_OUTPUT, PLACE_ERRORS, PLACE_COUNT };
static int places[PLACE_COUNT] = {-1, -1, -1};

void
spawn_reserve(void)
{
	int null;

	if (places[PLACE_ERRORS] >= 0)
		return;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (unsigned i = 0; i < PLACE_COUNT; i++)
		if (places[i] < 0)
			places[i] =
				fcntl(null, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (null >= 0)
		close(null);
}

static char *const *
as_argv(const char *const *texts)
{
	union {
		const char *const *in;
		char *const *out;
	} cast = {.in = texts}; /* exec does not write them */

	return cast.out;
}

/* ---- the quick way ---- */

/* Lies in memory that parent and child share until the exec. */
struct launch {
	const struct spawn_order *order;
	unsigned first; /* of the descriptors that are not handed over */
	bool shared;	/* the table of descriptors still is */
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

	if (close_range(l->first, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		goto failed;
	l->shared = false;
	setsid();
	if (dup2(places[PLACE_IDLE], STDIN_FILENO) < 0 ||
		dup2(places[PLACE_OUTPUT], STDOUT_FILENO) < 0 ||
		dup2(places[PLACE_ERRORS], STDERR_FILENO) < 0 ||
		(order->dir && chdir(order->dir) < 0))
		goto failed;
	reset_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(order->argv[0], as_argv(order->argv), as_argv(order->env));
failed:
	l->error = errno;
	_exit(127);
}

static pid_t
clone_child(struct launch *l)
{
	void *stack = memory_alloc(STACK_BYTES);
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* no handler runs in it */
	pid = clone(child_main, (char *)stack + STACK_BYTES,
		CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, l);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(stack);
	return pid;
}

static unsigned
first_beyond_places(void)
{
	int last = places[PLACE_IDLE];

	for (unsigned i = 1; i < PLACE_COUNT; i++)
		if (places[i] > last)
			last = places[i];
	return (unsigned)last + 1;
}

/* -1 with *error_out: the program cannot be run; 0: this way is closed. */
static pid_t
spawn_sharing(const struct spawn_order *order, int *error_out)
{
	struct launch l = {.order = order, .shared = true};
	pid_t pid;

	spawn_reserve();
	if (places[PLACE_ERRORS] < 0 || RUNNING_ON_VALGRIND)
		return 0;
	l.first = first_beyond_places();
	if (dup3(order->output, places[PLACE_OUTPUT], O_CLOEXEC) < 0 ||
		dup3(order->errors, places[PLACE_ERRORS], O_CLOEXEC) < 0)
		return 0;
	pid = clone_child(&l);
	dup3(places[PLACE_IDLE], places[PLACE_OUTPUT], O_CLOEXEC);
	dup3(places[PLACE_IDLE], places[PLACE_ERRORS], O_CLOEXEC);
	if (pid < 0)
		return 0;
	if (!l.error)
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*error_out = l.error;
	return l.shared ? 0 : -1;
}

/* ---- the plain way ---- */

/* All of these fail for want of memory only. */
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
		*error_out = posix_spawn(&pid, order->argv[0], &files,
			&attributes, as_argv(order->argv), as_argv(order->env));
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return *error_out ? -1 : pid;
}

pid_t
spawn(const struct spawn_order *order, struct error *err)
{
	int error = 0;
	pid_t pid = order->input ? 0 : spawn_sharing(order, &error);

	if (!pid)
		pid = spawn_plainly(order, &error);
	if (pid < 0)
		return error_set(err, "cannot start %s in %s: %s",
			order->argv[0], order->dir ? order->dir : ".",
			strerror(error));
	return pid;
}
