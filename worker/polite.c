/* polite: priorities only; it touches no file but the session's own weight. */
#include "worker/polite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sys/syscall.h>
#include <unistd.h>

void
polite_now(void)
{
	int fd;

	if (nice(19) < 0)
		errno = 0; /* as it was, then */
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	/* where the kernel weighs sessions before processes */
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "19", 2) < 0)
		errno = 0;
	close(fd);
}
