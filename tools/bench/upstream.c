/* upstream: the program behind the proxies that supd is compared with: what
 * the bench plugin answers, as a plain HTTP/1.1 server on a unix socket, as
 * lean as C and epoll make it. Trusts its proxy; it is no server for others. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BODY_BYTES = 128, BUFFER_BYTES = 16384 };

struct connection {
	int fd;
	size_t in_bytes, out_bytes;
	char in[BUFFER_BYTES], out[BUFFER_BYTES];
};

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			   "Content-Length: 128\r\n\r\n";
static char body[BODY_BYTES + 1];

static void
connection_close(struct connection *c)
{
	close(c->fd);
	free(c);
}

static void
answer(struct connection *c, const char *content)
{
	memcpy(c->out + c->out_bytes, head, sizeof(head) - 1);
	c->out_bytes += sizeof(head) - 1;
	memcpy(c->out + c->out_bytes, content, BODY_BYTES);
	c->out_bytes += BODY_BYTES;
}

static size_t
body_length(const char *text, const char *end)
{
	const char *line = text;

	while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		line++;
		if (end - line > 15 &&
			strncasecmp(line, "content-length:", 15) == 0)
			return (size_t)atol(line + 15);
	}
	return 0;
}

/* Answers the first request of the buffer; returns its bytes, 0 when it is
 * not complete. */
static size_t
serve_one(struct connection *c, const char *text, size_t bytes)
{
	const char *end = memmem(text, bytes, "\r\n\r\n", 4);
	size_t length;

	if (!end)
		return 0;
	end += 4;
	if (text[0] != 'P') {
		answer(c, body);
		return (size_t)(end - text);
	}
	length = body_length(text, end);
	if (length != BODY_BYTES || (size_t)(text + bytes - end) < length)
		return 0;
	answer(c, end);
	return (size_t)(end - text) + length;
}

/* false: the connection is over. A proxy has one request out at a time, so
 * an answer always fits the socket. */
static bool
serve(struct connection *c)
{
	size_t used = 0, one;
	ssize_t n = recv(
		c->fd, c->in + c->in_bytes, sizeof(c->in) - c->in_bytes, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	c->in_bytes += (size_t)n;
	while (used < c->in_bytes && c->out_bytes + 1024 < sizeof(c->out) &&
		(one = serve_one(c, c->in + used, c->in_bytes - used)) > 0)
		used += one;
	if (used)
		memmove(c->in, c->in + used, c->in_bytes - used);
	c->in_bytes -= used;
	n = c->out_bytes ? send(c->fd, c->out, c->out_bytes, MSG_NOSIGNAL) : 0;
	if (n != (ssize_t)c->out_bytes)
		return false;
	c->out_bytes = 0;
	return true;
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
	int listener, epoll_fd = epoll_create1(EPOLL_CLOEXEC), n;

	if (argc != 2 || (listener = listen_on(argv[1])) < 0) {
		fprintf(stderr, "upstream: usage: upstream SOCKET: %s\n",
			strerror(errno));
		return 1;
	}
	n = snprintf(body, sizeof(body), "v=1;p=%d;", (int)getpid());
	memset(body + n, '.', BODY_BYTES - (size_t)n);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
		abort();
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		n = epoll_wait(epoll_fd, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				take(listener, epoll_fd);
			else if (!serve(events[i].data.ptr))
				connection_close(events[i].data.ptr);
		}
	}
}
