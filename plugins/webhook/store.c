#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AT_DIGITS 13

/* Names begin with the time, so they sort by age; what else lies there is not
 * touched. */
static int
is_body(const struct dirent *entry)
{
	return strspn(entry->d_name, "0123456789") == AT_DIGITS &&
	       entry->d_name[AT_DIGITS] == '-';
}

static uint64_t
bytes_of(int folder, const char *name)
{
	struct stat file;

	return fstatat(folder, name, &file, AT_SYMLINK_NOFOLLOW)
		       ? 0
		       : (uint64_t)file.st_size;
}

static int
make_room(int folder, const char *path, uint64_t limit_bytes, size_t bytes)
{
	struct dirent **names;
	int count = scandir(path, &names, is_body, alphasort);
	uint64_t all = bytes;
	int left = count;

	for (int i = 0; i < count; i++)
		all += bytes_of(folder, names[i]->d_name);
	for (int i = 0; i < count; i++) {
		if (all > limit_bytes || left >= STORE_FILES_MAX) {
			all -= bytes_of(folder, names[i]->d_name);
			left--;
			unlinkat(folder, names[i]->d_name, 0);
		}
		free(names[i]);
	}
	if (count >= 0)
		free(names);
	return count < 0 ? -1 : 0;
}

static bool
write_all(int fd, const char *body, size_t bytes)
{
	while (bytes) {
		ssize_t wrote = write(fd, body, bytes);

		if (wrote < 0 && errno != EINTR)
			return false;
		if (wrote > 0) {
			body += wrote;
			bytes -= (size_t)wrote;
		}
	}
	return true;
}

static int
write_file(int folder, const char *name, const void *body, size_t bytes)
{
	int fd = openat(folder, name,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write_all(fd, body, bytes);
	int error = errno;

	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !good)
		unlinkat(folder, name, 0);
	errno = error;
	return good ? 0 : -1;
}

int
store_write(const char *path, uint64_t limit_bytes, uint64_t at_ms,
	const char *id, const void *body, size_t bytes,
	char path_out[STORE_PATH_BYTES])
{
	char name[256];
	int folder, length, rc;

	snprintf(name, sizeof(name), "%0*" PRIu64 "-%s", AT_DIGITS, at_ms, id);
	length = snprintf(path_out, STORE_PATH_BYTES, "%s/%s", path, name);
	if (length >= STORE_PATH_BYTES) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (mkdir(path, 0700) && errno != EEXIST)
		return -1;
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return -1;
	rc = make_room(folder, path, limit_bytes, bytes);
	if (!rc)
		rc = write_file(folder, name, body, bytes);
	close(folder);
	return rc;
}
