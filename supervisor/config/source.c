/* source: reads whole files. Pipes and devices never block it. */
#include "supervisor/config/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/schema.h"

static int
read_all(int fd, char *bytes, size_t room, size_t *length_out)
{
	size_t length = 0;
	for (;;) {
		ssize_t got = read(fd, bytes + length, room - length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		length += (size_t)got;
		*length_out = length;
		if (!got || length == room)
			return 0;
	}
}

static char *
read_open(int fd, size_t most, size_t *length_out, struct error *err)
{
	struct stat status;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		error_set(err, "is not a regular file");
		return NULL;
	}
	/* reads one byte more than allowed, in case the file grows meanwhile */
	size_t room = most + 1;
	if (status.st_size < (off_t)most)
		room = (size_t)status.st_size + 4096;
	char *bytes = memory_alloc(room + 1);
	if (read_all(fd, bytes, room, length_out) < 0)
		error_set(err, "cannot be read: %s", strerror(errno));
	else if (*length_out <= most && *length_out < room)
		return bytes;
	else if (most >> 20)
		error_set(err, "larger than %zu MiB", most >> 20);
	else
		error_set(err, "larger than %zu KiB", most >> 10);
	free(bytes);
	return NULL;
}

char *
source_read_bytes(
	const char *path, size_t most, size_t *length_out, struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		error_set(err, "cannot be opened: %s", strerror(errno));
		return NULL;
	}
	char *bytes = read_open(fd, most, length_out, err);
	close(fd);
	return bytes;
}

char *
source_read(const char *path, size_t *length_out, struct problems *problems)
{
	struct error err;
	char *bytes = source_read_bytes(
		path, CONFIG_FILE_BYTES_MAX, length_out, &err);
	if (!bytes)
		problems_add(problems, path, 0, 0, "%s", err.text);
	return bytes;
}

static bool
ends_in(const char *name, const char *end)
{
	size_t length = strlen(name), tail = strlen(end);
	return length > tail && !strcmp(name + length - tail, end);
}

static bool
is_part(const char *name)
{
	return ends_in(name, ".yaml");
}

/* Names that editors, packagers and users leave in such folders. */
static bool
is_left_over(const char *name)
{
	static const char *const ends[] = {"~", ".bak", ".orig", ".rej", ".swp",
		".disabled", ".off", ".example", ".sample"};
	for (size_t i = 0; i < SCHEMA_COUNT_OF(ends); i++)
		if (ends_in(name, ends[i]))
			return true;
	return strstr(name, ".dpkg-") || strstr(name, ".rpm") ||
	       !strncmp(name, "README", 6);
}

static int
is_seen(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
add_entry(const char *folder, const char *name, struct text_list *files_out,
	struct problems *problems)
{
	char *path = memory_format("%s/%s", folder, name);
	if (is_part(name)) {
		text_list_append(files_out, path);
		return;
	}
	if (!is_left_over(name))
		problems_warn(problems, path, 0, 0,
			"is not read: of this folder only *.yaml is");
	free(path);
}

void
source_files(const char *path, struct text_list *files_out,
	struct problems *problems)
{
	text_list_append(files_out, memory_copy_text(path));
	const char *slash = strrchr(path, '/');
	char *folder = memory_format(
		"%.*sconf.d", slash ? (int)(slash + 1 - path) : 0, path);
	struct dirent **entries;
	int count = scandir(folder, &entries, is_seen, by_name);
	if (count < 0 && errno != ENOENT)
		problems_add(problems, folder, 0, 0, "cannot be listed: %s",
			strerror(errno));
	for (int i = 0; i < count; i++) {
		add_entry(folder, entries[i]->d_name, files_out, problems);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(folder);
}
