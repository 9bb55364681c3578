/* spawn: starts a program in a new session, with no descriptors but stdin and
 * two given ones, and all signals at their defaults. It watches nothing;
 * child.h does. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "proto/util/error.h"

struct spawn_order {
	const char *program;	 /* absolute path; NULL: argv[0] is that */
	const char *const *argv; /* argv[0]: what `ps` shows */
	const char *const *env;
	const char *dir;       /* working directory; NULL: that of supd */
	const char *input;     /* path of its stdin, NULL: /dev/null */
	int output, errors;    /* its stdout and stderr */
	int cgroup;	       /* folder of its cgroup; 0: supd's */
	int *cgroup_error_out; /* errno if it began in supd's cgroup instead */
};

/* Reserves low descriptor numbers, so that the cost of later spawns does not
 * grow with the number of open descriptors. Call it early; it is never undone.
 */
void spawn_reserve(void);

/* The pid, which the caller reaps, or -1. */
pid_t spawn(const struct spawn_order *order, struct error *err);

/* Whether a process can begin in the cgroup of that folder: 0, or an errno. */
int spawn_try_cgroup(int folder);
