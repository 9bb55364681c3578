#include "farewell.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_MAX 64 /* in a turn of the loop */

struct farewell {
	ev_io io;
	ev_timer deadline;
	int fd;
	void (*done)(void *user);
	void *user;
};

static void
end(struct ev_loop *loop, struct farewell *f)
{
	ev_io_stop(loop, &f->io);
	ev_timer_stop(loop, &f->deadline);
	close(f->fd);
	if (f->done)
		f->done(f->user);
	free(f);
}

static void
discard(struct ev_loop *loop, ev_io *io, int events)
{
	struct farewell *f = io->data;
	char bytes[16384];
	ssize_t got = 1;

	for (int i = 0; i < READS_MAX && got > 0; i++)
		got = recv(f->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
		end(loop, f);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *timer, int events)
{
	end(loop, timer->data);
}

void
farewell_start(
	struct ev_loop *loop, int fd, void (*done)(void *user), void *user)
{
	struct farewell *f = calloc(1, sizeof(*f));

	if (!f || fd < 0) {
		free(f);
		if (fd >= 0)
			close(fd);
		if (done)
			done(user);
		return;
	}
	*f = (struct farewell){.fd = fd, .done = done, .user = user};
	shutdown(fd, SHUT_WR);
	ev_io_init(&f->io, discard, fd, EV_READ);
	ev_timer_init(&f->deadline, on_deadline, FAREWELL_S, 0);
	f->io.data = f->deadline.data = f;
	ev_io_start(loop, &f->io);
	ev_timer_start(loop, &f->deadline);
}
