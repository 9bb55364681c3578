/* probes: static tracepoints (USDT, provider supd) for bpftrace, perf and
 * systemtap: a no-op instruction in the code and a note in the program. Without
 * sys/sdt.h there are none. The arguments are numbers and pointers that are at
 * hand, so that a probe costs nothing while no tracer uses it. */
#pragma once

#include <supervisor/ops/usdt.h>

#if SUPD_USDT
#include <sys/sdt.h>
#else
#define DTRACE_PROBE2(...) ((void)0)
#define DTRACE_PROBE4(...) ((void)0)
#endif

/* An HTTP connection was accepted: descriptor, the client's address. */
#define PROBE_ACCEPT(fd, peer) DTRACE_PROBE2(supd, accept, fd, peer)
/* A request goes to a worker: its number, plugin, generation, and how often it
 * has been sent, this time included. */
#define PROBE_DISPATCH(id, plugin, generation, sends)                          \
	DTRACE_PROBE4(supd, dispatch, id, plugin, generation, sends)
/* Its answer came, or the head of one: number, plugin, generation, and whether
 * more of it follows. */
#define PROBE_REPLY(id, plugin, generation, goes_on)                           \
	DTRACE_PROBE4(supd, reply, id, plugin, generation, goes_on)
/* A plugin's routes lead to a new worker: plugin, its generation, its process,
 * and the generation before, 0: none. */
#define PROBE_SWAP(plugin, generation, pid, previous)                          \
	DTRACE_PROBE4(supd, swap, plugin, generation, pid, previous)
