/* network: reads strictly: an ambiguous network is refused, and the error
 * suggests the one that was probably meant. */
#include "supervisor/config/network.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 /* before an IPv4 address */

static bool
read_address(struct network *n, const char *text, bool *is_v4)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	*is_v4 = !strchr(text, ':');
	if (!*is_v4)
		return inet_pton(AF_INET6, text, n->address) == 1;
	memcpy(n->address, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, n->address + 12) == 1;
}

static bool
read_bits(const char *text, unsigned most, unsigned *bits_out)
{
	size_t length = strlen(text);

	if (!length || length > 3 || strspn(text, "0123456789") != length)
		return false;
	*bits_out = (unsigned)atoi(text);
	return *bits_out <= most;
}

/* Clears the bits beyond the prefix; false: some were set. */
static bool
clear_rest(struct network *n)
{
	bool clean = true;

	for (unsigned bit = n->bits; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		clean &= !(n->address[bit / 8] & mask);
		n->address[bit / 8] &= (uint8_t)~mask;
	}
	return clean;
}

static int
refuse_rest(
	const struct network *n, bool is_v4, unsigned bits, struct error *err)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(is_v4 ? AF_INET : AF_INET6, n->address + (is_v4 ? 12 : 0),
		text, sizeof(text));
	return error_set(err,
		"the address has bits beyond the /%u; the network "
		"is %s/%u",
		bits, text, bits);
}

int
network_read(struct network *n, const char *text, struct error *err)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned bits, most;
	bool is_v4;

	memset(n, 0, sizeof(*n));
	n->is_sockets = !strcmp(text, "unix");
	if (n->is_sockets)
		return 0;
	snprintf(address, sizeof(address), "%.*s",
		(int)(slash ? slash - text : (long)strlen(text)), text);
	if (!read_address(n, address, &is_v4))
		return error_set(err, "it must be a network such as "
				      "192.0.2.0/24 or 2001:db8::/32, an "
				      "address, or unix");
	bits = most = is_v4 ? 32 : 128;
	if (slash && !read_bits(slash + 1, most, &bits))
		return error_set(
			err, "the prefix length must be from 0 to %u", most);
	n->bits = (uint8_t)(is_v4 ? bits + MAPPED_BITS : bits);
	if (!clear_rest(n))
		return refuse_rest(n, is_v4, bits, err);
	return 0;
}

bool
network_has(const struct network *n, const uint8_t address[16])
{
	unsigned whole = n->bits / 8, rest = n->bits % 8;

	if (n->is_sockets || memcmp(n->address, address, whole))
		return false;
	return !rest || !((n->address[whole] ^ address[whole]) >> (8 - rest));
}
