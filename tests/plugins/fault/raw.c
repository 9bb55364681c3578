/* raw: faults below the host: what a worker can do wrong with its socket
 * before hello. The mode comes from FAULT_MODE, because settings come only
 * with hello's answer. */
#include <errno.h>
#include <stdint.h>
#include <stdbool.h>
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

/* What a mode says on a link that is open and greeted. */
static bool
raw_say(int fd, const char *mode)
{
	/* [0, 1, "hello", ["x"]] and [0, 1, "hello", [99, NONCE, "fault"]] */
	static const char bad[] = "\x94\x00\x01\xa5hello\x91\xa1x";
	const char *nonce = getenv("SUPD_NONCE");
	char wrong[200];
	int length;

	if (!strcmp(mode, "garbage")) {
		raw_garbage(fd);
	} else if (!strcmp(mode, "garbage_message")) {
		raw_frame(fd, "\xdf\xff\xff\xff\xff\x01", 6);
	} else if (!strcmp(mode, "bad_hello")) {
		raw_frame(fd, bad, sizeof(bad) - 1);
	} else if (!strcmp(mode, "wrong_version")) {
		length = snprintf(wrong, sizeof(wrong),
			"\x94%c\x01\xa5hello\x93\x63\xd9%c%s\xa5"
			"fault",
			1, (int)strlen(nonce), nonce);
		wrong[1] = 0;
		raw_frame(fd, wrong, (uint8_t)length);
	} else {
		return !strcmp(mode, "never_hello");
	}
	return true;
}

void
raw_run(const char *mode)
{
	static const char *const modes[] = {"never_hello", "garbage",
		"garbage_message", "bad_hello", "wrong_version"};
	int fd;

	while (!strcmp(mode, "never_connects"))
		pause();
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(mode, modes[i]))
			continue;
		fd = raw_connect();
		if (strcmp(mode, "garbage"))
			raw_write(fd, greeting, sizeof(greeting));
		raw_say(fd, mode);
		raw_wait(fd);
	}
}

void
raw_run_late(const char *mode)
{
	/* garbage is for a worker that serves: fault.c. */
	if (!strcmp(mode, "garbage"))
		return;
	while (!strcmp(mode, "never_connects"))
		pause();
	while (raw_say(raw_link_fd(), mode))
		for (;;)
			pause();
}

const char *
raw_mode_of_manifest(void)
{
	static char text[4096];
	FILE *file = fopen("plugin.yaml", "r");
	size_t size = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
	char *mode = strstr(text, "mode:");

	if (file)
		fclose(file);
	text[size] = '\0';
	if (!mode)
		return NULL;
	mode += strspn(mode + 5, " ") + 5;
	mode[strcspn(mode, " ,}\n")] = '\0';
	return mode;
}
