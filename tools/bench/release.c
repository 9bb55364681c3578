/* release: what a server's sends cost by themselves: a program that lets COUNT
 * clients wait and then answers all of them, one send for each and nothing
 * else. It stands beside supd's release of requests that it held.
 *
 *	release PORT COUNT
 *
 * Prints "ready" when it listens, and "held" when each client has sent
 * something; answers when a line comes on stdin. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\n"
			     "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
			     "X-Request-Id: 0123456789ab-00000000\r\n"
			     "Content-Type: text/plain; charset=utf-8\r\n"
			     "Content-Length: 2\r\n\r\n1\n";

static void
die(const char *what)
{
	fprintf(stderr, "release: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
listen_on(const char *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("socket");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096))
		die("listen");
	return fd;
}

static void
raise_files(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
say(const char *word)
{
	puts(word);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int listener, *clients;
	char bytes[1024];
	long count;

	if (argc != 3 || (count = atol(argv[2])) < 1) {
		fprintf(stderr, "usage: release PORT COUNT\n");
		return 64;
	}
	raise_files();
	listener = listen_on(argv[1]);
	clients = calloc((size_t)count, sizeof(*clients));
	if (!clients)
		die("memory");
	say("ready");
	for (long i = 0; i < count; i++) {
		clients[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (clients[i] < 0 ||
			recv(clients[i], bytes, sizeof(bytes), 0) <= 0)
			die("accept");
	}
	say("held");
	if (!fgets(bytes, sizeof(bytes), stdin))
		return 0;
	for (long i = 0; i < count; i++)
		if (send(clients[i], answer, sizeof(answer) - 1, MSG_NOSIGNAL) <
			0)
			die("send");
	while (fgets(bytes, sizeof(bytes), stdin)) /* until its end */
		;
	return 0;
}
