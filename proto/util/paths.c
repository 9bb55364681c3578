/* paths: the search orders of the manual, one function each. */
#include "proto/util/paths.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"

/* NULL for an unset or empty variable. systemd separates several folders by
 * colons; the first is meant. */
static char *
first_of_variable(const char *name)
{
	const char *value = getenv(name);
	if (!value || !*value)
		return NULL;
	size_t length = strcspn(value, ":");
	return length ? memory_copy_bytes(value, length) : NULL;
}

char *
paths_absolute(const char *path)
{
	if (path[0] == '/')
		return memory_copy_text(path);
	char *here = getcwd(NULL, 0);
	if (!here)
		return memory_copy_text(path);
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	char *whole = memory_format("%s/%s", here, path);
	free(here);
	return whole;
}

char *
paths_config_file(const char *flag)
{
	if (flag)
		return memory_copy_text(flag);
	const char *variable = getenv("SUPD_CONFIG");
	if (variable && *variable)
		return memory_copy_text(variable);
	return memory_copy_text("/etc/supd/supd.yaml");
}

static char *
xdg_runtime_dir(void)
{
	const char *user = getenv("XDG_RUNTIME_DIR");
	return user && *user ? memory_format("%s/supd", user) : NULL;
}

char *
paths_runtime_dir(const char *flag, const char *config)
{
	if (flag || config)
		return paths_absolute(flag ? flag : config);
	char *found = first_of_variable("RUNTIME_DIRECTORY");
	if (!found)
		found = xdg_runtime_dir();
	return found ? found : memory_copy_text("/run/supd");
}

char *
paths_state_dir(const char *flag, const char *config)
{
	if (flag || config)
		return paths_absolute(flag ? flag : config);
	char *found = first_of_variable("STATE_DIRECTORY");
	return found ? found : memory_copy_text("/var/lib/supd");
}

static bool
is_socket(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

char *
paths_control_socket(const char *flag)
{
	if (flag)
		return memory_copy_text(flag);
	const char *variable = getenv("SUPCTL_SOCKET");
	if (variable && *variable)
		return memory_copy_text(variable);
	char *folders[] = {
		first_of_variable("RUNTIME_DIRECTORY"),
		xdg_runtime_dir(),
		memory_copy_text("/run/supd"),
	};
	char *first = NULL, *found = NULL;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (!folders[i])
			continue;
		char *path =
			memory_format("%s/%s", folders[i], CONTROL_SOCKET_NAME);
		free(folders[i]);
		if (!found && is_socket(path))
			found = path;
		else if (!first)
			first = path;
		else
			free(path);
	}
	if (found) {
		free(first);
		return found;
	}
	return first;
}
