/* spawn: as posix_spawn() does it, with one thing that it cannot: the child
 * dies with the worker, so that a killed worker leaves no script behind. The
 * child borrows this process's memory until it is another program: it makes
 * system calls and touches nothing else. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FREE_FD 3

static _Noreturn void
become(char *const *command, char *const *environment, const int fds[3],
	pid_t worker, volatile int *errno_out)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;
	int high[3];

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &standard, NULL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != worker)
		_exit(127);
	/* first out of the way of 0, 1 and 2, then there */
	for (int i = 0; i < 3; i++)
		high[i] = fcntl(fds[i], F_DUPFD, FIRST_FREE_FD);
	for (int i = 0; i < 3; i++)
		dup2(high[i], i);
	syscall(SYS_close_range, FIRST_FREE_FD, ~0U, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvpe(command[0], command, environment);
	*errno_out = errno;
	_exit(127);
}

pid_t
spawn(char *const *command, char *const *environment, const int fds[3])
{
	volatile int failed = 0;
	pid_t worker = getpid(), pid;
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before); /* no handler of ours there */
	pid = vfork();
	if (!pid)
		become(command, environment, fds, worker, &failed);
	if (pid < 0)
		failed = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		return pid;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	errno = failed;
	return -1;
}
