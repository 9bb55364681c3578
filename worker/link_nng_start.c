/* link_nng_start: nng before 1.7 makes its threads by the number of CPUs (88 on
 * 64 of them), names each through a file of /proc, and offers no setting. The
 * names cost a start 0.1 ms, and supd four times that when it reaps, because
 * the kernel then looks for all that is cached of that part of /proc. Where a
 * thread cannot be made it crashes or hangs, so the process ends there instead
 * and says why. nng asks for these functions in this program first
 * (exports.list). All else is answered by libc. */
#include "worker/link_nng_start.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "proto/launch.h"
#include "worker/host.h"

static atomic_bool starts;

void
link_nng_starts(bool on)
{
	starts = on;
}

__attribute__((visibility("default"))) long
sysconf(int name)
{
	static _Atomic(void *) libc;
	long (*ask)(int name);

	if (starts && name == _SC_NPROCESSORS_ONLN)
		return 1;
	if (!libc)
		libc = dlsym(RTLD_NEXT, "sysconf");
	*(void **)&ask = libc;
	return ask(name);
}

__attribute__((visibility("default"))) int
pthread_setname_np(pthread_t thread, const char *name)
{
	static _Atomic(void *) libc;
	int (*set)(pthread_t thread, const char *name);

	if (starts)
		return 0;
	if (!libc)
		libc = dlsym(RTLD_NEXT, "pthread_setname_np");
	*(void **)&set = libc;
	return set(thread, name);
}

__attribute__((visibility("default"))) int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
	void *(*run)(void *user), void *user)
{
	static _Atomic(void *) libc;
	int (*create)(pthread_t * thread, const pthread_attr_t *attributes,
		void *(*run)(void *user), void *user);
	int failed;

	if (!libc)
		libc = dlsym(RTLD_NEXT, "pthread_create");
	*(void **)&create = libc;
	failed = create(thread, attributes, run, user);
	if (failed && starts) {
		host_say("cannot create a thread: %s", strerror(failed));
		_exit(LAUNCH_EXIT_SHORT);
	}
	return failed;
}
