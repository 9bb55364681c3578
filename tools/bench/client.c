/* client: one keep-alive HTTP connection with one request at a time. The
 * parser knows what a 128-byte answer with Content-Length needs, no more. */
#include "tools/bench/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BODY_BYTES = 128 };

int
target_parse(struct target *t, const char *text, const char *path)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&t->address;
	struct sockaddr_un *un = (struct sockaddr_un *)&t->address;
	const char *colon = strrchr(text, ':');
	size_t bytes = colon ? (size_t)(colon - text) : 0;

	t->path = path;
	if (strncmp(text, "unix:", 5) == 0) {
		if (strlen(text + 5) >= sizeof(un->sun_path))
			return -1;
		un->sun_family = AF_UNIX;
		strcpy(un->sun_path, text + 5);
		t->length = sizeof(*un);
		strcpy(t->host, "localhost");
		return 0;
	}
	if (!colon || bytes >= sizeof(t->host))
		return -1;
	memcpy(t->host, text, bytes);
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(colon + 1));
	t->length = sizeof(*in);
	return inet_pton(AF_INET, t->host, &in->sin_addr) == 1 ? 0 : -1;
}

void
client_init(struct client *c, const struct target *target, int epoll_fd,
	uint16_t index)
{
	*c = (struct client){.fd = -1,
		.epoll_fd = epoll_fd,
		.index = index,
		.target = target};
}

void
client_finish(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CLIENT_CLOSED;
}

/* Ends the request, if there is one, and hands it to the owner. */
static void
conclude(struct client *c, enum record_outcome outcome)
{
	c->record.outcome = (uint8_t)outcome;
	c->record.end_us = run_now_us();
	c->answer_bytes = 0;
	if (outcome != RECORD_OK && outcome != RECORD_STATUS &&
		outcome != RECORD_BODY)
		client_finish(c);
	else
		c->state = CLIENT_IDLE;
	c->on_done(c, c->user);
}

static void
fail(struct client *c, enum record_outcome outcome)
{
	if (c->has_request) {
		conclude(c, outcome);
		return;
	}
	client_finish(c);
}

static void
flush_request(struct client *c)
{
	while (c->request_sent < c->request_bytes) {
		ssize_t n = send(c->fd, c->request + c->request_sent,
			c->request_bytes - c->request_sent, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			c->closed_by_server++;
			fail(c, RECORD_CLOSED);
			return;
		}
		c->request_sent += (size_t)n;
	}
}

static void
begin_request(struct client *c)
{
	c->state = CLIENT_BUSY;
	c->record.sent_us = run_now_us();
	flush_request(c);
}

void
client_connect(struct client *c)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP};
	int on = 1;

	c->fd = socket(c->target->address.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		abort();
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	event.data.ptr = c;
	c->state = CLIENT_CONNECTING;
	if (connect(c->fd, (const struct sockaddr *)&c->target->address,
		    c->target->length) < 0 &&
		errno != EINPROGRESS) {
		fail(c, RECORD_CONNECT);
		return;
	}
	if (epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->fd, &event) < 0)
		abort();
}

static void
write_request(struct client *c, bool post, uint64_t number)
{
	char body[BODY_BYTES + 1] = "";
	int n;

	if (post) {
		n = snprintf(body, sizeof(body), "n=%llu;c=%u;",
			(unsigned long long)number, c->index);
		memset(body + n, '.', sizeof(body) - 1 - (size_t)n);
	}
	n = snprintf(c->request, sizeof(c->request),
		post ? "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: "
		       "text/plain\r\nContent-Length: 128\r\n\r\n%s"
		     : "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n%s",
		c->target->path, c->target->host, body);
	assert(n > 0 && (size_t)n < sizeof(c->request));
	c->request_bytes = (size_t)n;
	c->request_sent = 0;
	c->body = post ? c->request + n - BODY_BYTES : NULL;
}

void
client_send(struct client *c, uint64_t due_us, bool post, uint64_t number)
{
	assert(!c->has_request);
	c->has_request = true;
	c->record = (struct record){
		.due_us = due_us, .post = post, .connection = c->index};
	write_request(c, post, number);
	if (c->state == CLIENT_CLOSED)
		client_connect(c);
	else
		begin_request(c);
}

static long
content_length(const char *head)
{
	const char *line = head;

	while ((line = strstr(line, "\r\n")) != NULL) {
		line += 2;
		if (strncasecmp(line, "content-length:", 15) == 0)
			return atol(line + 15);
	}
	return -1;
}

static bool
body_is_right(struct client *c, const char *body, long bytes)
{
	const char *said =
		c->target->any_body ? strstr(body, "\"pid\":") : NULL;
	unsigned version, pid;

	if (said)
		c->record.pid = (uint32_t)atoi(said + 6);
	if (c->target->any_body)
		return true;
	if (bytes != BODY_BYTES)
		return false;
	if (c->body)
		return memcmp(c->body, body, BODY_BYTES) == 0;
	if (sscanf(body, "v=%u;p=%u;", &version, &pid) != 2)
		return false;
	c->record.version = version;
	c->record.pid = pid;
	return true;
}

/* Concludes the request once its whole answer is there. */
static void
parse_answer(struct client *c)
{
	char *end, *body;
	long bytes;

	c->answer[c->answer_bytes] = '\0';
	end = strstr(c->answer, "\r\n\r\n");
	if (!end)
		return;
	*end = '\0';
	body = end + 4;
	bytes = content_length(c->answer);
	if (strncmp(c->answer, "HTTP/1.", 7) != 0 || bytes < 0) {
		fail(c, RECORD_MALFORMED);
		return;
	}
	if (c->answer_bytes - (size_t)(body - c->answer) < (size_t)bytes) {
		*end = '\r';
		return;
	}
	c->record.status = (uint16_t)atoi(c->answer + 9);
	if (c->answer + c->answer_bytes > body + bytes) {
		fail(c, RECORD_MALFORMED); /* two answers to one request */
		return;
	}
	if (c->record.status != 200)
		conclude(c, RECORD_STATUS);
	else
		conclude(c, body_is_right(c, body, bytes) ? RECORD_OK
							  : RECORD_BODY);
}

static void
read_answer(struct client *c)
{
	while (c->fd >= 0) {
		ssize_t n = recv(c->fd, c->answer + c->answer_bytes,
			sizeof(c->answer) - 1 - c->answer_bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 && c->answer_bytes < sizeof(c->answer) - 1) {
			c->closed_by_server++;
			fail(c, RECORD_CLOSED);
			return;
		}
		if (n <= 0 || c->state != CLIENT_BUSY) {
			c->unasked++; /* an answer too long, or to nothing */
			fail(c, RECORD_MALFORMED);
			return;
		}
		c->answer_bytes += (size_t)n;
		parse_answer(c);
	}
}

static void
on_connected(struct client *c)
{
	int error = 0;
	socklen_t length = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		fail(c, RECORD_CONNECT);
		return;
	}
	c->state = CLIENT_IDLE;
	if (c->has_request)
		begin_request(c);
	else
		c->on_done(c, c->user);
}

void
client_on_event(struct client *c, uint32_t events)
{
	if (c->state == CLIENT_CONNECTING &&
		(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		on_connected(c);
	if (c->state == CLIENT_BUSY && (events & EPOLLOUT))
		flush_request(c);
	if (c->fd >= 0 && c->state != CLIENT_CONNECTING &&
		(events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
		read_answer(c);
}

void
client_expire(struct client *c, uint64_t now_us, uint64_t timeout_us)
{
	if (c->has_request && now_us - c->record.due_us > timeout_us)
		fail(c, RECORD_TIMEOUT);
}
