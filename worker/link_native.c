/* link_native: the worker's link over proto/peer: no thread, no library. */
#include "worker/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/peer.h"
#include "proto/util/memory.h"

struct native {
	struct link link;
	struct peer_group group;
	struct peer peer;
};

static void
native_on_message(struct peer *p, const struct message *m)
{
	struct native *n = p->owner;

	n->link.events->on_message(n->link.owner, m);
}

static void
native_on_close(struct peer *p, const char *reason)
{
	struct native *n = p->owner;

	n->link.events->on_close(n->link.owner, reason);
}

static const struct peer_ops native_peer_ops = {
	.on_message = native_on_message,
	.on_close = native_on_close,
};

static int
native_connect(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(
			err, "the socket's path is too long: %s", path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(err, errno, "socket");
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	error_set_errno(err, errno, "cannot connect to %s", path);
	close(fd);
	return -1;
}

static struct link *
native_open(struct ev_loop *loop, const char *path,
	const struct link_events *events, void *owner, struct error *err)
{
	struct native *n;
	int fd = native_connect(path, err);

	if (fd < 0)
		return NULL;
	n = memory_alloc(sizeof(*n));
	n->link = (struct link){&link_native, events, owner};
	peer_group_init(&n->group, loop);
	codec_forgive(n->group.codec);
	peer_init(&n->peer, &n->group, fd, &native_peer_ops, n);
	return &n->link;
}

static msgpack_packer *
native_begin(struct link *l)
{
	return peer_begin(&((struct native *)l)->peer);
}

static int
native_end(struct link *l)
{
	return peer_end(&((struct native *)l)->peer);
}

const struct link_ops link_native = {
	.name = "native",
	.open = native_open,
	.begin = native_begin,
	.end = native_end,
};
