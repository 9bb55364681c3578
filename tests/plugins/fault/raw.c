/* raw: faults below the host: what a worker can do wrong with its socket
 * before hello. The mode comes from FAULT_MODE, because settings come only
 * with hello's answer. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fault.h"

static const char greeting[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};

static int
raw_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		getenv("SUPD_SOCKET"));
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		perror("fault: connect");
		exit(1);
	}
	return fd;
}

static void
raw_write(int fd, const void *bytes, size_t size)
{
	if (write(fd, bytes, size) < 0)
		perror("fault: write");
}

static void
raw_frame(int fd, const void *bytes, uint8_t size)
{
	uint8_t header[9] = {1, 0, 0, 0, 0, 0, 0, 0, size};

	raw_write(fd, header, sizeof(header));
	raw_write(fd, bytes, size);
}

/* Until supd closes the socket. */
static void
raw_wait(int fd)
{
	char bytes[4096];
	ssize_t got;

	while ((got = read(fd, bytes, sizeof(bytes))) != 0)
		if (got < 0 && errno != EINTR)
			break;
	exit(0);
}

void
raw_garbage(int fd)
{
	unsigned char bytes[1024];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(0xff - i * 7);
	raw_write(fd, bytes, sizeof(bytes));
}

int
raw_link_fd(void)
{
	const char *path = getenv("SUPD_SOCKET");

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_un address = {0};
		socklen_t size = sizeof(address);

		if (!getpeername(fd, (struct sockaddr *)&address, &size) &&
			!strcmp(address.sun_path, path))
			return fd;
	}
	return -1;
}

void
raw_run(const char *mode)
{
	/* [0, 1, "hello", ["x"]] and [0, 1, "hello", [99, NONCE, "fault"]] */
	static const char bad[] = "\x94\x00\x01\xa5hello\x91\xa1x";
	char wrong[200];
	int length;

	if (!strcmp(mode, "never_hello")) {
		int fd = raw_connect();

		raw_write(fd, greeting, sizeof(greeting));
		raw_wait(fd);
	}
	if (!strcmp(mode, "never_connects"))
		for (;;)
			pause();
	if (!strcmp(mode, "garbage")) {
		int fd = raw_connect();

		raw_garbage(fd);
		raw_wait(fd);
	}
	if (!strcmp(mode, "garbage_message")) {
		int fd = raw_connect();

		raw_write(fd, greeting, sizeof(greeting));
		raw_frame(fd, "\xdf\xff\xff\xff\xff\x01", 6);
		raw_wait(fd);
	}
	if (!strcmp(mode, "bad_hello")) {
		int fd = raw_connect();

		raw_write(fd, greeting, sizeof(greeting));
		raw_frame(fd, bad, sizeof(bad) - 1);
		raw_wait(fd);
	}
	if (!strcmp(mode, "wrong_version")) {
		const char *nonce = getenv("SUPD_NONCE");
		int fd = raw_connect();

		length = snprintf(wrong, sizeof(wrong),
			"\x94%c\x01\xa5hello\x93\x63\xd9%c%s\xa5"
			"fault",
			1, (int)strlen(nonce), nonce);
		wrong[1] = 0;
		raw_write(fd, greeting, sizeof(greeting));
		raw_frame(fd, wrong, (uint8_t)length);
		raw_wait(fd);
	}
}
