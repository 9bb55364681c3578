/* launch: the first steps of a worker process and the exec of a program. It
 * opens nothing and leaves nothing behind but what the kernel keeps of it. */
#include "worker/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proto/launch.h"

static void
launch_reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		if (signal != SIGKILL && signal != SIGSTOP)
			sigaction(signal, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The parent may have died before the kernel was told to watch it. */
static void
launch_follow_parent(void)
{
	const char *parent = getenv(LAUNCH_PARENT);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (parent && getppid() != (pid_t)strtol(parent, NULL, 10))
		_exit(LAUNCH_EXIT_ORPHAN);
	unsetenv(LAUNCH_PARENT);
}

int
launch_prepare(struct error *err)
{
	static const char *const required[] = {
		LAUNCH_SOCKET, LAUNCH_PLUGIN, LAUNCH_GENERATION, LAUNCH_NONCE};

	launch_reset_signals();
	launch_follow_parent();
	setsid(); /* fails only where it is one already */
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (!getenv(required[i]))
			return error_set(err, "%s is not set", required[i]);
	return 0;
}

int
launch_exec(char **argv, struct error *err)
{
	unsetenv(LAUNCH_LINK);
	execvp(argv[0], argv);
	return error_set(err, "cannot run %s: %s", argv[0], strerror(errno));
}
