/* listen: parses a listener into an address to bind. Host names are not
 * resolved, because an unreachable name server must not stop a start. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "proto/util/memory.h"
#include "supervisor/config/tables.h"

static bool
read_port(const char *text, uint16_t *port_out)
{
	size_t length = strlen(text);
	if (!length || length > 5 || strspn(text, "0123456789") != length)
		return false;
	unsigned long port = strtoul(text, NULL, 10);
	*port_out = (uint16_t)port;
	return port <= 65535;
}

static void
set_text(struct config_listener *l, char *text)
{
	free(l->http);
	l->http = text;
}

static bool
read_ipv6(struct config_listener *l, const char *host, uint16_t port)
{
	struct sockaddr_in6 *address =
		(struct sockaddr_in6 *)(void *)&l->address;
	address->sin6_family = AF_INET6;
	address->sin6_port = htons(port);
	l->address_length = sizeof(*address);
	char text[INET6_ADDRSTRLEN];
	if (inet_pton(AF_INET6, host, &address->sin6_addr) != 1 ||
		!inet_ntop(AF_INET6, &address->sin6_addr, text, sizeof(text)))
		return false;
	set_text(l, memory_format("[%s]:%u", text, port));
	return true;
}

static bool
read_ipv4(struct config_listener *l, const char *host, uint16_t port)
{
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&l->address;
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	l->address_length = sizeof(*address);
	if (!strcmp(host, "localhost"))
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
		return false;
	set_text(l, memory_format("%s:%u", host, port));
	return true;
}

static bool
read_tcp(struct config_listener *l, const char *text)
{
	const char *colon = strrchr(text, ':');
	uint16_t port;
	if (!colon || !read_port(colon + 1, &port))
		return false;
	size_t length = (size_t)(colon - text);
	bool bracketed =
		length > 2 && text[0] == '[' && text[length - 1] == ']';
	char *host = bracketed ? memory_copy_bytes(text + 1, length - 2)
			       : memory_copy_bytes(text, length);
	bool good =
		bracketed ? read_ipv6(l, host, port) : read_ipv4(l, host, port);
	free(host);
	return good;
}

static void
read_unix(struct problems *problems, const struct node *node,
	struct config_listener *l, const char *path)
{
	struct sockaddr_un *address = (struct sockaddr_un *)(void *)&l->address;
	if (!*path) {
		node_problem(problems, node, "'unix:' needs a path after it");
		return;
	}
	char *whole = path_beside(node->file, path);
	size_t length = strlen(whole);
	if (length >= sizeof(address->sun_path)) {
		node_problem(problems, node,
			"the socket's path has %zu bytes, more than the %zu "
			"that the system allows",
			length, sizeof(address->sun_path) - 1);
	} else {
		address->sun_family = AF_UNIX;
		memcpy(address->sun_path, whole, length + 1);
		l->address_length =
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    length + 1);
		set_text(l, memory_format("unix:%s", whole));
	}
	free(whole);
}

/* Reads "fd:NAME", a socket of the service manager by its FileDescriptorName.
 */
static void
read_fd(struct problems *problems, const struct node *node, const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789._@-";
	size_t length = strlen(name);

	if (!length || length > 255 || strspn(name, allowed) != length)
		node_problem(problems, node,
			"'fd:' needs the name of a socket after it: letters, "
			"digits, ., _, @ and -");
}

void
listener_check(struct problems *problems, const struct node *node, void *base)
{
	struct config_listener *l = base;
	char *text = memory_copy_text(node->text);
	if (!strncmp(text, CONFIG_LISTENER_FD, strlen(CONFIG_LISTENER_FD)))
		read_fd(problems, node, text + strlen(CONFIG_LISTENER_FD));
	else if (!strncmp(text, "unix:", 5))
		read_unix(problems, node, l, text + 5);
	else if (!read_tcp(l, text))
		node_problem(problems, node,
			"'http' must be ADDRESS:PORT with a numeric address "
			"such as 127.0.0.1:8080 or \"[::1]:8080\", "
			"unix:/path or fd:NAME");
	free(text);
}
