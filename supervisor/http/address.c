/* address: reads and writes addresses in the forms that proxies use. */
#include "supervisor/http/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

void
address_set_v4(struct address *a, const uint8_t bytes[4], uint16_t port)
{
	a->is_known = true;
	memcpy(a->bytes, mapped, sizeof(mapped));
	memcpy(a->bytes + 12, bytes, 4);
	a->port = port;
}

static bool
read_port(const char *text, uint16_t *port_out)
{
	unsigned long port = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + (unsigned long)(*text - '0');
	}
	*port_out = (uint16_t)port;
	return port <= 65535;
}

static bool
read_host(struct address *a, const char *host)
{
	uint8_t v4[4];

	if (strchr(host, ':'))
		return inet_pton(AF_INET6, host, a->bytes) == 1;
	if (inet_pton(AF_INET, host, v4) != 1)
		return false;
	address_set_v4(a, v4, a->port);
	return true;
}

static bool
read_text(struct address *a, char *text)
{
	char *host = text, *end = strrchr(text, ':');

	if (*text == '[') {
		host++;
		end = strchr(text, ']');
		if (!end)
			return false;
		*end++ = 0;
		if (*end && *end != ':')
			return false;
	} else if (end != strchr(text, ':')) {
		end = NULL; /* IPv6 without brackets has no port */
	}
	if (end && *end) {
		*end = 0;
		if (!read_port(end + 1, &a->port))
			return false;
	}
	return read_host(a, host);
}

bool
address_read(struct address *a, struct bytes text)
{
	char copy[ADDRESS_TEXT_BYTES];

	memset(a, 0, sizeof(*a));
	if (!text.length || text.length >= sizeof(copy) ||
		memchr(text.at, 0, text.length))
		return false;
	memcpy(copy, text.at, text.length);
	copy[text.length] = 0;
	a->is_known = read_text(a, copy);
	return a->is_known;
}

size_t
address_write(
	const struct address *a, bool with_port, char out[ADDRESS_TEXT_BYTES])
{
	bool is_v4 = !memcmp(a->bytes, mapped, sizeof(mapped));
	char host[INET6_ADDRSTRLEN];

	if (!a->is_known)
		return (size_t)snprintf(out, ADDRESS_TEXT_BYTES, "unix");
	inet_ntop(is_v4 ? AF_INET : AF_INET6, a->bytes + (is_v4 ? 12 : 0), host,
		sizeof(host));
	if (!with_port || !a->port)
		return (size_t)snprintf(out, ADDRESS_TEXT_BYTES, "%s", host);
	return (size_t)snprintf(out, ADDRESS_TEXT_BYTES,
		is_v4 ? "%s:%u" : "[%s]:%u", host, a->port);
}
