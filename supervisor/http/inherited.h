/* inherited: sockets that a service manager opened before the start and passed
 * on: LISTEN_FDS and LISTEN_FDNAMES. They stay open as long as supd runs, so
 * that a listener can be taken away and come back. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"

struct inherited {
	int first; /* descriptor; the others follow it */
	uint32_t count;
	char **names;
};

/* Takes them over, if they are for this process, and clears the environment;
 * nobody who is started later gets them. */
void inherited_take(struct inherited *in);
void inherited_finish(struct inherited *in);
/* How many have the name. */
uint32_t inherited_count(const struct inherited *in, const char *name);
/* A descriptor of the caller's own for the which-th of that name: a stream
 * socket that listens. -1: there is none, or it is something else. */
int inherited_open(const struct inherited *in, const char *name, uint32_t which,
	struct error *err);
