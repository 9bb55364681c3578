/* inherited: sockets that a service manager opened before the start and passed
 * on: LISTEN_FDS and LISTEN_FDNAMES. They stay open as long as supd runs, so
 * that a listener can be removed and added again. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"

struct inherited {
	int first; /* first descriptor; the others follow it */
	uint32_t count;
	char **names;
};

/* Takes over the sockets, if they are for this process, and clears the
 * environment, so that no child gets them. */
void inherited_take(struct inherited *in);
void inherited_finish(struct inherited *in);
/* The number of sockets with the name. */
uint32_t inherited_count(const struct inherited *in, const char *name);
/* Duplicates the which-th socket of that name. -1: there is none, or it is not
 * a listening stream socket. */
int inherited_open(const struct inherited *in, const char *name, uint32_t which,
	struct error *err);
