/* notify: see notify.h. */
#include "tests/system/harness/notify.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "proto/util/memory.h"
#include "tests/system/harness/run.h"

int
notify_listen(struct gateway_run *g)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	g->notify = memory_format("%s/notify", g->dir);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", g->notify);
	cr_assert(
		!bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	return fd;
}

const char *
notify_await(int fd, const char *text, const char *never)
{
	static char message[4096];

	for (;;) {
		struct pollfd readable = {.fd = fd, .events = POLLIN};
		ssize_t got;

		cr_assert_eq(poll(&readable, 1, RUN_DEADLINE_MS), 1,
			"no %s came", text);
		got = recv(fd, message, sizeof(message) - 1, 0);
		message[got > 0 ? got : 0] = 0;
		if (strstr(message, text))
			return message;
		cr_assert(!never || !strstr(message, never),
			"'%s' came before %s", message, text);
	}
}
