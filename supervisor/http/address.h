/* address: where a client is, as numbers and as text. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/bytes.h"

#define ADDRESS_TEXT_BYTES 64

struct address {
	bool is_known;	   /* false: it came through a unix socket */
	uint8_t bytes[16]; /* IPv6; IPv4 mapped into it */
	uint16_t port;	   /* 0: not known */
};

/* "192.0.2.1", "192.0.2.1:42", "2001:db8::1", "[2001:db8::1]:42"; false, and
 * is_known false, for anything else. */
bool address_read(struct address *a, struct bytes text);
void address_set_v4(struct address *a, const uint8_t bytes[4], uint16_t port);
/* "192.0.2.1:42", "[2001:db8::1]:42"; without a port "192.0.2.1",
 * "2001:db8::1"; "unix" if it is not known. Its length. */
size_t address_write(
	const struct address *a, bool with_port, char out[ADDRESS_TEXT_BYTES]);
