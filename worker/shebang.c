/* shebang: without memory or other parts of the project, since a plugin that is
 * no part of the supervisor has it too. */
#include "worker/sup/shebang.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 256 /* as the kernel reads it */

static int
open_program(const char *program)
{
	const char *at = getenv("PATH");
	char path[PATH_MAX];
	int fd = -1;

	if (strchr(program, '/'))
		return open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	while (at && *at && fd < 0) {
		size_t length = strcspn(at, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)length, at,
			program);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		at += length + (at[length] == ':');
	}
	return fd;
}

const char *
shebang_defect(const char *program, char *room, size_t size)
{
	char line[LINE_MAX_BYTES + 1], *end, *name;
	int fd = open_program(program);
	ssize_t n = fd < 0 ? -1 : read(fd, line, LINE_MAX_BYTES);

	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	end = strchr(line, '\n');
	if (strncmp(line, "#!", 2) != 0 || !end)
		return NULL;
	*end = '\0';
	if (end[-1] == '\r') {
		snprintf(room, size, "the first line of %s ends in CR LF",
			program);
		return room;
	}
	name = line + 2 + strspn(line + 2, " \t");
	name[strcspn(name, " \t")] = '\0';
	if (access(name, X_OK) == 0)
		return NULL;
	snprintf(room, size, "the interpreter of %s, %s, %s", program,
		*name ? name : "\"\"",
		access(name, F_OK) ? "does not exist" : "is not executable");
	return room;
}
