/* process: what the kernel says of a process, for tests that watch its use of
 * memory and time. The test fails if there is no such process. */
#pragma once

#include <sys/types.h>

/* The number behind `key` ("VmRSS:") in /proc/PID/status. */
long process_status(pid_t pid, const char *key);
long process_rss_kib(pid_t pid);
