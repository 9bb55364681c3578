/* sessions: many sessions at /ws of one supd, all subscribed to `bench.*`.
 *
 *   sessions HOST:PORT TOKEN COUNT
 *
 * Prints "open COUNT" when all are subscribed. Then it takes commands, a line
 * each: "emit" emits an event through /api and prints "all US", the time from
 * the request until the last session had it; "closed" prints how many sessions
 * have ended. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536
#define MARK "\"bench.mark\""

struct session {
	int fd;
	bool is_open; /* its subscription was answered */
};

static struct sockaddr_in address;
static const char *token;
static struct session *sessions;
static unsigned count, opened, closed, reached;
static int epoll_fd;

static void
fail(const char *what)
{
	fprintf(stderr, "sessions: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int
open_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	return fd;
}

static void
say(int fd, const void *bytes, size_t size)
{
	if (send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
		fail("send");
}

/* The request and, right behind it, the subscription. */
static void
begin(struct session *s)
{
	static const char call[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\","
		"\"params\":{\"patterns\":[\"bench.*\"]}}";
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
	char text[1000];
	int length = snprintf(text, sizeof(text),
		"GET /ws HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Authorization: Bearer %s\r\n\r\n"
		"\x81%c%c%c%c%c%s",
		token, (char)(0x80 | (sizeof(call) - 1)), 'm', 'm', 'm', 'm',
		call);

	for (int i = length - (int)sizeof(call) + 1; i < length; i++)
		text[i] ^= 'm';
	s->fd = open_socket();
	say(s->fd, text, (size_t)length);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &event))
		fail("epoll_ctl");
}

/* A session has at most one event on its way, which comes in one piece. */
static void
on_bytes(struct session *s)
{
	static char input[READ_BYTES];
	ssize_t n = recv(s->fd, input, sizeof(input), 0);

	if (n <= 0) {
		closed++;
		close(s->fd);
		return;
	}
	if (!s->is_open && memmem(input, (size_t)n, "\"patterns\"", 10)) {
		s->is_open = true;
		opened++;
	}
	if (memmem(input, (size_t)n, MARK, strlen(MARK)))
		reached++;
	if (n == 2 && !memcmp(input, "\x89\0", 2))
		say(s->fd, "\x8a\x80mmmm", 6);
}

/* Reads until `*counter` is `wanted`, or 30 s are over. */
static void
run_until(const unsigned *counter, unsigned wanted)
{
	uint64_t end_us = now_us() + 30000000;
	struct epoll_event events[256];

	while (*counter < wanted && now_us() < end_us) {
		int n = epoll_wait(epoll_fd, events, 256, 1000);

		for (int i = 0; i < n; i++)
			on_bytes(events[i].data.ptr);
	}
	if (*counter < wanted)
		fail("not all came");
}

static void
emit(void)
{
	static int fd = -1;
	char text[500], answer[1000];
	uint64_t began_us;
	int length = snprintf(text, sizeof(text),
		"POST /api/events/bench.mark HTTP/1.1\r\nHost: bench\r\n"
		"Authorization: Bearer %s\r\nContent-Length: 9\r\n\r\n"
		"{\"n\": 12}",
		token);

	if (fd < 0)
		fd = open_socket();
	reached = 0;
	began_us = now_us();
	say(fd, text, (size_t)length);
	run_until(&reached, count);
	printf("all %llu\n", (unsigned long long)(now_us() - began_us));
	if (recv(fd, answer, sizeof(answer), 0) <= 0)
		fail("emit");
}

/* Commands come between events, so the sessions are read meanwhile. */
static void
serve(void)
{
	struct epoll_event event = {.events = EPOLLIN}, events[256];
	char line[100];

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event))
		fail("epoll_ctl");
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 256, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr) {
				on_bytes(events[i].data.ptr);
				continue;
			}
			if (!fgets(line, sizeof(line), stdin))
				return;
			if (!strcmp(line, "emit\n"))
				emit();
			else if (!strcmp(line, "closed\n"))
				printf("closed %u\n", closed);
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
	char *colon = argc == 4 ? strrchr(argv[1], ':') : NULL;

	if (!colon) {
		fprintf(stderr, "usage: sessions HOST:PORT TOKEN COUNT\n");
		return 2;
	}
	*colon = '\0';
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)atoi(colon + 1));
	inet_pton(AF_INET, argv[1], &address.sin_addr);
	raise_files();
	token = argv[2];
	count = (unsigned)atoi(argv[3]);
	sessions = calloc(count, sizeof(*sessions));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!sessions || epoll_fd < 0)
		fail("start");
	for (unsigned i = 0; i < count; i++) {
		begin(&sessions[i]);
		if (i % 100 == 99)
			run_until(&opened, i + 1);
	}
	run_until(&opened, count);
	printf("open %u\n", opened);
	serve();
	return 0;
}
