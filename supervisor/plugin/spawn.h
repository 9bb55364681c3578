/* spawn: one process from a program, as children of supd begin: a session of
 * its own, no descriptors but its stdin and two given ones, all signals at
 * their defaults. Watches nothing; child.h does. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "proto/util/error.h"

struct spawn_order {
	const char *const *argv; /* argv[0] is an absolute path */
	const char *const *env;
	const char *dir;    /* working directory, NULL: as supd's */
	const char *input;  /* path of its stdin, NULL: /dev/null */
	int output, errors; /* its stdout and stderr */
};

/* Keeps low descriptor numbers to hand over by. Called early it makes all
 * later spawns independent of how many descriptors are open. Never undone. */
void spawn_reserve(void);

/* The pid, which the caller reaps, or -1. */
pid_t spawn(const struct spawn_order *order, struct error *err);
