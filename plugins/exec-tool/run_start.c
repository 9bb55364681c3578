/* The beginning of a run: its input, its pipes, its process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "spawn.h"

/* All of it is there before the script begins, so nobody has to write. */
static int
run_input(struct sup_req *req)
{
	const char *args = sup_req_args_json(req);
	size_t left = strlen(args);
	int fd = memfd_create("arguments", MFD_CLOEXEC);

	while (fd >= 0 && left) {
		ssize_t n = write(fd, args, left);

		if (n < 0) {
			close(fd);
			return -1;
		}
		args += n;
		left -= (size_t)n;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static void
close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* fds: stdin; the two ends of stdout; those of stderr. -1 with errno. */
static int
run_open(struct sup_req *req, int fds[5])
{
	memset(fds, -1, 5 * sizeof(*fds));
	fds[0] = run_input(req);
	if (fds[0] >= 0 && !pipe2(fds + 1, O_CLOEXEC) &&
		!pipe2(fds + 3, O_CLOEXEC)) {
		fcntl(fds[1], F_SETFL, O_NONBLOCK);
		fcntl(fds[3], F_SETFL, O_NONBLOCK);
		return 0;
	}
	close_all(fds, 5);
	return -1;
}

static int
run_begin(struct run *r)
{
	int fds[5], pidfd;

	if (run_open(r->req, fds))
		return -1;
	r->pid = spawn(r->tool->command, r->tool->environment,
		(const int[]){fds[0], fds[2], fds[4]});
	close(fds[0]);
	close(fds[2]);
	close(fds[4]);
	pidfd = r->pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, r->pid, 0);
	if (pidfd < 0) {
		int why = errno;

		if (r->pid > 0) {
			kill(-r->pid, SIGKILL);
			waitpid(r->pid, NULL, 0);
		}
		close(fds[1]);
		close(fds[3]);
		errno = why;
		return -1;
	}
	run_watch(r, fds[1], fds[3], pidfd);
	return 0;
}

int
run_start(struct sup_req *req, struct tools *tools, struct tool *tool)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	r->plugin = sup_req_plugin(req);
	r->req = req;
	r->tools = tools;
	r->tool = tool;
	if (!run_begin(r))
		return 0;
	free(r);
	return -1;
}
