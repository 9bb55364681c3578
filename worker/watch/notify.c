/* notify: see the header. */
#include "worker/watch/notify.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/memory.h"

#define READ_BYTES (64 * 1024) /* a turn; about 2,000 events */
#define LINKS_MAX 40	       /* as in path_resolution(7) */

#define CONTENT (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB)
#define EVENTS                                                                 \
	(CONTENT | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |       \
		IN_DELETE_SELF | IN_MOVE_SELF)

/* A folder with a watch of the kernel. */
struct folder {
	int watch;
	struct list wants;
};

struct want {
	struct list of_folder, of_owner;
	struct folder *folder;
	struct notify_owner *owner;
	unsigned round;
	bool is_for_all;
	char name[]; /* unless is_for_all */
};

struct notify {
	int fd;
	/* In the order of `watch`: the kernel counts them up. */
	struct folder **folders;
	size_t count, capacity;
	_Alignas(struct inotify_event) char events[READ_BYTES];
};

struct notify *
notify_create(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct notify *n;

	if (fd < 0)
		return NULL;
	n = memory_alloc(sizeof(*n));
	n->fd = fd;
	return n;
}

void
notify_destroy(struct notify *n)
{
	if (!n)
		return;
	close(n->fd);
	for (size_t i = 0; i < n->count; i++)
		free(n->folders[i]);
	free(n->folders);
	free(n);
}

int
notify_fd(const struct notify *n)
{
	return n->fd;
}

/* ---- folders ---- */

/* Where the watch is, or would be. */
static size_t
place_of(const struct notify *n, int watch)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n->folders[middle]->watch < watch)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct folder *
find(const struct notify *n, int watch)
{
	size_t at = place_of(n, watch);

	return at < n->count && n->folders[at]->watch == watch ? n->folders[at]
							       : NULL;
}

static struct folder *
add_folder(struct notify *n, int watch)
{
	struct folder *f = memory_alloc(sizeof(*f));
	size_t at = place_of(n, watch);

	if (n->count == n->capacity) {
		n->capacity = n->capacity ? n->capacity * 2 : 64;
		n->folders = memory_resize(
			n->folders, n->capacity * sizeof(struct folder *));
	}
	f->watch = watch;
	list_init(&f->wants);
	memmove(n->folders + at + 1, n->folders + at,
		(n->count - at) * sizeof(struct folder *));
	n->folders[at] = f;
	n->count++;
	return f;
}

static void
remove_folder(struct notify *n, struct folder *f)
{
	size_t at = place_of(n, f->watch);

	memmove(n->folders + at, n->folders + at + 1,
		(n->count - at - 1) * sizeof(struct folder *));
	n->count--;
	free(f);
}

static void
drop(struct notify *n, struct want *w)
{
	struct folder *f = w->folder;

	list_remove(&w->of_folder);
	list_remove(&w->of_owner);
	free(w);
	if (!list_is_empty(&f->wants))
		return;
	inotify_rm_watch(n->fd, f->watch);
	remove_folder(n, f);
}

/* ---- wants ---- */

void
notify_begin(struct notify_owner *o)
{
	if (!o->wants.next)
		list_init(&o->wants);
	o->round++;
}

static bool
is_same(const struct want *w, const struct notify_owner *o, const char *name)
{
	return w->owner == o && w->is_for_all == !name &&
	       (!name || !strcmp(w->name, name));
}

int
notify_want(struct notify *n, struct notify_owner *o, const char *folder,
	const char *name)
{
	int watch = inotify_add_watch(n->fd, folder, EVENTS | IN_ONLYDIR);
	size_t name_bytes = name ? strlen(name) + 1 : 1;
	struct folder *f;
	struct want *w;

	if (watch < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES
			       ? 0
			       : -1;
	f = find(n, watch);
	if (!f)
		f = add_folder(n, watch);
	list_for_each (node, &f->wants) {
		w = container_of(node, struct want, of_folder);
		if (!is_same(w, o, name))
			continue;
		w->round = o->round;
		return 0;
	}
	w = memory_alloc(sizeof(*w) + name_bytes);
	w->folder = f;
	w->owner = o;
	w->round = o->round;
	w->is_for_all = !name;
	memcpy(w->name, name ? name : "", name_bytes);
	list_append(&f->wants, &w->of_folder);
	list_append(&o->wants, &w->of_owner);
	return 0;
}

/* Puts what the link says in front of the rest of the path. */
static bool
follow(char path[PATH_MAX], size_t folder_bytes, const char *rest)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	size_t keep = 0;

	if (length <= 0)
		return false;
	target[length] = '\0';
	if (target[0] != '/')
		keep = folder_bytes;
	if (keep + 1 + (size_t)length + 1 + strlen(rest) >= sizeof(joined))
		return false;
	memcpy(joined, path, keep);
	joined[keep] = '\0';
	if (keep)
		strcat(joined, "/");
	strcat(joined, target);
	if (*rest) {
		strcat(joined, "/");
		strcat(joined, rest);
	}
	memcpy(path, joined, strlen(joined) + 1);
	return true;
}

int
notify_want_path(struct notify *n, struct notify_owner *o, const char *path)
{
	char at[PATH_MAX];
	size_t begin = 1; /* of the segment that is looked at */
	unsigned links = 0;

	if (strlen(path) >= sizeof(at) || path[0] != '/')
		return 0;
	memcpy(at, path, strlen(path) + 1);
	while (at[begin]) {
		size_t end = begin + strcspn(at + begin, "/");
		bool is_last = !at[end];
		char name[NAME_MAX + 1], rest[PATH_MAX];
		struct stat st;
		bool exists;

		if (end == begin || end - begin > NAME_MAX) {
			begin = end + !is_last;
			continue;
		}
		memcpy(name, at + begin, end - begin);
		name[end - begin] = '\0';
		strcpy(rest, is_last ? "" : at + end + 1);
		at[end] = '\0';
		exists = lstat(at, &st) == 0;
		if (!exists || is_last || S_ISLNK(st.st_mode)) {
			int result;

			at[begin - 1] = '\0';
			result = notify_want(n, o, *at ? at : "/", name);
			at[begin - 1] = '/';
			if (result < 0)
				return -1;
		}
		if (!exists)
			return 0;
		if (S_ISLNK(st.st_mode)) {
			if (links++ == LINKS_MAX ||
				!follow(at, begin - 1, rest))
				return 0;
			begin = 1;
			continue;
		}
		if (!is_last)
			at[end] = '/';
		begin = end + !is_last;
	}
	return 0;
}

void
notify_end(struct notify *n, struct notify_owner *o)
{
	/* From the last one, as the folders of a tree were added in order. */
	for (struct list *node = o->wants.previous, *next; node != &o->wants;
		node = next) {
		struct want *w = container_of(node, struct want, of_owner);

		next = node->previous;
		if (w->round != o->round)
			drop(n, w);
	}
}

void
notify_leave(struct notify *n, struct notify_owner *o)
{
	if (!o->wants.next)
		return;
	o->round++;
	notify_end(n, o);
}

/* ---- events ---- */

/* Owners only note that something changed, so no want goes meanwhile. */
static void
tell(struct notify *n, const struct inotify_event *e)
{
	const char *name = e->len ? e->name : NULL;
	bool is_content = (e->mask & CONTENT) && !(e->mask & IN_ISDIR) && name;
	struct folder *f = find(n, e->wd);

	if (!f)
		return;
	list_for_each (node, &f->wants) {
		struct want *w = container_of(node, struct want, of_folder);

		if (w->is_for_all || !name || !strcmp(name, w->name))
			w->owner->on_change(
				w->owner, name, is_content && w->is_for_all);
	}
	if (!(e->mask & IN_IGNORED))
		return;
	/* The folder is gone, and with it the kernel's watch. */
	list_for_each_safe (node, &f->wants) {
		struct want *w = container_of(node, struct want, of_folder);

		list_remove(&w->of_folder);
		list_remove(&w->of_owner);
		free(w);
	}
	remove_folder(n, f);
}

/* Returns as read(2). */
static ssize_t
read_some(struct notify *n, bool *is_whole_out)
{
	ssize_t got = read(n->fd, n->events, sizeof(n->events));

	for (char *at = n->events; got > 0 && at < n->events + got;) {
		const struct inotify_event *e = (const void *)at;

		if (e->mask & IN_Q_OVERFLOW)
			*is_whole_out = false;
		else
			tell(n, e);
		at += sizeof(*e) + e->len;
	}
	return got;
}

bool
notify_read(struct notify *n)
{
	bool is_whole = true;

	read_some(n, &is_whole);
	return is_whole;
}

bool
notify_read_all(struct notify *n)
{
	bool is_whole = true;
	int left = 0; /* what comes meanwhile is read later */

	if (ioctl(n->fd, FIONREAD, &left) < 0)
		return false;
	while (left > 0) {
		ssize_t got = read_some(n, &is_whole);

		if (got <= 0)
			break;
		left -= (int)got;
	}
	return is_whole;
}
