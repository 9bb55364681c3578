/* port_owner: finds the process that listens on a TCP port, for the error of a
 * listener that could not be opened. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Writes "process 4242 (nginx)". false: not found. */
bool port_owner_find(
	const struct sockaddr_storage *address, char *out, size_t size);
