/* usage: the memory and processor time of a process, by one read of /proc,
 * without its children. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct usage {
	uint64_t memory_bytes; /* resident */
	double cpu_seconds;    /* used since its start */
};

/* -1: there is no such process. */
int usage_read(struct usage *u, pid_t pid);
