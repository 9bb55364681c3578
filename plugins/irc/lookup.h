/* lookup: the addresses of a host, by a thread, so that nobody waits for a name
 * server. */
#pragma once

#include <netdb.h>

struct sup;
struct lookup;

/* list: the receiver's, freed with freeaddrinfo(); NULL: error says why. */
typedef void lookup_done(struct addrinfo *list, const char *error, void *user);

/* Calls `done` later, once. NULL: it could not begin, because too many have not
 * ended, or there is no memory; `done` is not called. */
struct lookup *lookup_start(struct sup *p, const char *host, const char *port,
	lookup_done *done, void *user);
/* `done` will not be called; the thread goes on until the name servers have
 * answered. NULL is allowed. */
void lookup_cancel(struct lookup *l);
/* The address, if the host is one; else NULL. */
struct addrinfo *lookup_number(const char *host, const char *port);
