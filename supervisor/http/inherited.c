/* inherited: reads the environment once, at the start. */
#include "supervisor/http/inherited.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/memory.h"

#define FIRST 3
#define COUNT_MAX 1000
#define NAMELESS "unknown" /* systemd's name for sockets without one */

static long
number_of(const char *variable)
{
	const char *text = getenv(variable);
	char *end;
	long number;

	if (!text || !*text)
		return -1;
	number = strtol(text, &end, 10);
	return *end ? -1 : number;
}

/* Takes the next of the names separated by colons. */
static char *
take_name(const char **at)
{
	size_t length = strcspn(*at, ":");
	char *name = length ? memory_copy_bytes(*at, length)
			    : memory_copy_text(NAMELESS);

	*at += length + ((*at)[length] == ':');
	return name;
}

void
inherited_take(struct inherited *in)
{
	const char *names = getenv("LISTEN_FDNAMES");
	long count = number_of("LISTEN_FDS");

	*in = (struct inherited){.first = FIRST};
	if (number_of("LISTEN_PID") == getpid() && count > 0 &&
		count <= COUNT_MAX) {
		names = names ? names : "";
		in->count = (uint32_t)count;
		in->names = memory_alloc((size_t)count * sizeof(char *));
		for (uint32_t i = 0; i < in->count; i++) {
			in->names[i] = take_name(&names);
			fcntl(FIRST + (int)i, F_SETFD, FD_CLOEXEC);
		}
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

void
inherited_finish(struct inherited *in)
{
	for (uint32_t i = 0; i < in->count; i++) {
		free(in->names[i]);
		close(in->first + (int)i);
	}
	free(in->names);
	*in = (struct inherited){0};
}

uint32_t
inherited_count(const struct inherited *in, const char *name)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < in->count; i++)
		count += !strcmp(in->names[i], name);
	return count;
}

static bool
has_option(int fd, int option, int expected)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return !getsockopt(fd, SOL_SOCKET, option, &value, &length) &&
	       value == expected;
}

int
inherited_open(const struct inherited *in, const char *name, uint32_t which,
	struct error *err)
{
	int fd;

	for (uint32_t i = 0; i < in->count; i++) {
		if (strcmp(in->names[i], name) || which--)
			continue;
		fd = in->first + (int)i;
		if (!has_option(fd, SO_TYPE, SOCK_STREAM) ||
			!has_option(fd, SO_ACCEPTCONN, 1))
			return error_set(err,
				"cannot listen on fd:%s: descriptor %d is not "
				"a listening stream socket",
				name, fd);
		fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST);
		if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
			return error_set(err, "cannot listen on fd:%s: %s",
				name, strerror(errno));
		return fd;
	}
	return error_set(err,
		"cannot listen on fd:%s: no socket of that name was passed on "
		"(LISTEN_FDNAMES)",
		name);
}
