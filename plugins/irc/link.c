#include "link.h"

#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sup/plugin.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lookup.h"
#include "settings.h"
#include "tls.h"

#define READS_AT_ONCE 4	   /* then others have their turn */
#define NEXT_ADDRESS_S 2.0 /* if there is another one */

enum link_state {
	LINK_LOOKING_UP,
	LINK_CONNECTING,
	LINK_SHAKING,
	LINK_OPEN,
	LINK_CLOSED
};

struct link {
	struct sup *plugin;
	const struct settings *settings;
	const struct link_ops *ops;
	void *owner;
	enum link_state state;
	struct lookup *lookup;
	struct addrinfo *addresses, *address;
	int fd;
	struct tls *tls;
	ev_io io;
	ev_timer next_address;
	ev_timer later; /* lines are there, or the end is to be reported */
	bool is_paused, has_ended;
	char why[256]; /* it ended */
	size_t unsent; /* bytes of `output` */
	char output[LINK_UNSENT_MAX];
	struct line_reader reader;
};

static void advance(struct link *l);

static struct ev_loop *
loop_of(const struct link *l)
{
	return sup_loop(l->plugin);
}

static struct link *
link_of(const ev_timer *timer)
{
	return timer->data;
}

static void
do_later(struct link *l)
{
	if (!ev_is_active(&l->later))
		ev_timer_start(loop_of(l), &l->later);
}

static void
watch(struct link *l, int events)
{
	ev_io_stop(loop_of(l), &l->io);
	if (l->fd < 0 || !events)
		return;
	ev_io_set(&l->io, l->fd, events);
	ev_io_start(loop_of(l), &l->io);
}

static void
close_socket(struct link *l)
{
	watch(l, 0);
	tls_destroy(l->tls);
	l->tls = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* The end is reported once the lines before it are taken. */
static void
end(struct link *l, const char *why)
{
	if (l->has_ended)
		return;
	l->has_ended = true;
	snprintf(l->why, sizeof(l->why), "%s", why);
	close_socket(l);
	l->unsent = 0;
	ev_timer_stop(loop_of(l), &l->next_address);
	do_later(l);
}

/* ---- an open connection ---- */

static void
watch_open(struct link *l)
{
	int events = l->is_paused ? 0 : EV_READ;

	if (l->unsent || (l->tls && tls_wants_write(l->tls)))
		events |= EV_WRITE;
	watch(l, events);
}

static ssize_t
write_some(struct link *l)
{
	return l->tls ? tls_write(l->tls, l->output, l->unsent)
		      : send(l->fd, l->output, l->unsent, MSG_NOSIGNAL);
}

static void
flush(struct link *l)
{
	ssize_t n;

	while (l->unsent && !l->has_ended) {
		n = write_some(l);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			/* what it has said before is read yet */
			l->unsent = 0;
		if (n <= 0)
			break;
		l->unsent -= (size_t)n;
		memmove(l->output, l->output + n, l->unsent);
	}
}

static ssize_t
read_some(struct link *l, char *at, size_t room)
{
	return l->tls ? tls_read(l->tls, at, room) : read(l->fd, at, room);
}

/* Servers send many short lines, each of which may wait for the acknowledgement
 * of the one before (Nagle). */
static void
acknowledge_at_once(struct link *l)
{
	int on = 1;

	setsockopt(l->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/* True if there may be more. */
static bool
fill(struct link *l)
{
	size_t room;
	char *at = line_reader_room(&l->reader, &room);
	ssize_t n;

	if (!room)
		return false;
	acknowledge_at_once(l);
	n = read_some(l, at, room);
	if (n > 0) {
		line_reader_add(&l->reader, (size_t)n);
		return true;
	}
	if (!n)
		end(l, "the server closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		end(l, strerror(errno));
	return false;
}

static void
read_open(struct link *l)
{
	for (int i = 0; i < READS_AT_ONCE && !l->is_paused && !l->has_ended;
		i++) {
		if (!fill(l))
			return;
		l->ops->on_lines(l->owner);
	}
	/* the socket may say nothing of what TLS has read */
	if (l->tls && !l->is_paused)
		do_later(l);
}

static void
on_later(struct ev_loop *loop, ev_timer *w, int events)
{
	struct link *l = link_of(w);

	if (l->is_paused || l->state == LINK_CLOSED)
		return;
	if (l->state == LINK_OPEN) {
		l->ops->on_lines(l->owner);
		if (!l->is_paused && !l->has_ended)
			read_open(l);
	}
	if (!l->has_ended)
		watch_open(l);
	if (!l->has_ended || l->is_paused || l->state == LINK_CLOSED)
		return;
	l->state = LINK_CLOSED;
	l->ops->on_close(l->owner, l->why);
}

/* ---- connecting ---- */

static void
open_link(struct link *l)
{
	ev_timer_stop(loop_of(l), &l->next_address);
	freeaddrinfo(l->addresses);
	l->addresses = l->address = NULL;
	l->state = LINK_OPEN;
	watch_open(l);
	l->ops->on_open(l->owner);
}

static void
shake(struct link *l)
{
	char why[256];

	switch (tls_handshake(l->tls, why)) {
	case TLS_DONE:
		open_link(l);
		return;
	case TLS_WANTS_READ:
		watch(l, EV_READ);
		return;
	case TLS_WANTS_WRITE:
		watch(l, EV_WRITE);
		return;
	case TLS_FAILED:
		end(l, why);
	}
}

static void
on_connected(struct link *l)
{
	char why[256];

	ev_timer_stop(loop_of(l), &l->next_address);
	if (!l->settings->tls) {
		open_link(l);
		return;
	}
	l->tls = tls_create(l->settings, l->fd, why);
	if (!l->tls) {
		end(l, why);
		return;
	}
	l->state = LINK_SHAKING;
	shake(l);
}

static int
begin_connecting(struct link *l)
{
	const struct addrinfo *a = l->address;
	int on = 1;

	l->fd = socket(
		a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -1;
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	if (!connect(l->fd, a->ai_addr, a->ai_addrlen) || errno == EINPROGRESS)
		return 0;
	on = errno;
	close_socket(l);
	errno = on;
	return -1;
}

/* Tries the addresses from this one on. */
static void
connect_next(struct link *l)
{
	int error = EADDRNOTAVAIL;

	for (; l->address; l->address = l->address->ai_next) {
		if (!begin_connecting(l)) {
			watch(l, EV_WRITE);
			if (l->address->ai_next)
				ev_timer_again(loop_of(l), &l->next_address);
			return;
		}
		error = errno;
	}
	end(l, strerror(error));
}

static void
try_next(struct link *l, const char *why)
{
	ev_timer_stop(loop_of(l), &l->next_address);
	l->address = l->address->ai_next;
	if (!l->address) {
		end(l, why);
		return;
	}
	close_socket(l);
	connect_next(l);
}

static void
on_next_address(struct ev_loop *loop, ev_timer *w, int events)
{
	try_next(link_of(w), "no answer");
}

static void
check_connected(struct link *l)
{
	int error = 0;
	socklen_t size = sizeof(error);

	getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	if (error)
		try_next(l, strerror(error));
	else
		on_connected(l);
}

static void
on_addresses(struct addrinfo *list, const char *error, void *user)
{
	struct link *l = user;
	char why[256];

	l->lookup = NULL;
	if (!list) {
		snprintf(why, sizeof(why), "%.120s: %.120s", l->settings->host,
			error);
		end(l, why);
		return;
	}
	l->addresses = l->address = list;
	l->state = LINK_CONNECTING;
	connect_next(l);
}

/* ---- events ---- */

static void
on_io(struct ev_loop *loop, ev_io *w, int events)
{
	advance(w->data);
}

static void
advance(struct link *l)
{
	if (l->state == LINK_CONNECTING) {
		check_connected(l);
		return;
	}
	if (l->state == LINK_SHAKING) {
		shake(l);
		return;
	}
	flush(l);
	if (!l->is_paused)
		read_open(l);
	if (!l->has_ended)
		watch_open(l);
}

/* ---- from outside ---- */

struct link *
link_create(struct sup *p, const struct settings *s, const struct link_ops *ops,
	void *owner)
{
	struct link *l = calloc(1, sizeof(*l));
	struct addrinfo *list;

	if (!l)
		return NULL;
	l->plugin = p;
	l->settings = s;
	l->ops = ops;
	l->owner = owner;
	l->fd = -1;
	l->io.data = l->next_address.data = l->later.data = l;
	ev_init(&l->io, on_io);
	ev_timer_init(&l->next_address, on_next_address, 0, NEXT_ADDRESS_S);
	ev_timer_init(&l->later, on_later, 0, 0);
	list = lookup_number(s->host, s->port);
	if (list)
		on_addresses(list, NULL, l);
	else
		l->lookup = lookup_start(p, s->host, s->port, on_addresses, l);
	if (!list && !l->lookup)
		end(l, "the name servers have not answered yet");
	return l;
}

static void
on_gone(struct ev_loop *loop, ev_timer *w, int events)
{
	struct link *l = link_of(w);

	l->ops->on_gone(l->owner);
	free(l);
}

void
link_destroy(struct link *l)
{
	lookup_cancel(l->lookup);
	close_socket(l);
	ev_timer_stop(loop_of(l), &l->next_address);
	ev_timer_stop(loop_of(l), &l->later);
	if (l->addresses)
		freeaddrinfo(l->addresses);
	l->lookup = NULL;
	l->addresses = NULL;
	l->has_ended = true;
	l->state = LINK_CLOSED;
	ev_set_cb(&l->later, on_gone);
	do_later(l);
}

bool
link_next(struct link *l, struct line *line)
{
	return !l->is_paused && l->state == LINK_OPEN &&
	       line_reader_next(&l->reader, line);
}

void
link_pause(struct link *l)
{
	l->is_paused = true;
	if (l->state == LINK_OPEN && !l->has_ended)
		watch_open(l);
}

void
link_resume(struct link *l)
{
	if (!l->is_paused)
		return;
	l->is_paused = false;
	if (l->state != LINK_CLOSED)
		do_later(l);
}

void
link_say(struct link *l, const char *format, ...)
{
	size_t room = sizeof(l->output) - l->unsent;
	va_list arguments;
	int length;

	if (l->state != LINK_OPEN || l->has_ended)
		return;
	va_start(arguments, format);
	length = vsnprintf(l->output + l->unsent, room, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length + 2 > room) {
		end(l, "the server does not read what is sent to it");
		return;
	}
	memcpy(l->output + l->unsent + length, "\r\n", 2);
	l->unsent += (size_t)length + 2;
	flush(l);
	if (!l->has_ended)
		watch_open(l);
}
