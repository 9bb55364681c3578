/* helper: see the header. */
#include "supervisor/plugin/helper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/clean.h"
#include "proto/util/memory.h"

char *
helper_program(
	const char *worker_program, const char *name, const char *build_dir)
{
	const char *slash = strrchr(worker_program, '/');
	const char *folder = slash ? worker_program : ".";
	int length = slash ? (int)(slash - worker_program) : 1;
	char *path = memory_format("%.*s/%s", length, folder, name);
	char *built;

	if (access(path, X_OK) == 0)
		return path;
	built = memory_format("%.*s/../%s/%s", length, folder, build_dir, name);
	if (access(built, X_OK) == 0) {
		free(path);
		return built;
	}
	free(built);
	return path;
}

int
helper_start(struct child *c, struct children *all,
	const struct child_start *start, const struct child_ops *ops,
	struct error *err)
{
	struct child_start with_socket = *start;
	int ends[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set_errno(err, errno, "cannot make a socket");
	with_socket.output = ends[1];
	result = child_start(c, all, &with_socket, ops, err);
	close(ends[1]);
	if (result == 0)
		return ends[0];
	close(ends[0]);
	return -1;
}

const char *
helper_line(char *line, size_t size, struct bytes output)
{
	size_t length = output.length < size ? output.length : size - 1;

	while (length && output.at[length - 1] == '\n')
		length--;
	memcpy(line, output.at, length);
	line[length] = '\0';
	return clean_text(line, "");
}
