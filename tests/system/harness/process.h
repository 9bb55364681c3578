/* process: what the kernel says of a process, for tests that watch its use of
 * memory and time. The test fails if there is no such process. */
#pragma once

#include <sys/types.h>

/* The number behind `key` ("VmRSS:") in /proc/PID/status. */
long process_status(pid_t pid, const char *key);
/* Under valgrind always 1: what it would tell is valgrind's own. */
long process_rss_kib(pid_t pid);
