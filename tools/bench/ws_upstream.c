/* ws_upstream: the program behind nginx that supd's WebSocket path is compared
 * with: it echoes each message, on a unix socket, as lean as libwslay and epoll
 * make it. Trusts its proxy, and knows the one key that the bench's clients
 * send; it is no server for others. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define HEAD_BYTES 4096

struct connection {
	int fd;
	wslay_event_context_ptr frames; /* NULL: before the handshake */
	size_t head_length;
	char head[HEAD_BYTES];
};

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\n"
			     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			     "Sec-WebSocket-Accept: "
			     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void
connection_close(struct connection *c)
{
	close(c->fd);
	if (c->frames)
		wslay_event_context_free(c->frames);
	free(c);
}

/* ---- wslay ---- */

static ssize_t
on_recv(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags,
	void *user)
{
	struct connection *c = user;
	ssize_t n = recv(c->fd, bytes, size, 0);

	if (n > 0)
		return n;
	wslay_event_set_error(frames, n < 0 && errno == EAGAIN
					      ? WSLAY_ERR_WOULDBLOCK
					      : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

/* A proxy takes what it is sent. */
static ssize_t
on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size,
	int flags, void *user)
{
	struct connection *c = user;
	ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL);

	if (n < 0)
		wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
	return n;
}

static void
on_message(wslay_event_context_ptr frames,
	const struct wslay_event_on_msg_recv_arg *m, void *user)
{
	struct wslay_event_msg echo = {m->opcode, m->msg, m->msg_length};

	if (!wslay_is_ctrl_frame(m->opcode))
		wslay_event_queue_msg(frames, &echo);
}

static const struct wslay_event_callbacks callbacks = {
	.recv_callback = on_recv,
	.send_callback = on_send,
	.on_msg_recv_callback = on_message,
};

/* ---- connections ---- */

/* A client says nothing more before it has the answer. */
static bool
shake_hands(struct connection *c)
{
	ssize_t n = recv(c->fd, c->head + c->head_length,
		sizeof(c->head) - c->head_length, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->head_length += (size_t)n;
	if (!memmem(c->head, c->head_length, "\r\n\r\n", 4))
		return c->head_length < sizeof(c->head);
	if (wslay_event_context_server_init(&c->frames, &callbacks, c))
		abort();
	n = send(c->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
	return n == sizeof(answer) - 1;
}

/* false: the connection is over. */
static bool
serve(struct connection *c)
{
	if (!c->frames)
		return shake_hands(c);
	return !wslay_event_recv(c->frames) && !wslay_event_send(c->frames) &&
	       (wslay_event_want_read(c->frames) ||
		       wslay_event_want_write(c->frames));
}

static void
take(int listener, int epoll_fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct connection *c;

	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	c->fd = fd;
	event.data.ptr = c;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		abort();
}

static int
listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(path, 0666) < 0 || listen(fd, 1024) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int
main(int argc, char **argv)
{
	struct epoll_event event = {.events = EPOLLIN}, events[64];
	int listener, epoll_fd = epoll_create1(EPOLL_CLOEXEC);

	if (argc != 2 || (listener = listen_on(argv[1])) < 0) {
		fprintf(stderr, "ws_upstream: usage: ws_upstream SOCKET: %s\n",
			strerror(errno));
		return 1;
	}
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
		abort();
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				take(listener, epoll_fd);
			else if (!serve(events[i].data.ptr))
				connection_close(events[i].data.ptr);
		}
	}
}
