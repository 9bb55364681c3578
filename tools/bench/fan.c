/* fan: what a fan-out costs by itself: a program that sends a message to COUNT
 * processes and waits until each has answered. It stands beside supd's event to
 * as many observers, as it depends on the number of processors.
 *
 *	fan COUNT
 *
 * For each line on stdin it does that once, and prints the time in us. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char event[126], reply[16];

static void
die(const char *what)
{
	fprintf(stderr, "fan: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static _Noreturn void
observe(int fd)
{
	char bytes[sizeof(event)];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (recv(fd, bytes, sizeof(bytes), 0) > 0)
		if (send(fd, reply, sizeof(reply), MSG_NOSIGNAL) < 0)
			break;
	_exit(0);
}

static int
observer_start(void)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		observe(pair[1]);
	close(pair[1]);
	return pair[0];
}

static void
round_trip(const int *fds, int count)
{
	char bytes[sizeof(reply)];
	long long began_us = now_us();

	for (int i = 0; i < count; i++)
		if (send(fds[i], event, sizeof(event), MSG_NOSIGNAL) < 0)
			die("send");
	for (int i = 0; i < count; i++)
		if (recv(fds[i], bytes, sizeof(bytes), 0) <= 0)
			die("recv");
	printf("%lld\n", now_us() - began_us);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	int count = argc == 2 ? atoi(argv[1]) : 0;
	int fds[256];
	char line[16];

	if (count < 1 || count > 256) {
		fprintf(stderr, "usage: fan COUNT\n");
		return 64;
	}
	for (int i = 0; i < count; i++)
		fds[i] = observer_start();
	while (fgets(line, sizeof(line), stdin))
		round_trip(fds, count);
	return 0;
}
