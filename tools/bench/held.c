/* held: many requests that wait at the same time, one on each connection.
 *
 *	held HOST PORT PATH COUNT
 *
 * Prints "sent" when all of them are sent, waits for the answers, and prints
 * one line of JSON: how many were 200, and when the first and the last one came
 * (microseconds of CLOCK_MONOTONIC). */
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

static long long
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
die(const char *what)
{
	fprintf(stderr, "held: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Comes from one of some addresses of loopback, as one address gets half of the
 * places only. The port is chosen with the connection: the ports of the last
 * run may still be in TIME_WAIT. */
static void
ask(int epoll, const struct sockaddr_in *to, const char *request, long number)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	struct sockaddr_in from = {.sin_family = AF_INET,
		.sin_addr.s_addr =
			htonl(INADDR_LOOPBACK + (uint32_t)(number % 4))};
	int on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			      sizeof(on)))
		die("socket");
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("bind");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)))
		die("connect");
	if (write(fd, request, strlen(request)) != (ssize_t)strlen(request))
		die("write");
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

/* An answer is small and comes in one piece. The connection stays open, as a
 * keep-alive client's does: a close costs the server more than the answer. */
static bool
is_good(int fd)
{
	char bytes[1024];
	ssize_t got = read(fd, bytes, sizeof(bytes));

	return got > 12 && !memcmp(bytes, "HTTP/1.1 200", 12);
}

static void
collect(int epoll, long count)
{
	struct epoll_event events[512];
	long long first_us = 0, last_us = 0;
	long good = 0;

	for (long left = count; left;) {
		int ready = epoll_wait(epoll, events, 512, -1);

		if (ready < 0 && errno != EINTR)
			die("epoll_wait");
		last_us = now_us();
		if (!first_us)
			first_us = last_us;
		for (int i = 0; i < ready; i++, left--)
			good += is_good(events[i].data.fd);
	}
	printf("{\"good\": %ld, \"first_us\": %lld, \"last_us\": %lld}\n", good,
		first_us, last_us);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct rlimit files;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	char request[1024];
	long count;

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: held HOST PORT PATH COUNT\n");
		return 64;
	}
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	count = atol(argv[4]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", argv[3]);
	for (long i = 0; i < count; i++)
		ask(epoll, &to, request, i);
	puts("sent");
	fflush(stdout);
	collect(epoll, count);
	return 0;
}
