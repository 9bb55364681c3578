#include "syslog_link.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

void
syslog_init(struct syslog_link *l, const char *socket, const char *ident,
	int facility)
{
	*l = (struct syslog_link){socket, ident, facility | LOG_INFO, -1};
}

void
syslog_finish(struct syslog_link *l)
{
	int error = errno;

	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	errno = error;
}

static int
open_socket(struct syslog_link *l)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (l->fd >= 0)
		return 0;
	l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -1;
	memcpy(to.sun_path, l->socket, strlen(l->socket));
	if (!connect(l->fd, (const struct sockaddr *)&to, sizeof(to)))
		return 0;
	syslog_finish(l);
	return -1;
}

/* "<30>Nov 29 12:00:00 supd[42]: ", which every local log understands. */
static size_t
write_head(const struct syslog_link *l, char *head, size_t bytes, time_t now)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May",
		"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm local;

	localtime_r(&now, &local);
	return (size_t)snprintf(head, bytes,
		"<%d>%s %2d %02d:%02d:%02d %.48s[%ld]: ", l->priority,
		months[local.tm_mon], local.tm_mday, local.tm_hour,
		local.tm_min, local.tm_sec, l->ident, (long)getpid());
}

int
syslog_send(struct syslog_link *l, const char *text, size_t bytes, time_t now)
{
	char head[128];
	struct iovec parts[] = {{head, write_head(l, head, sizeof(head), now)},
		{(char *)(uintptr_t)text, bytes}};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (bytes > SYSLOG_BYTES_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	/* A log that was restarted has a new socket. */
	for (int tries = 0; tries < 2; tries++) {
		if (open_socket(l))
			return -1;
		if (sendmsg(l->fd, &message, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == EAGAIN || errno == EMSGSIZE || errno == ENOBUFS)
			return -1;
		syslog_finish(l);
	}
	return -1;
}
