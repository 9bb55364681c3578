/* supd-store: the process that keeps the messages of channels. supd starts it,
 * with a socket as its standard output. It reads its arguments and nothing
 * else. */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "supervisor/channel/store/serve.h"

#define FILES_MAX 32

/* Where supd runs as root, its folder may belong to another user. */
static void
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct sets[2] = {{0}};

	if (syscall(SYS_capget, &header, sets) < 0)
		return;
	sets[0].permitted &= 1u << CAP_DAC_OVERRIDE;
	sets[0].effective = sets[0].permitted;
	sets[0].inheritable = sets[1].permitted = sets[1].effective =
		sets[1].inheritable = 0;
	syscall(SYS_capset, &header, sets);
}

/* With supd the process gets SIGTERM, which lets it commit what it has read. */
static void
drop_what_is_not_needed(void)
{
	const struct rlimit files = {FILES_MAX, FILES_MAX}, core = {0};

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &core);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* from a terminal: supd decides */
	umask(077);
	drop_capabilities();
}

/* Nothing that is printed by mistake may get into the socket. */
static int
take_socket(void)
{
	struct stat is;
	int fd;

	if (fstat(STDOUT_FILENO, &is) < 0 || !S_ISSOCK(is.st_mode))
		return -1;
	fd = dup3(STDOUT_FILENO, STDERR_FILENO + 1, O_CLOEXEC);
	dup2(STDIN_FILENO, STDOUT_FILENO);
	close_range((unsigned)fd + 1, ~0u, 0);
	return fd;
}

int
main(int argc, char **argv)
{
	int fd = argc == 2 ? take_socket() : -1;

	if (fd < 0) {
		fputs("usage: supd-store DATABASE\n"
		      "supd starts it, with a socket as its standard output; "
		      "see supd(8)\n",
			stderr);
		return 2;
	}
	drop_what_is_not_needed();
	return serve_run(fd, argv[1]);
}
