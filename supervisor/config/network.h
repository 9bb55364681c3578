/* network: an address with a prefix length: parsing and membership. Knows no
 * names and no socket. IPv4 is kept as ::ffff:0:0/96, so one comparison serves
 * both. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"

struct network {
	uint8_t address[16];
	uint8_t bits;	 /* length of the prefix */
	bool is_sockets; /* "unix": all clients of unix listeners */
};

/* Reads "192.0.2.0/24", "2001:db8::/32", a plain address, or "unix". -1:
 * something else, or bits set beyond the prefix. */
int network_read(struct network *n, const char *text, struct error *err);
/* address: IPv6, or IPv4 mapped into it. */
bool network_has(const struct network *n, const uint8_t address[16]);
