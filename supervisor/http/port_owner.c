/* port_owner: finds the socket in /proc/net/tcp and its process in
 * /proc/PID/fd. */
#include "supervisor/http/port_owner.h"

#include <dirent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_LISTEN_STATE 0x0A

/* The inode of a socket that listens on the port; 0: none in this file. */
static unsigned long
find_inode(const char *file, unsigned port)
{
	FILE *f = fopen(file, "re");
	unsigned long inode = 0;
	char line[512];

	if (!f)
		return 0;
	while (!inode && fgets(line, sizeof(line), f)) {
		unsigned local, state;
		unsigned long found;

		if (sscanf(line,
			    "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s "
			    "%*u %*u %lu",
			    &local, &state, &found) == 3 &&
			local == port && state == TCP_LISTEN_STATE)
			inode = found;
	}
	fclose(f);
	return inode;
}

static bool
process_has(const char *pid, const char *link)
{
	char path[300], target[64];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = opendir(path);
	if (!fds)
		return false;
	while (!found && (entry = readdir(fds))) {
		ssize_t n = readlinkat(
			dirfd(fds), entry->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = 0;
			found = !strcmp(target, link);
		}
	}
	closedir(fds);
	return found;
}

static void
describe(const char *pid, char *out, size_t size)
{
	char path[300], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(name, sizeof(name), f))
			name[0] = 0;
		fclose(f);
	}
	name[strcspn(name, "\n")] = 0;
	snprintf(out, size, "process %s (%s)", pid, name);
}

bool
port_owner_find(const struct sockaddr_storage *address, char *out, size_t size)
{
	const struct sockaddr_in *in = (const void *)address;
	unsigned port =
		ntohs(in->sin_port); /* at the same offset in sockaddr_in6 */
	unsigned long inode = find_inode("/proc/net/tcp", port);
	struct dirent *entry;
	char link[64];
	bool found = false;
	DIR *proc;

	if (!inode)
		inode = find_inode("/proc/net/tcp6", port);
	proc = inode ? opendir("/proc") : NULL;
	if (!proc)
		return false;
	snprintf(link, sizeof(link), "socket:[%lu]", inode);
	while (!found && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		found = process_has(entry->d_name, link);
		if (found)
			describe(entry->d_name, out, size);
	}
	closedir(proc);
	return found;
}
