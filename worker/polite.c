/* polite: priorities only; it touches no file but the session's own weight. */
#include "worker/polite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From Linux 6.12 on a process may ask for short slices: who wakes up waits a
 * tenth of a millisecond for the processor, not the usual three. Before, the
 * kernel ignores it. Laid out as in sched_setattr(2), which glibc 2.36 lacks.
 */
static void
take_short_slices(void)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime_ns, deadline_ns, period_ns;
	} attributes = {.size = sizeof(attributes),
		.policy = SCHED_BATCH,
		.nice = 19,
		.runtime_ns = 100000};

	syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void
polite_now(void)
{
	int fd;

	if (nice(19) < 0)
		errno = 0; /* as it was, then */
	take_short_slices();
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
