/* snapshot: see the header. */
#include "worker/watch/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"

/* One taking of a snapshot. */
struct taking {
	struct snapshot *snapshot;
	const struct globs *globs;
	const struct snapshot_visitor *visitor;
	size_t skip; /* bytes of an absolute path that an entry leaves out */
	unsigned depth;
	char path[PATH_MAX]; /* absolute, of the entry that is looked at */
	size_t length;
};

/* ---- entries ---- */

static uint64_t
mix(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 29;
}

/* Of a folder only its existence counts; its files are entries of their own. */
static uint64_t
look_of(const struct stat *st)
{
	uint64_t sum = mix(0, st->st_mode);

	if (S_ISDIR(st->st_mode))
		return sum;
	sum = mix(sum, st->st_dev);
	sum = mix(sum, st->st_ino);
	sum = mix(sum, (uint64_t)st->st_size);
	sum = mix(sum, (uint64_t)st->st_mtim.tv_sec);
	sum = mix(sum, (uint64_t)st->st_mtim.tv_nsec);
	sum = mix(sum, (uint64_t)st->st_ctim.tv_sec);
	return mix(sum, (uint64_t)st->st_ctim.tv_nsec);
}

static void
add(struct taking *t, uint64_t look)
{
	struct snapshot *s = t->snapshot;
	const char *path = t->path + t->skip;

	if (s->count == SNAPSHOT_ENTRIES_MAX) {
		s->is_cut = true;
		return;
	}
	if (s->count == s->capacity) {
		s->capacity = s->capacity ? s->capacity * 2 : 32;
		s->entries = memory_resize(
			s->entries, s->capacity * sizeof(*s->entries));
	}
	s->entries[s->count++] = (struct snapshot_entry){
		.path = buffer_length(&s->paths), .look = look};
	buffer_append(&s->paths, path, strlen(path) + 1);
}

/* ---- walking ---- */

static void look_at(struct taking *t, bool is_root);

/* Appends a name to the path; false: it would be too long. */
static bool
enter(struct taking *t, const char *name)
{
	size_t more = strlen(name);

	if (t->length + 1 + more >= sizeof(t->path))
		return false;
	t->path[t->length++] = '/';
	memcpy(t->path + t->length, name, more + 1);
	t->length += more;
	return true;
}

static void
leave(struct taking *t, size_t length)
{
	t->length = length;
	t->path[length] = '\0';
}

static void
walk_folder(struct taking *t)
{
	size_t length = t->length;
	struct dirent *entry;
	DIR *folder;

	if (t->visitor)
		t->visitor->on_folder(t->visitor->user, t->path);
	if (t->depth == SNAPSHOT_DEPTH_MAX) {
		t->snapshot->is_deep = true;
		return;
	}
	folder = opendir(t->path);
	if (!folder)
		return;
	t->depth++;
	while (!t->snapshot->is_cut && (entry = readdir(folder))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!enter(t, entry->d_name))
			continue;
		look_at(t, false);
		leave(t, length);
	}
	t->depth--;
	closedir(folder);
}

/* Whether the folder that a link leads to is one that the link is in. */
static bool
is_above(const struct taking *t, const struct stat *target)
{
	char path[PATH_MAX];
	struct stat above;

	memcpy(path, t->path, t->length + 1);
	for (char *slash; (slash = strrchr(path, '/')) && slash != path;) {
		*slash = '\0';
		if (stat(path, &above) == 0 && above.st_dev == target->st_dev &&
			above.st_ino == target->st_ino)
			return true;
	}
	return false;
}

/* A link is followed, because a copy of the package has its target. */
static uint64_t
follow(struct taking *t, struct stat *st)
{
	uint64_t look = look_of(st);
	struct stat target;

	if (t->visitor)
		t->visitor->on_link(t->visitor->user, t->path);
	if (stat(t->path, &target) < 0)
		return look;
	*st = target;
	if (S_ISDIR(target.st_mode) && is_above(t, &target))
		st->st_mode = S_IFLNK;
	return mix(look, look_of(&target));
}

static void
look_at(struct taking *t, bool is_root)
{
	const char *path = t->path + t->skip;
	struct stat st;
	uint64_t look;

	if (!is_root && globs_ignore(t->globs, path))
		return;
	if (lstat(t->path, &st) < 0)
		return;
	look = look_of(&st);
	if (S_ISLNK(st.st_mode))
		look = follow(t, &st);
	if (S_ISDIR(st.st_mode)) {
		if (!is_root)
			add(t, look);
		walk_folder(t);
	} else if (is_root || globs_have(t->globs, path)) {
		add(t, look);
	}
}

/* ---- a snapshot ---- */

static int
compare_entries(const void *a, const void *b, void *paths)
{
	const struct snapshot_entry *left = a, *right = b;
	const char *text = paths;

	return strcmp(text + left->path, text + right->path);
}

void
snapshot_take(struct snapshot *s, const json_t *roots,
	const struct globs *globs, const struct snapshot_visitor *visitor)
{
	struct taking t = {.snapshot = s, .globs = globs, .visitor = visitor};

	*s = (struct snapshot){0};
	for (size_t i = 0; i < json_array_size(roots); i++) {
		const char *root = json_string_value(json_array_get(roots, i));
		size_t length = root ? strlen(root) : sizeof(t.path);
		struct stat st;

		if (length >= sizeof(t.path))
			continue;
		if (i == 0)
			s->is_missing = stat(root, &st) < 0;
		memcpy(t.path, root, length + 1);
		t.length = length;
		/* A root that is a file keeps its path. */
		t.skip = i == 0 && stat(root, &st) == 0 && S_ISDIR(st.st_mode)
				 ? length + 1
				 : 0;
		look_at(&t, true);
	}
	if (s->count)
		qsort_r(s->entries, s->count, sizeof(*s->entries),
			compare_entries, buffer_bytes(&s->paths));
}

void
snapshot_finish(struct snapshot *s)
{
	buffer_finish(&s->paths);
	free(s->entries);
	*s = (struct snapshot){0};
}

static const char *
path_at(const struct snapshot *s, size_t i)
{
	return (const char *)buffer_bytes(&s->paths) + s->entries[i].path;
}

uint64_t
snapshot_sum(const struct snapshot *s)
{
	uint64_t sum = mix(s->is_missing, s->count);

	for (size_t i = 0; i < s->count; i++) {
		for (const char *at = path_at(s, i); *at; at++)
			sum = mix(sum, (unsigned char)*at);
		sum = mix(sum, s->entries[i].look);
	}
	return sum;
}

void
snapshot_each_difference(const struct snapshot *before,
	const struct snapshot *now,
	void (*on_difference)(void *user, const char *path, bool is_new),
	void *user)
{
	size_t i = 0, j = 0;

	while (i < before->count || j < now->count) {
		int order = i == before->count ? 1
			    : j == now->count  ? -1
					       : strcmp(path_at(before, i),
							 path_at(now, j));

		if (order || before->entries[i].look != now->entries[j].look)
			on_difference(user,
				order < 0 ? path_at(before, i)
					  : path_at(now, j),
				order > 0);
		i += order <= 0;
		j += order >= 0;
	}
}

struct count {
	size_t count;
	const char *last;
};

static void
count_difference(void *user, const char *path, bool is_new)
{
	struct count *c = user;

	(void)is_new;
	c->count++;
	c->last = path;
}

size_t
snapshot_compare(const struct snapshot *before, const struct snapshot *now,
	const char **path_out)
{
	struct count c = {0};

	snapshot_each_difference(before, now, count_difference, &c);
	*path_out = c.last;
	return c.count;
}
