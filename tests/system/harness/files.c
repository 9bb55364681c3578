/* files: see files.h. It follows no links. */
#include "tests/system/harness/files.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"

void
files_write(const char *path, const char *format, ...)
{
	char *fresh = memory_format("%s.new", path);
	FILE *file = fopen(fresh, "we");
	va_list list;

	cr_assert(file, "%s: %s", fresh, strerror(errno));
	va_start(list, format);
	vfprintf(file, format, list);
	va_end(list);
	cr_assert(!fclose(file) && !rename(fresh, path), "%s: %s", path,
		strerror(errno));
	free(fresh);
}

void
files_overwrite(const char *path, const void *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	cr_assert(fd >= 0, "%s: %s", path, strerror(errno));
	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

char *
files_read(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t length = 0, got;
	char *text;

	if (!file)
		return NULL;
	text = memory_alloc(4096 + 1);
	while ((got = fread(text + length, 1, 4096, file)) > 0) {
		length += got;
		text = memory_resize(text, length + 4096 + 1);
	}
	text[length] = 0;
	fclose(file);
	return text;
}

bool
files_exist(const char *path)
{
	return !access(path, F_OK);
}

static void
copy_file(const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	char bytes[64 * 1024];
	ssize_t got;

	cr_assert(in >= 0, "%s: %s", from, strerror(errno));
	cr_assert(out >= 0, "%s: %s", to, strerror(errno));
	while ((got = read(in, bytes, sizeof(bytes))) > 0)
		cr_assert_eq(write(out, bytes, (size_t)got), got);
	close(in);
	close(out);
}

void
files_copy_folder(const char *from, const char *to)
{
	DIR *dir = opendir(from);
	struct dirent *entry;

	cr_assert(dir, "%s: %s", from, strerror(errno));
	cr_assert(!mkdir(to, 0755), "%s: %s", to, strerror(errno));
	while ((entry = readdir(dir))) {
		char *source = memory_format("%s/%s", from, entry->d_name);
		char *target = memory_format("%s/%s", to, entry->d_name);
		struct stat st;

		if (!stat(source, &st) && S_ISREG(st.st_mode))
			copy_file(source, target, st.st_mode & 0777);
		free(source);
		free(target);
	}
	closedir(dir);
}

static int
remove_entry(
	const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	remove(path);
	return 0;
}

void
files_remove_tree(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

unsigned
files_count(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned count = 0;

	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}
