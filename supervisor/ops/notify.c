/* notify: see the header. A message that cannot be sent is dropped; the service
 * manager has timeouts of its own. */
#include "supervisor/ops/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"

static struct {
	int fd; /* -1: no service manager */
	struct ev_loop *loop;
	ev_timer watchdog;
} notify = {.fd = -1};

static void
send_state(const char *text)
{
	if (notify.fd >= 0 &&
		send(notify.fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		log_debug("cannot notify the service manager: %s",
			strerror(errno));
}

static void
feed(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)timer, (void)events;
	send_state("WATCHDOG=1");
}

static void
start_watchdog(struct ev_loop *loop)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	double half = usec ? strtod(usec, NULL) / 2e6 : 0;

	if (half <= 0 || (pid && strtol(pid, NULL, 10) != getpid()))
		return;
	ev_timer_init(&notify.watchdog, feed, half, half);
	ev_timer_start(loop, &notify.watchdog);
}

static void
connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; /* abstract */
	notify.fd =
		socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify.fd >= 0 &&
		connect(notify.fd, (struct sockaddr *)&address,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    length)) < 0) {
		log_warn("cannot reach the service manager at %s: %s", path,
			strerror(errno));
		close(notify.fd);
		notify.fd = -1;
	}
}

void
notify_open(struct ev_loop *loop)
{
	const char *path = getenv("NOTIFY_SOCKET");

	notify.loop = loop;
	if (path && (path[0] == '/' || path[0] == '@')) {
		connect_to(path);
		start_watchdog(loop);
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_close(void)
{
	if (notify.loop)
		ev_timer_stop(notify.loop, &notify.watchdog);
	if (notify.fd >= 0)
		close(notify.fd);
	notify.fd = -1;
}

void
notify_ready(void)
{
	send_state("READY=1");
}

void
notify_reloading(void)
{
	char text[80];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)clock_us());
	send_state(text);
}

void
notify_stopping(void)
{
	send_state("STOPPING=1");
}

void
notify_status(const char *format, ...)
{
	char text[1024] = "STATUS=";
	va_list list;

	va_start(list, format);
	vsnprintf(text + 7, sizeof(text) - 7, format, list);
	va_end(list);
	send_state(text);
}
