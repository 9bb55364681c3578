/* port_owner: which process listens on a TCP port, as far as /proc tells us:
 * only asked when a listener could not be opened. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* "process 4242 (nginx)". false: it cannot be told. */
bool port_owner_find(
	const struct sockaddr_storage *address, char *out, size_t size);
