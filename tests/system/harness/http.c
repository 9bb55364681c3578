/* http: see http.h. It keeps no state between connections. */
#include "tests/system/harness/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"

#define READ_BYTES ((size_t)64 * 1024)

/* ---- connection ---- */

static int
open_tcp(const char *where)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const char *colon = strrchr(where, ':');
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

static int
open_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

bool
client_open(struct client *c, const char *where)
{
	memset(c, 0, sizeof(*c));
	c->fd = *where == '/' ? open_unix(where) : open_tcp(where);
	return c->fd >= 0;
}

void
client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->input);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

bool
client_send(struct client *c, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size) {
		ssize_t sent = send(c->fd, at, size, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

bool
client_say(struct client *c, const char *format, ...)
{
	char *text;
	va_list list;
	int length;
	bool sent;

	va_start(list, format);
	length = vasprintf(&text, format, list);
	va_end(list);
	sent = client_send(c, text, (size_t)length);
	free(text);
	return sent;
}

/* Takes in what is there; false at EOF, error and deadline. */
static bool
take_in(struct client *c, uint64_t until_ms)
{
	struct pollfd readable = {.fd = c->fd, .events = POLLIN};
	uint64_t now = clock_ms();
	ssize_t got;

	if (now >= until_ms || poll(&readable, 1, (int)(until_ms - now)) != 1)
		return false;
	c->input = memory_resize(c->input, c->length + 64 * 1024 + 1);
	got = recv(c->fd, c->input + c->length, 64 * 1024, 0);
	if (got <= 0)
		return false;
	c->length += (size_t)got;
	c->input[c->length] = 0;
	return true;
}

static void
use_up(struct client *c, size_t size)
{
	memmove(c->input, c->input + size, c->length - size + 1);
	c->length -= size;
}

bool
client_read_some(struct client *c, struct buffer *all)
{
	struct pollfd readable = {.fd = c->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&readable, 1, HTTP_DEADLINE_MS) != 1)
		return false;
	n = recv(c->fd, buffer_reserve(all, READ_BYTES), READ_BYTES, 0);
	buffer_commit(all, n > 0 ? (size_t)n : 0);
	return n > 0;
}

bool
client_read_until(struct client *c, struct buffer *all, const char *text)
{
	while (!buffer_length(all) ||
		!memmem(buffer_bytes(all), buffer_length(all), text,
			strlen(text)))
		if (!client_read_some(c, all))
			return false;
	return true;
}

bool
client_sees_close(struct client *c, int timeout_ms)
{
	struct pollfd readable = {.fd = c->fd, .events = POLLIN};
	char byte;

	return !c->length && poll(&readable, 1, timeout_ms) == 1 &&
	       recv(c->fd, &byte, 1, 0) <= 0;
}

/* ---- answers ---- */

void
answer_finish(struct answer *a)
{
	free(a->head);
	free(a->body);
	memset(a, 0, sizeof(*a));
}

const char *
answer_header(const struct answer *a, const char *name)
{
	static __thread char value[1024];
	size_t length = strlen(name);
	const char *line = a->head;

	while (line && (line = strstr(line, "\r\n"))) {
		line += 2;
		if (strncasecmp(line, name, length) || line[length] != ':')
			continue;
		line += length + 1;
		line += strspn(line, " \t");
		snprintf(value, sizeof(value), "%.*s", (int)strcspn(line, "\r"),
			line);
		return value;
	}
	return NULL;
}

long
answer_number(const struct answer *a, const char *key)
{
	const char *at = a->body ? strstr(a->body, key) : NULL;

	if (!at)
		return 0;
	at += strlen(key);
	at += strcspn(at, "0123456789\n");
	return strtol(at, NULL, 10);
}

int
answer_pid(const struct answer *a)
{
	static const char *const keys[] = {"\"pid\":", "p=", "pid=", "pid "};
	long pid = 0;

	for (int i = 0; i < 4 && !pid; i++)
		pid = answer_number(a, keys[i]);
	return (int)pid;
}

static bool
take_head(struct client *c, struct answer *a, uint64_t until)
{
	char *end;
	size_t size;

	while (!c->length || !(end = strstr(c->input, "\r\n\r\n")))
		if (!take_in(c, until))
			return false;
	size = (size_t)(end - c->input) + 4;
	a->head = memory_copy_bytes(c->input, size);
	use_up(c, size);
	return sscanf(a->head, "HTTP/1.%*d %d", &a->status) == 1;
}

/* In doubled steps: a long body comes in thousands of chunks. */
static void
make_room(struct answer *a, size_t size)
{
	if (a->body_bytes + size < a->body_room)
		return;
	a->body_room = 2 * (a->body_bytes + size) + 1;
	a->body = memory_resize(a->body, a->body_room);
}

static bool
take_body(struct client *c, struct answer *a, size_t size, uint64_t until)
{
	while (c->length < size)
		if (!take_in(c, until))
			return false;
	make_room(a, size);
	memcpy(a->body + a->body_bytes, c->input, size);
	a->body_bytes += size;
	a->body[a->body_bytes] = 0;
	use_up(c, size);
	return true;
}

static bool
take_chunks(struct client *c, struct answer *a, uint64_t until)
{
	size_t size;

	do {
		char *end;

		while (!c->length || !(end = strstr(c->input, "\r\n")))
			if (!take_in(c, until))
				return false;
		size = strtoul(c->input, NULL, 16);
		use_up(c, (size_t)(end - c->input) + 2);
		if (!take_body(c, a, size + 2, until))
			return false;
		a->body_bytes -= 2; /* its CRLF */
		a->body[a->body_bytes] = 0;
	} while (size);
	return true;
}

bool
client_read(struct client *c, struct answer *a, bool no_body, int timeout_ms)
{
	uint64_t until = clock_ms() + (uint64_t)timeout_ms;
	const char *value;

	memset(a, 0, sizeof(*a));
	if (!c->input)
		c->input = memory_copy_text("");
	if (!take_head(c, a, until))
		return false;
	if (a->status / 100 == 1) {
		answer_finish(a);
		return client_read(c, a, no_body, timeout_ms);
	}
	a->body = memory_copy_text("");
	value = answer_header(a, "Connection");
	a->closes = value && !strcasecmp(value, "close");
	if (no_body || a->status == 204 || a->status == 304)
		return true;
	value = answer_header(a, "Transfer-Encoding");
	if (value && !strcasecmp(value, "chunked"))
		return take_chunks(c, a, until);
	value = answer_header(a, "Content-Length");
	if (value)
		return take_body(c, a, strtoul(value, NULL, 10), until);
	while (take_in(c, until))
		continue;
	return take_body(c, a, c->length, until);
}

bool
client_get(struct client *c, const char *path, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	return client_say(c, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path) &&
	       client_read(c, a, false, HTTP_DEADLINE_MS);
}

/* An answer that comes meanwhile is taken in: who sends a long body to an echo
 * and does not read makes both sides wait for ever. False: nothing more can be
 * sent, and nothing has come. */
static bool
send_body(struct client *c, const char *at, size_t size)
{
	while (size) {
		struct pollfd both = {.fd = c->fd, .events = POLLIN | POLLOUT};
		ssize_t sent;

		if (poll(&both, 1, HTTP_DEADLINE_MS) != 1)
			return false;
		if (both.revents & POLLIN &&
			!take_in(c, clock_ms() + HTTP_DEADLINE_MS))
			return c->length > 0;
		sent = send(c->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EAGAIN)
			continue;
		if (sent <= 0)
			return c->length > 0;
		at += sent;
		size -= (size_t)sent;
	}
	return true;
}

bool
client_post(
	struct client *c, const char *path, const char *body, struct answer *a)
{
	memset(a, 0, sizeof(*a));
	return client_say(c,
		       "POST %s HTTP/1.1\r\nHost: test\r\n"
		       "Content-Length: %zu\r\n\r\n",
		       path, strlen(body)) &&
	       send_body(c, body, strlen(body)) &&
	       client_read(c, a, false, HTTP_DEADLINE_MS);
}

/* ---- one request ---- */

struct answer
http_get_with(const char *where, const char *path, const char *fields)
{
	struct client c;
	struct answer a = {0};

	cr_assert(client_open(&c, where), "cannot connect to %s", where);
	cr_assert(client_say(&c, "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n",
			  path, fields) &&
			  client_read(&c, &a, false, HTTP_DEADLINE_MS),
		"no answer to GET %s", path);
	client_close(&c);
	return a;
}

struct answer
http_get(const char *where, const char *path)
{
	return http_get_with(where, path, "");
}

struct answer
http_post(const char *where, const char *path, const char *body)
{
	struct client c;
	struct answer a = {0};

	cr_assert(client_open(&c, where), "cannot connect to %s", where);
	cr_assert(
		client_post(&c, path, body, &a), "no answer to POST %s", path);
	client_close(&c);
	return a;
}

int
http_status(const char *where, const char *path)
{
	struct answer a = http_get(where, path);
	int status = a.status;

	answer_finish(&a);
	return status;
}

int
http_pid(const char *where, const char *path)
{
	struct answer a = http_get(where, path);
	int pid = answer_pid(&a);

	cr_assert_eq(a.status, 200, "GET %s: %d %s", path, a.status, a.body);
	answer_finish(&a);
	return pid;
}

int
http_free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert(!bind(fd, (const struct sockaddr *)&address, length));
	cr_assert(!getsockname(fd, (struct sockaddr *)&address, &length));
	close(fd);
	return ntohs(address.sin_port);
}
