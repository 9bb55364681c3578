/* cgroup: the cgroups of workers, by which all that a worker has started is
 * reached, whatever it made of its session, its environment or its user:
 *
 *   OWN/supd-MARK/RUN-N   OWN of cgroup_own.h, the rest as in sweep.h
 *
 * They are killed and removed by `sup-worker sweep`. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"

/* Makes OWN/supd-MARK and tests whether a process can begin below it. -1: it
 * cannot; nothing is left behind. */
int cgroup_open(const char *own, const char *mark, struct error *err);
/* Removes OWN/supd-MARK if it is empty, as it is after a sweep. */
void cgroup_close(const char *own, const char *mark);
/* Makes a worker's cgroup. Returns a descriptor of its folder to start the
 * worker with, which the caller closes, or -1. */
int cgroup_add(const char *own, const char *mark, const char *run,
	uint32_t worker, struct error *err);
