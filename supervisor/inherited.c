#include "supervisor/inherited.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#define FDS_WITHOUT_CLOSE_RANGE 65536

void
inherited_keep(void)
{
	int null;

	do
		null = open("/dev/null", O_RDWR);
	while (null >= 0 && null <= STDERR_FILENO);
	if (null >= 0)
		close(null);
	if (!close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC))
		return;
	for (int fd = STDERR_FILENO + 1; fd < FDS_WITHOUT_CLOSE_RANGE; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}
