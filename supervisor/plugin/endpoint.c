/* endpoint: listens, checks who connects, accepts one peer. It never reads from
 * the connection. */
#include "supervisor/plugin/endpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/list.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/ops/own_file.h"

#define BACKLOG 4
#define AGAIN_S 0.05

static bool
is_expected(const struct endpoint *e, int fd)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return false;
	if (who.uid == e->uid && (!e->pid || who.pid == e->pid))
		return true;
	log_warn("%s: connection of process %d (user %u) refused, process %d "
		 "(user %u) was expected",
		e->path, (int)who.pid, (unsigned)who.uid, (int)e->pid,
		(unsigned)e->uid);
	return false;
}

static void
try_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct endpoint *e = container_of(timer, struct endpoint, again);

	(void)events;
	ev_io_start(loop, &e->acceptable);
}

/* Pauses, because the connection stays in the queue and would wake the loop
 * again at once. */
static void
pause_accepting(struct endpoint *e)
{
	if (!e->is_reported)
		log_warn("%s: cannot accept the worker: %s", e->path,
			strerror(errno));
	e->is_reported = true;
	ev_io_stop(e->loop, &e->acceptable);
	ev_timer_set(&e->again, AGAIN_S, 0.);
	ev_timer_start(e->loop, &e->again);
}

static bool
is_full(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS ||
	       error == ENOMEM;
}

static void
acceptable(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct endpoint *e = container_of(watcher, struct endpoint, acceptable);
	int fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)loop;
	(void)events;
	if (fd < 0) {
		if (is_full(errno))
			pause_accepting(e);
		return;
	}
	if (!is_expected(e, fd)) {
		close(fd);
		return;
	}
	endpoint_close(e);
	e->on_peer(e, fd);
}

static int
listen_at(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err,
			"the runtime directory's name is too long: %s has %zu "
			"bytes, a socket's path may have %zu",
			path, strlen(path), sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot make a socket");
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, BACKLOG) < 0) {
		error_set_errno(err, errno, "cannot listen at %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

int
endpoint_open(struct endpoint *e, struct ev_loop *loop, const char *runtime_dir,
	uint32_t number, void (*on_peer)(struct endpoint *e, int fd),
	struct error *err)
{
	char *all = memory_format("%s/w", runtime_dir);
	int failed = own_folder_make(all, 0711, err);

	*e = (struct endpoint){.loop = loop,
		.fd = -1,
		.uid = geteuid(),
		.on_peer = on_peer,
		.folder = memory_format("%s/%u", all, number),
		.path = memory_format("%s/%u/s", all, number)};
	free(all);
	if (failed || own_folder_make(e->folder, 0700, err) < 0 ||
		(e->fd = listen_at(e->path, err)) < 0) {
		endpoint_close(e);
		return -1;
	}
	ev_timer_init(&e->again, try_again, 0., 0.);
	ev_io_init(&e->acceptable, acceptable, e->fd, EV_READ);
	ev_io_start(loop, &e->acceptable);
	return 0;
}

void
endpoint_close(struct endpoint *e)
{
	if (!e->path)
		return;
	if (e->fd >= 0) {
		ev_io_stop(e->loop, &e->acceptable);
		ev_timer_stop(e->loop, &e->again);
		close(e->fd);
		e->fd = -1;
	}
	unlink(e->path);
	rmdir(e->folder);
	free(e->path);
	free(e->folder);
	e->path = e->folder = NULL;
}
