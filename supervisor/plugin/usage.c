/* usage: see usage.h. */
#include "supervisor/plugin/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"

/* In /proc/PID/stat, counted from the first behind the name. */
enum { FIELD_USER = 11, FIELD_SYSTEM = 12, FIELD_PAGES = 21 };

static ssize_t
read_stat(char *text, size_t size, pid_t pid)
{
	char path[32];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, text, size - 1);
	close(fd);
	if (got > 0)
		text[got] = '\0';
	return got;
}

static int
read_usage(struct usage *u, pid_t pid)
{
	unsigned long long values[FIELD_PAGES + 1] = {0};
	char text[1024], *at;

	if (pid <= 0 || read_stat(text, sizeof(text), pid) <= 0)
		return -1;
	/* the process name before it may contain any byte */
	at = strrchr(text, ')');
	if (!at || strlen(at) < 4)
		return -1;
	at += 3; /* ") ", and the state, which is a letter */
	for (int i = 1; i <= FIELD_PAGES; i++) {
		if (*at != ' ')
			return -1;
		values[i] = strtoull(at, &at, 10);
	}
	u->memory_bytes = values[FIELD_PAGES] * (uint64_t)sysconf(_SC_PAGESIZE);
	u->cpu_seconds = (double)(values[FIELD_USER] + values[FIELD_SYSTEM]) /
			 (double)sysconf(_SC_CLK_TCK);
	return 0;
}

bool
usage_refresh(struct usage *u, pid_t pid, uint64_t fresh_us)
{
	uint64_t now = clock_us();

	if (u->at_us && now - u->at_us < fresh_us)
		return false;
	u->at_us = now;
	u->is_known = !read_usage(u, pid);
	return true;
}
