/* syslog_link: lines to the system's log, as syslog(3) sends them, but it never
 * waits: what the log does not take is refused. */
#pragma once

#include <stddef.h>
#include <time.h>

#define SYSLOG_BYTES_MAX 8000 /* rsyslog takes 8 KiB */

struct syslog_link {
	const char *socket, *ident;
	int priority; /* facility and severity */
	int fd;	      /* -1: not open */
};

/* The strings must outlive it. */
void syslog_init(struct syslog_link *l, const char *socket, const char *ident,
	int facility);
void syslog_finish(struct syslog_link *l);
/* -1 with errno: EMSGSIZE if it is longer than SYSLOG_BYTES_MAX, EAGAIN if the
 * log does not read. */
int syslog_send(
	struct syslog_link *l, const char *text, size_t bytes, time_t now);
