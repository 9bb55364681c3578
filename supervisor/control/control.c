/* control: the listening control socket. It accepts connections and limits
 * their number; sessions identify clients and answer them. */
#include "supervisor/control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/paths.h"
#include "supervisor/control/session.h"
#include "supervisor/ops/own_file.h"

#define ACCEPTS_PER_TURN 16
#define RETRY_S 0.2 /* pause after accept() ran out of descriptors */

struct control {
	struct session_house house;
	char *path;
	int fd;
	ev_io acceptable;
	ev_timer retry;
	struct stat bound; /* of the socket at path */
};

static void
take(struct control *c, int fd)
{
	struct credentials who;
	struct error err;

	if (credentials_read(&who, fd, &err)) {
		log_warn("control: %s", err.text);
		close(fd);
		return;
	}
	if (house_has_place(&c->house, &who)) {
		session_create(&c->house, fd, &who);
		return;
	}
	house_refuse(&c->house, &who);
	credentials_finish(&who);
	close(fd);
}

static void
on_acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct control *c = container_of(watcher, struct control, acceptable);

	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(
			c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			take(c, fd);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR &&
			errno != ECONNABORTED) {
			/* the socket stays readable: do not spin */
			log_warn("control: accept: %s", strerror(errno));
			ev_io_stop(loop, &c->acceptable);
			ev_timer_again(loop, &c->retry);
		}
		return;
	}
}

static void
on_retry(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct control *c = container_of(watcher, struct control, retry);

	ev_timer_stop(loop, &c->retry);
	ev_io_start(loop, &c->acceptable);
}

static int
listen_at(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err,
			"%s: longer than %zu bytes, the limit of a "
			"socket's path",
			path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, "socket: %s", strerror(errno));
	if (unlink(path) < 0 && errno != ENOENT)
		own_file_put_aside(path, NULL, NULL);
	/* anybody may connect, because the kernel says who a peer is */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
		chmod(path, 0666) || listen(fd, 128)) {
		error_set(err, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

struct control *
control_create(struct gateway *g, const char *runtime_dir, int inherited,
	struct config *config, void (*shutdown)(void *user), void *user,
	struct error *err)
{
	struct control *c;
	char *path = memory_format("%s/%s", runtime_dir, CONTROL_SOCKET_NAME);
	int fd = inherited >= 0 ? inherited : listen_at(path, err);

	if (fd < 0) {
		free(path);
		return NULL;
	}
	c = memory_alloc(sizeof(*c));
	c->path = path;
	c->fd = fd;
	if (inherited < 0)
		lstat(path, &c->bound); /* else its file is not ours */
	house_init(&c->house, g, config);
	c->house.shutdown = shutdown;
	c->house.user = user;
	ev_io_init(&c->acceptable, on_acceptable, fd, EV_READ);
	ev_init(&c->retry, on_retry);
	c->retry.repeat = RETRY_S;
	ev_io_start(g->loop, &c->acceptable);
	return c;
}

void
control_configure(struct control *c, struct config *config)
{
	struct config *old = c->house.config;

	c->house.config = config_ref(config);
	config_unref(old);
	list_for_each (node, &c->house.sessions) {
		struct session *s = container_of(node, struct session, node);

		session_rank(s);
		if (s->rank == RANK_NOBODY)
			session_end_calls(s); /* followers end */
	}
}

void
control_limit(struct control *c, const struct control_limits *limits)
{
	c->house.limits = *limits;
}

void
control_destroy(struct control *c)
{
	struct stat now;

	if (!c)
		return;
	while (!list_is_empty(&c->house.sessions)) {
		struct session *s = container_of(
			c->house.sessions.next, struct session, node);

		session_end_calls(s);
		session_destroy(s);
	}
	ev_io_stop(c->house.gateway->loop, &c->acceptable);
	ev_timer_stop(c->house.gateway->loop, &c->retry);
	close(c->fd);
	if (!lstat(c->path, &now) && now.st_dev == c->bound.st_dev &&
		now.st_ino == c->bound.st_ino)
		unlink(c->path); /* not one that another supd made there */
	house_finish(&c->house);
	free(c->path);
	free(c);
}
