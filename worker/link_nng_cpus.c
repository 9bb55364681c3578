/* link_nng_cpus: nng before 1.7 makes its threads by the number of CPUs (88 on
 * 64 of them) and offers no setting. It asks sysconf(), which it finds in this
 * program first (exports.list) and which tells it of one CPU while it starts.
 * All else is answered by libc. */
#include "worker/link_nng_cpus.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_bool one_cpu;

void
link_nng_one_cpu(bool on)
{
	one_cpu = on;
}

__attribute__((visibility("default"))) long
sysconf(int name)
{
	static _Atomic(void *) libc;
	long (*ask)(int name);

	if (one_cpu && name == _SC_NPROCESSORS_ONLN)
		return 1;
	if (!libc)
		libc = dlsym(RTLD_NEXT, "sysconf");
	*(void **)&ask = libc;
	return ask(name);
}
