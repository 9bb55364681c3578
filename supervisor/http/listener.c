/* listener: opens a listening socket, accepts a bounded number of connections a
 * turn, and explains why an address cannot be used. */
#include "supervisor/http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/http/inherited.h"
#include "supervisor/http/port_owner.h"
#include "supervisor/http/server.h"

#define ACCEPTS_MAX 32 /* per turn */
#define BACKLOG 4096

/* "192.0.2.1:4242", "[2001:db8::1]:4242", "unix" */
static void
format_peer(const struct sockaddr_storage *a, char *out, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;

	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
	} else if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else {
		snprintf(out, size, "unix");
	}
}

static void
on_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct listener *l = container_of(watcher, struct listener, readable);
	struct sockaddr_storage address;
	int on = 1;
	char peer[64];

	for (int i = 0; i < ACCEPTS_MAX && ev_is_active(watcher); i++) {
		socklen_t length = sizeof(address);
		int fd;

		memset(&address, 0, sizeof(address));
		fd = accept4(watcher->fd, (void *)&address, &length,
			SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR &&
				errno != ECONNABORTED)
				http_server_accept_failed(l->server, errno);
			return;
		}
		if (address.ss_family != AF_UNIX && length)
			setsockopt(
				fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		format_peer(&address, peer, sizeof(peer));
		http_server_accepted(l->server, fd, peer);
	}
}

/* Removes a stale socket file. -1 with the owner's pid: somebody listens on it.
 */
static int
clear_stale(const struct config_listener *config, struct error *err)
{
	struct ucred owner = {0};
	socklen_t length = sizeof(owner);
	const struct sockaddr_un *un = (const void *)&config->address;
	struct stat st;
	int fd, result;

	if (lstat(un->sun_path, &st))
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, "cannot listen on %s: it is not a socket",
			config->http);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	result = connect(
		fd, (const void *)&config->address, config->address_length);
	if (result && errno == ECONNREFUSED) {
		close(fd);
		unlink(un->sun_path);
		return 0;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &length);
	close(fd);
	if (!result && owner.pid > 0)
		return error_set(err,
			"cannot listen on %s: it is in use by process %d",
			config->http, (int)owner.pid);
	return error_set(
		err, "cannot listen on %s: it is in use", config->http);
}

static int
explain(const struct config_listener *config, int error, struct error *err)
{
	char owner[100];

	if (error == EADDRINUSE &&
		port_owner_find(&config->address, owner, sizeof(owner)))
		return error_set(err, "cannot listen on %s: it is in use by %s",
			config->http, owner);
	return error_set(
		err, "cannot listen on %s: %s", config->http, strerror(error));
}

static void
share_port(int fd, bool share)
{
	int on = share;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static int
open_socket(
	const struct config_listener *config, bool shares, struct error *err)
{
	int family = config->address.ss_family, on = 1, error;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return explain(config, errno, err);
	if (family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family != AF_UNIX && shares)
		share_port(fd, true);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!bind(fd, (const void *)&config->address, config->address_length) &&
		!listen(fd, BACKLOG)) {
		if (family != AF_UNIX && shares)
			share_port(fd, false);
		return fd;
	}
	error = errno;
	close(fd);
	return explain(config, error, err);
}

static struct listener *
create(struct http_server *server, const char *name, int fd)
{
	struct listener *l = memory_alloc(sizeof(*l));

	l->server = server;
	l->name = memory_copy_text(name);
	list_init(&l->node);
	ev_io_init(&l->readable, on_connection, fd, EV_READ);
	return l;
}

struct listener *
listener_open_inherited(struct http_server *server,
	const struct config_listener *config, uint32_t which, struct error *err)
{
	int fd = inherited_open(&server->inherited,
		config->http + strlen(CONFIG_LISTENER_FD), which, err);
	struct listener *l;

	if (fd < 0)
		return NULL;
	l = create(server, config->http, fd);
	l->is_inherited = true;
	return l;
}

struct listener *
listener_open(struct http_server *server, const struct config_listener *config,
	bool shares_port, struct error *err)
{
	const struct sockaddr_un *un = (const void *)&config->address;
	bool is_unix = config->address.ss_family == AF_UNIX;
	struct listener *l;
	struct stat st;
	int fd;

	if (is_unix && clear_stale(config, err))
		return NULL;
	fd = open_socket(config, shares_port, err);
	if (fd < 0)
		return NULL;
	l = create(server, config->http, fd);
	if (is_unix && !lstat(un->sun_path, &st)) {
		/* the folder's permissions decide who may connect */
		chmod(un->sun_path, 0666);
		l->unix_path = memory_copy_text(un->sun_path);
		l->device = st.st_dev;
		l->inode = st.st_ino;
	}
	return l;
}

void
listener_close(struct listener *l)
{
	struct stat st;

	listener_pause(l);
	close(l->readable.fd);
	if (l->unix_path && !lstat(l->unix_path, &st) &&
		st.st_dev == l->device && st.st_ino == l->inode)
		unlink(l->unix_path);
	list_remove(&l->node);
	free(l->unix_path);
	free(l->name);
	free(l);
}

void
listener_share_port(struct listener *l, bool share)
{
	if (!l->unix_path && !l->is_inherited)
		share_port(l->readable.fd, share);
}

void
listener_accept_rest(struct listener *l)
{
	struct pollfd waiting = {.fd = l->readable.fd, .events = POLLIN};

	if (l->is_inherited)
		return; /* the next supd accepts them */
	for (int i = 0; i < BACKLOG && ev_is_active(&l->readable) &&
			poll(&waiting, 1, 0) > 0;
		i++)
		on_connection(l->server->loop, &l->readable, EV_READ);
}

void
listener_pause(struct listener *l)
{
	ev_io_stop(l->server->loop, &l->readable);
}

void
listener_resume(struct listener *l)
{
	if (l->is_inherited && l->server->is_starting)
		return;
	ev_io_start(l->server->loop, &l->readable);
}
