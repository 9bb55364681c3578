/* polite: priorities only; it touches no file but the session's own weight. */
#include "worker/polite.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not 19: beside twenty busy sessions that is a thousandth of the machine, and
 * a stage has a deadline. */
#define POLITE_NICE 10
#define POLITE_NICE_TEXT "10"
#define SLICE_NS 400000

/* From Linux 6.12 on a process may ask for short slices: a process that wakes
 * up then waits at most that long for the processor, not the usual three
 * milliseconds. Much shorter ones would win against it: the kernel prefers the
 * earlier deadline, and that of a slice at nice 10 is nine slices away. Before,
 * the kernel ignores the wish. Laid out as in sched_setattr(2), which
 * glibc 2.36 lacks. */
static void
take_short_slices(int niceness)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime_ns, deadline_ns, period_ns;
	} attributes = {.size = sizeof(attributes),
		.policy = SCHED_BATCH,
		.nice = niceness,
		.runtime_ns = SLICE_NS};

	syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void
polite_now(void)
{
	int fd, niceness = getpriority(PRIO_PROCESS, 0);

	/* supd itself may have a lower priority than that */
	if (niceness < POLITE_NICE)
		niceness = POLITE_NICE;
	if (setpriority(PRIO_PROCESS, 0, niceness) < 0)
		errno = 0; /* as it was, then */
	take_short_slices(niceness);
	syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	/* where the kernel weighs sessions before processes */
	fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, POLITE_NICE_TEXT, strlen(POLITE_NICE_TEXT)) < 0)
		errno = 0;
	close(fd);
}
