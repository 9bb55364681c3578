/* usage: see usage.h. */
#include "supervisor/plugin/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int
usage_read(struct usage *u, pid_t pid)
{
	unsigned long user, system, pages;
	char path[32], text[1024];
	const char *rest;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	/* the process name before it may contain any byte */
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest,
			     ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
			     "%lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %lu",
			     &user, &system, &pages) != 3)
		return -1;
	u->memory_bytes = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
	u->cpu_seconds = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	return 0;
}
