/* address: a client's address, as numbers and as text. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define ADDRESS_TEXT_BYTES 64

struct address {
	bool is_known;	   /* false: the client used a unix socket */
	uint8_t bytes[16]; /* IPv6; IPv4 mapped into it */
	uint16_t port;	   /* 0: unknown */
};

/* Reads "192.0.2.1", "192.0.2.1:42", "2001:db8::1" or "[2001:db8::1]:42".
 * False, and is_known false, for anything else. */
bool address_read(struct address *a, struct bytes text);
void address_set_v4(struct address *a, const uint8_t bytes[4], uint16_t port);
/* Writes "192.0.2.1:42" or "[2001:db8::1]:42", without a port "192.0.2.1" or
 * "2001:db8::1", and "unix" for an unknown address. Returns the length. */
size_t address_write(
	const struct address *a, bool with_port, char out[ADDRESS_TEXT_BYTES]);
