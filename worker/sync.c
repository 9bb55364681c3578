/* sync: it follows no link and opens nothing but regular files. */
#include "worker/sync.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that was removed meanwhile, or is not regular, is skipped. */
static int
sync_file(int folder, const char *name)
{
	int fd = openat(folder, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int result = 0;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -1;
	result = fsync(fd);
	close(fd);
	return result;
}

static bool
is_regular(int folder, const char *name)
{
	struct stat now;

	return !fstatat(folder, name, &now, AT_SYMLINK_NOFOLLOW) &&
	       S_ISREG(now.st_mode);
}

int
sync_run(const char *folder, struct error *err)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	int result = 0;

	if (!dir)
		return error_set(
			err, "cannot open %s: %s", folder, strerror(errno));
	while ((entry = readdir(dir)))
		if (is_regular(dirfd(dir), entry->d_name) &&
			sync_file(dirfd(dir), entry->d_name) < 0 && !result)
			result = error_set(err, "cannot sync %s/%s: %s", folder,
				entry->d_name, strerror(errno));
	if (fsync(dirfd(dir)) < 0 && !result)
		result = error_set(
			err, "cannot sync %s: %s", folder, strerror(errno));
	closedir(dir);
	return result;
}
