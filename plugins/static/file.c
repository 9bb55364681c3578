#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A change within a file system's tick leaves the time as it is, so for a
 * while after one the tag promises less. */
#define SETTLES_SECONDS 2

/* EAGAIN: something was renamed while the path was walked. */
static int
open_beneath(int folder, const char *name)
{
	int fd, tries = 8;
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	do
		fd = (int)syscall(SYS_openat2, folder, *name ? name : ".", &how,
			sizeof(how));
	while (fd < 0 && errno == EAGAIN && --tries);
	return fd;
}

int
file_check_kernel(void)
{
	int fd = open_beneath(AT_FDCWD, ".");

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static bool
is_hidden(const char *name)
{
	return *name == '.' || strstr(name, "/.");
}

static enum file_result
result_of_errno(void)
{
	switch (errno) {
	case EACCES:
	case EPERM:
		return FILE_IS_DENIED;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return FILE_NO_RESOURCES;
	default:
		return FILE_IS_MISSING;
	}
}

static void
note_facts(struct file *f)
{
	const struct stat *s = &f->stat;
	bool settled = s->st_mtime < time(NULL) - SETTLES_SECONDS;

	f->facts.bytes = (uint64_t)s->st_size;
	f->facts.modified = s->st_mtime;
	snprintf(f->facts.etag, sizeof(f->facts.etag), "%s\"%llx-%llx.%lx\"",
		settled ? "" : "W/", (unsigned long long)s->st_size,
		(unsigned long long)s->st_mtim.tv_sec,
		(unsigned long)s->st_mtim.tv_nsec);
}

enum file_result
file_open(struct file *f, const char *root, const char *name, bool hidden)
{
	enum file_result result = FILE_IS_OPEN;
	int folder;

	if (!hidden && is_hidden(name))
		return FILE_IS_MISSING;
	folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return errno == EMFILE || errno == ENFILE ? FILE_NO_RESOURCES
							  : FILE_NO_ROOT;
	f->fd = open_beneath(folder, name);
	if (f->fd < 0)
		result = result_of_errno();
	close(folder);
	if (result != FILE_IS_OPEN)
		return result;
	if (fstat(f->fd, &f->stat))
		result = FILE_IS_MISSING;
	else if (!S_ISREG(f->stat.st_mode))
		result = S_ISDIR(f->stat.st_mode) ? FILE_IS_FOLDER
						  : FILE_IS_MISSING;
	if (result != FILE_IS_OPEN)
		close(f->fd);
	else
		note_facts(f);
	return result;
}

bool
file_has_changed(const struct file *f)
{
	struct stat now;

	return fstat(f->fd, &now) || now.st_size != f->stat.st_size ||
	       now.st_mtim.tv_sec != f->stat.st_mtim.tv_sec ||
	       now.st_mtim.tv_nsec != f->stat.st_mtim.tv_nsec;
}
