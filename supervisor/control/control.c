/* control: the listening control socket and how many may be connected. It
 * accepts; who speaks and what is said is the sessions' part. */
#include "supervisor/control/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/places.h"
#include "supervisor/control/session.h"

#define ACCEPTS_PER_TURN 16
#define REFUSED_LOG_MS 1000 /* at most one line in that time */
#define RETRY_S 0.2	    /* after accept failed for want of fds */

struct control {
	struct session_house house;
	char *path;
	int fd;
	ev_io acceptable;
	ev_timer retry;
	unsigned refused; /* not logged yet */
	uint64_t refused_logged_ms;
};

static bool
has_place(const struct control *c, const struct credentials *who)
{
	unsigned of_user = 0;
	enum role role;

	if (c->house.count >= CONTROL_SESSIONS_MAX)
		return false;
	if (role_of(&c->house.config->admin, who, &role))
		return true;
	list_for_each (node, &c->house.sessions) {
		struct session *s = container_of(node, struct session, node);

		of_user += s->who.uid == who->uid;
	}
	return of_user < CONTROL_SESSIONS_PER_USER_MAX;
}

static void
log_refused(struct control *c, const struct credentials *who)
{
	uint64_t now = clock_ms();

	c->refused++;
	if (c->refused_logged_ms && now - c->refused_logged_ms < REFUSED_LOG_MS)
		return;
	log_warn("control: %u refused, last uid %u (pid %d): too many "
		 "sessions",
		c->refused, (unsigned)who->uid, (int)who->pid);
	c->refused = 0;
	c->refused_logged_ms = now;
}

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
	if (has_place(c, &who)) {
		session_create(&c->house, fd, &who);
		return;
	}
	log_refused(c, &who);
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
			/* It stays readable: do not spin on it. */
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
			"%s: longer than the %zu bytes that a socket's path "
			"may have",
			path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, "socket: %s", strerror(errno));
	unlink(path);
	/* Everybody may connect: the kernel tells who it is. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
		chmod(path, 0666) || listen(fd, 128)) {
		error_set(err, "%s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

struct control *
control_create(struct gateway *g, const char *runtime_dir,
	struct config *config, void (*shutdown)(void *user), void *user,
	struct error *err)
{
	struct control *c;
	char *path = memory_format("%s/%s", runtime_dir, CONTROL_SOCKET_NAME);
	int fd = listen_at(path, err);

	if (fd < 0) {
		free(path);
		return NULL;
	}
	c = memory_alloc(sizeof(*c));
	c->path = path;
	c->fd = fd;
	c->house.gateway = g;
	c->house.config = config_ref(config);
	c->house.shutdown = shutdown;
	c->house.user = user;
	list_init(&c->house.sessions);
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
		enum role role;

		/* Each later call is decided anew; this is for followers. */
		if (!role_of(&config->admin, &s->who, &role))
			session_end_calls(s);
	}
}

void
control_destroy(struct control *c)
{
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
	unlink(c->path);
	config_unref(c->house.config);
	free(c->path);
	free(c);
}
