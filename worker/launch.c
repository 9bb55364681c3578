/* launch: the first steps of a worker process and the exec of a program. It
 * opens nothing and leaves nothing behind but what the kernel keeps of it. */
#include "worker/launch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proto/launch.h"
#include "worker/sup/shebang.h"

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

/* The parent may have died before prctl() took effect. */
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

/* Puts the folder of an SDK behind what the plugin itself says. */
static void
launch_add_path(const char *name, const char *folder)
{
	const char *own = getenv(name);
	char path[2 * PATH_MAX];
	int length = snprintf(path, sizeof(path), "%s%s%s", own ? own : "",
		own && *own ? ":" : "", folder);

	if (length > 0 && (size_t)length < sizeof(path))
		setenv(name, path, 1);
}

/* The SDKs of other languages are beside sup-worker in a build, and where
 * SUPD_SDK_DIR leads from there when it is installed, so that an installed
 * tree can be moved. */
static void
launch_find_sdk(const char *name, const char *language)
{
	static const char *const dirs[] = {".", SUPD_SDK_DIR};
	char self[PATH_MAX], dir[2 * PATH_MAX], folder[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (size < 0)
		return;
	self[size] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		bool absolute = dirs[i][0] == '/';

		snprintf(dir, sizeof(dir), "%s%s%s/%s", absolute ? "" : self,
			absolute ? "" : "/", dirs[i], language);
		if (!realpath(dir, folder))
			continue;
		launch_add_path(name, folder);
		return;
	}
}

int
launch_exec(char **argv, struct error *err)
{
	const char *defect;
	char room[400];
	int error;

	unsetenv(LAUNCH_LINK);
	launch_find_sdk("PYTHONPATH", "python");
	launch_find_sdk("NODE_PATH", "node");
	execvp(argv[0], argv);
	error = errno;
	defect = error == ENOENT || error == EACCES
			 ? shebang_defect(argv[0], room, sizeof(room))
			 : NULL;
	if (defect)
		return error_set(err, "cannot run %s: %s", argv[0], defect);
	return error_set_errno(err, error, "cannot run %s", argv[0]);
}
