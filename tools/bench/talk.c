/* talk: many WebSocket connections to a plugin or program that echoes.
 *
 *	talk HOST:PORT PATH CONNECTIONS PERIOD_MS
 *
 * Each connection says "ping" every PERIOD_MS, or as soon as it has the last
 * echo (0). Prints "open" when all are open. For each line on stdin it prints
 * a line of JSON about the time since the line before: the echoes, the seconds,
 * the median time to an echo and the longest, which counts echoes that are
 * still awaited, in us; and how many connections have ended so far. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INPUT_BYTES 512
#define TIMES_MAX (1u << 24)

struct talker {
	int fd;
	uint64_t said_us; /* 0: no echo is awaited */
	size_t length;
	unsigned char input[INPUT_BYTES];
};

static const char message[] = "\x81\x84\0\0\0\0ping";
static struct talker *talkers;
static unsigned count, closed, next;
static uint64_t period_us, began_us, next_us;
static uint32_t *times;
static size_t times_count;
static int epoll_fd;

static void
fail(const char *what)
{
	fprintf(stderr, "talk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- opening ---- */

static void
take_answer(const struct talker *t)
{
	char answer[1024];
	size_t length = 0;

	while (!memmem(answer, length, "\r\n\r\n", 4)) {
		ssize_t n = recv(t->fd, answer + length, 1, 0);

		if (n <= 0 || ++length == sizeof(answer))
			fail("no answer to the handshake");
	}
	if (length < 12 || memcmp(answer, "HTTP/1.1 101", 12)) {
		errno = EPROTO;
		fail("the handshake was refused");
	}
}

static void
open_talker(struct talker *t, const struct sockaddr_in *to, const char *path)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = t};
	char text[512];
	int on = 1, length = snprintf(text, sizeof(text),
			    "GET %s HTTP/1.1\r\nHost: bench\r\n"
			    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
			    "Sec-WebSocket-Version: 13\r\n"
			    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
			    "\r\n",
			    path);

	t->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->fd < 0 ||
		connect(t->fd, (const struct sockaddr *)to, sizeof(*to)))
		fail("connect");
	setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (send(t->fd, text, (size_t)length, MSG_NOSIGNAL) != length)
		fail("send");
	take_answer(t);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, t->fd, &event))
		fail("epoll_ctl");
}

/* ---- talking ---- */

static void
end(struct talker *t)
{
	close(t->fd);
	t->fd = -1;
	t->said_us = 0;
	closed++;
}

static void
say(struct talker *t, uint64_t at_us)
{
	if (t->fd < 0 || t->said_us)
		return;
	t->said_us = at_us;
	if (send(t->fd, message, sizeof(message) - 1, MSG_NOSIGNAL) < 0)
		end(t);
}

static void
echoed(struct talker *t, uint64_t at_us)
{
	if (times_count < TIMES_MAX)
		times[times_count++] = (uint32_t)(at_us - t->said_us);
	t->said_us = 0;
	if (!period_us)
		say(t, at_us);
}

/* A worker that takes a connection over may say something first. */
static void
take_frames(struct talker *t, uint64_t at_us)
{
	unsigned char *at = t->input, *end_of = t->input + t->length;

	while (end_of - at >= 2 && end_of - at >= 2 + at[1]) {
		if (at[0] == 0x88) {
			end(t);
			return;
		}
		if (at[1] == 4 && !memcmp(at + 2, "ping", 4) && t->said_us)
			echoed(t, at_us);
		at += 2 + at[1];
	}
	t->length = (size_t)(end_of - at);
	memmove(t->input, at, t->length);
}

static void
on_bytes(struct talker *t)
{
	ssize_t n;

	if (t->fd < 0)
		return;
	n = recv(t->fd, t->input + t->length, INPUT_BYTES - t->length,
		MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(t);
		return;
	}
	t->length += (size_t)n;
	take_frames(t, now_us());
}

/* With a period the connections take turns, so that one of them is always about
 * to say something. Returns how long to wait, in ms. */
static int
say_what_is_due(void)
{
	uint64_t now = now_us();

	if (!period_us)
		return -1;
	for (; next_us <= now; next = (next + 1) % count) {
		say(&talkers[next], now);
		next_us += period_us / count;
	}
	return 1;
}

/* ---- laps ---- */

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
lap(void)
{
	uint64_t now = now_us(), longest = 0;

	qsort(times, times_count, sizeof(*times), compare);
	if (times_count)
		longest = times[times_count - 1];
	for (unsigned i = 0; i < count; i++)
		if (talkers[i].said_us && now - talkers[i].said_us > longest)
			longest = now - talkers[i].said_us;
	printf("{\"echoes\": %zu, \"seconds\": %f, \"p50Us\": %u, "
	       "\"longestUs\": %llu, \"closed\": %u}\n",
		times_count, (double)(now - began_us) / 1e6,
		times_count ? times[times_count / 2] : 0,
		(unsigned long long)longest, closed);
	times_count = 0;
	began_us = now_us();
}

static void
run(void)
{
	struct epoll_event event = {.events = EPOLLIN}, events[256];
	char line[16];

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event))
		fail("epoll_ctl");
	began_us = next_us = now_us();
	for (unsigned i = 0; !period_us && i < count; i++)
		say(&talkers[i], began_us);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, say_what_is_due());

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				on_bytes(events[i].data.ptr);
			else if (fgets(line, sizeof(line), stdin))
				lap();
			else
				return;
		}
	}
}

static void
raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	char *colon = argc == 5 ? strrchr(argv[1], ':') : NULL;

	if (!colon || (count = (unsigned)atoi(argv[3])) == 0) {
		fprintf(stderr,
			"usage: talk HOST:PORT PATH CONNECTIONS PERIOD_MS\n");
		return 64;
	}
	*colon = '\0';
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	period_us = strtoul(argv[4], NULL, 10) * 1000;
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	raise_files();
	talkers = calloc(count, sizeof(*talkers));
	times = malloc(TIMES_MAX * sizeof(*times));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!talkers || !times || epoll_fd < 0 ||
		inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		fail("start");
	for (unsigned i = 0; i < count; i++)
		open_talker(&talkers[i], &to, argv[2]);
	puts("open");
	run();
	return 0;
}
