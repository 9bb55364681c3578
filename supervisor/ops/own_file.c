/* own_file: see the header. It does not know the content of the files. */
#include "supervisor/ops/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"

#define ASIDE_MAX 9

static const char *
kind_name(mode_t mode)
{
	return S_ISDIR(mode)	? "a folder"
	       : S_ISFIFO(mode) ? "a FIFO"
	       : S_ISSOCK(mode) ? "a socket"
	       : S_ISLNK(mode)	? "a symbolic link"
				: "a device";
}

/* Checks the type before opening, because opening a device may have effects. */
int
own_file_open(const char *path, int flags, mode_t mode, struct error *err)
{
	struct stat now;
	int fd;

	if (!lstat(path, &now) && !S_ISREG(now.st_mode)) {
		errno = EINVAL;
		return error_set(err, "%s is %s, not a regular file", path,
			kind_name(now.st_mode));
	}
	fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		mode);
	if (fd < 0) {
		int saved = errno;

		error_set_errno(err, saved, "cannot open %s", path);
		errno = saved;
		return -1;
	}
	if (!fstat(fd, &now) && S_ISREG(now.st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return error_set(err, "%s is not a regular file", path);
}

/* ---- moving aside ---- */

/* The last name is reused for files; folders are never deleted, so their
 * numbers go on. */
static char *
free_name(const char *path)
{
	struct stat now, there;
	unsigned most =
		!lstat(path, &now) && S_ISDIR(now.st_mode) ? 999 : ASIDE_MAX;
	char *name = NULL;

	for (unsigned i = 1; i <= most; i++) {
		free(name);
		name = memory_format("%s.bad-%u", path, i);
		if (lstat(name, &there) < 0)
			break;
	}
	return name;
}

int
own_file_put_aside(const char *path, char **name_out, struct error *err)
{
	char *name = free_name(path);

	if (rename(path, name) < 0) {
		error_set_errno(err, errno, "cannot put %s aside", path);
		free(name);
		return -1;
	}
	if (name_out)
		*name_out = name;
	else
		free(name);
	return 0;
}

int
own_folder_check(const char *path, struct error *err)
{
	struct stat now;
	char *name;

	if (lstat(path, &now) < 0 || S_ISDIR(now.st_mode))
		return 0;
	if (own_file_put_aside(path, &name, err) < 0)
		return -1;
	log_error("%s was not a folder; it is now %s", path, name);
	free(name);
	return 0;
}

int
own_folder_make(const char *path, mode_t mode, struct error *err)
{
	if (own_folder_check(path, err) < 0)
		return -1;
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return error_set_errno(err, errno, "cannot make %s", path);
	return 0;
}

int
own_folder_make_or_link(const char *path, mode_t mode, struct error *err)
{
	struct stat now;

	if (!stat(path, &now) && S_ISDIR(now.st_mode))
		return 0;
	return own_folder_make(path, mode, err);
}

/* ---- writing ---- */

static int
write_fresh(const char *path, const char *bytes, size_t length)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags, 0600);
	ssize_t written;
	int saved;

	if (fd < 0)
		return -1;
	written = write(fd, bytes, length);
	saved = written < 0 ? errno : ENOSPC;
	if (close(fd) == 0 && written == (ssize_t)length)
		return 0;
	unlink(path);
	errno = saved;
	return -1;
}

/* Moves aside whatever blocks a new file; false: nothing did. */
static bool
make_way(const char *path)
{
	struct stat now;
	char *name;

	if (lstat(path, &now) < 0)
		return false;
	if (!S_ISDIR(now.st_mode))
		return unlink(path) == 0;
	if (own_file_put_aside(path, &name, NULL) < 0)
		return false;
	log_error("%s was not a regular file; it is now %s", path, name);
	free(name);
	return true;
}

int
own_file_replace(
	const char *path, const char *bytes, size_t length, struct error *err)
{
	char *fresh = memory_format("%s.new", path);
	int result = 0;

	make_way(fresh);
	if (write_fresh(fresh, bytes, length) < 0) {
		result = error_set_errno(err, errno, "cannot write %s", path);
	} else if (rename(fresh, path) < 0 &&
		   (errno != EISDIR || !make_way(path) ||
			   rename(fresh, path) < 0)) {
		result = error_set_errno(err, errno, "cannot replace %s", path);
		unlink(fresh);
	}
	free(fresh);
	return result;
}

int
own_file_save_aside(const char *path, const char *bytes, size_t length,
	char **name_out, struct error *err)
{
	char *name = free_name(path);
	int result = own_file_replace(name, bytes, length, err);

	if (result == 0)
		*name_out = name;
	else
		free(name);
	return result;
}
