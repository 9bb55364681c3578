/* transport: plain sockets, without TLS. */
#include "supervisor/http/transport.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t
plain_read(struct transport *t, char *bytes, size_t size)
{
	return recv(t->fd, bytes, size, 0);
}

static ssize_t
plain_write(struct transport *t, const void *bytes, size_t size)
{
	return send(t->fd, bytes, size, MSG_NOSIGNAL);
}

static ssize_t
plain_unread(const struct transport *t)
{
	int bytes = 0;

	return ioctl(t->fd, FIONREAD, &bytes) ? -1 : bytes;
}

static ssize_t
plain_unsent(const struct transport *t)
{
	int bytes = 0;

	return ioctl(t->fd, SIOCOUTQ, &bytes) ? -1 : bytes;
}

static void
plain_end(struct transport *t)
{
	shutdown(t->fd, SHUT_WR);
}

static void
plain_close(struct transport *t, bool reset)
{
	static const struct linger at_once = {.l_onoff = 1};

	if (reset)
		setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once,
			sizeof(at_once));
	close(t->fd);
}

const struct transport_ops transport_plain = {
	.read = plain_read,
	.write = plain_write,
	.unread = plain_unread,
	.unsent = plain_unsent,
	.end = plain_end,
	.close = plain_close,
};
