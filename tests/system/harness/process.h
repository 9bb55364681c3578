/* process: what the kernel says of a process, for tests that watch its use of
 * memory and time. The test fails if there is no such process. */
#pragma once

#include <sys/types.h>

/* The number behind `key` ("VmRSS:") in /proc/PID/status. */
long process_status(pid_t pid, const char *key);
/* Pages that the process has written and shares with nobody. */
long process_dirty_kib(pid_t pid);
/* Under valgrind always 1: what it would tell is valgrind's own. */
long process_rss_kib(pid_t pid);
/* By how much memory may grow where the plain build may grow by `kib`. The
 * redzones and the quarantine of a sanitizer take more (see run_spawn()). */
long process_growth_max_kib(long kib);
/* The same of a worker, whose environment does not limit its quarantine. */
long process_worker_growth_max_kib(long kib);
