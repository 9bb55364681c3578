/* seen: a list of paths and what stat and readlink said of them. It opens no
 * file. */
#include "worker/seen.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"

struct seen_entry {
	struct seen_entry *before;
	struct stat stat;
	char *link; /* owned; NULL: not read as a link */
	char path[];
};

void
seen_init(struct seen *s)
{
	*s = (struct seen){0};
	fingerprint_begin(&s->fingerprint);
}

void
seen_finish(struct seen *s)
{
	for (struct seen_entry *before; s->last; s->last = before) {
		before = s->last->before;
		free(s->last->link);
		free(s->last);
	}
	map_finish(&s->links);
}

void
seen_add(struct seen *s, const char *path, const struct stat *stat)
{
	size_t size = strlen(path) + 1;
	struct seen_entry *entry = memory_alloc(sizeof(*entry) + size);

	entry->stat = *stat;
	memcpy(entry->path, path, size);
	entry->before = s->last;
	s->last = entry;
	fingerprint_add(&s->fingerprint, path, stat);
}

/* The caller frees. */
static char *
read_link(int folder, const char *path)
{
	char text[PATH_MAX];
	ssize_t length = readlinkat(folder, path, text, sizeof(text));

	return length < 0 ? NULL : memory_copy_bytes(text, (size_t)length);
}

const char *
seen_read_link(
	struct seen *s, const char *absolute_path, const struct stat *stat)
{
	size_t length = strlen(absolute_path);
	struct seen_entry *entry = map_get(&s->links, absolute_path, length);

	if (!entry) {
		seen_add(s, absolute_path, stat);
		entry = s->last;
		map_set(&s->links, absolute_path, length, entry);
		entry->link = read_link(AT_FDCWD, absolute_path);
	}
	return entry->link;
}

bool
seen_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_mode == b->st_mode && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool
entry_is_same(const struct seen_entry *entry, int folder)
{
	struct stat now;
	char *link;
	bool same;

	if (fstatat(folder, entry->path, &now, AT_SYMLINK_NOFOLLOW) ||
		!seen_is_same(&entry->stat, &now))
		return false;
	if (!entry->link)
		return true;
	/* A file system may use the same inode again within a tick. */
	link = read_link(folder, entry->path);
	same = link && !strcmp(link, entry->link);
	free(link);
	return same;
}

const char *
seen_find_changed(const struct seen *s, int folder)
{
	for (const struct seen_entry *e = s->last; e; e = e->before)
		if (!entry_is_same(e, folder))
			return e->path;
	return NULL;
}
