/* tree: see the header. */
#include "worker/watch/tree.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "proto/util/memory.h"

#ifndef SMB2_SUPER_MAGIC /* since Linux 5.17 */
#define SMB2_SUPER_MAGIC 0xfe534d42
#endif
#define CIFS_MAGIC 0xff534d42
#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546 /* virtiofs too */
#endif
#ifndef CEPH_SUPER_MAGIC
#define CEPH_SUPER_MAGIC 0x00c36400
#endif

/* ---- how it is watched ---- */

/* File systems where others change files without the kernel here noticing, as
 * they are elsewhere; see inotify(7), "Limitations". */
static const char *
remote_name(const char *path)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} rows[] = {
		{NFS_SUPER_MAGIC, "the folder is on NFS"},
		{V9FS_MAGIC, "the folder is on 9p"},
		{CIFS_MAGIC, "the folder is on CIFS"},
		{SMB2_SUPER_MAGIC, "the folder is on SMB"},
		{SMB_SUPER_MAGIC, "the folder is on SMB"},
		{FUSE_SUPER_MAGIC, "the folder is on FUSE or virtiofs"},
		{CEPH_SUPER_MAGIC, "the folder is on Ceph"},
		{AFS_SUPER_MAGIC, "the folder is on AFS"},
		{OVERLAYFS_SUPER_MAGIC, "the folder is on overlayfs"},
	};
	struct statfs fs;

	if (statfs(path, &fs) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if ((unsigned long)(unsigned)fs.f_type == rows[i].magic)
			return rows[i].name;
	return NULL;
}

static void
set_mode(struct watch_tree *t, const char *why)
{
	bool was_same = t->swept_why == why;

	t->swept_why = why;
	if (why && t->host->notify)
		notify_leave(t->host->notify, &t->owner);
	if (!was_same)
		t->host->on_mode(t);
}

static const char *
why_not(int error)
{
	return error == ENOSPC ? "no inotify watches are left "
				 "(fs.inotify.max_user_watches)"
			       : "inotify does not work here";
}

/* One round of wants, with a snapshot between its beginning and its end. */
struct looking {
	struct watch_tree *tree;
	const char *failed; /* why, or NULL */
};

static void
on_folder(void *user, const char *path)
{
	struct looking *l = user;

	if (!l->failed && notify_want(l->tree->host->notify, &l->tree->owner,
				  path, NULL) < 0)
		l->failed = why_not(errno);
}

static void
on_link(void *user, const char *path)
{
	struct looking *l = user;

	if (!l->failed && notify_want_path(l->tree->host->notify,
				  &l->tree->owner, path) < 0)
		l->failed = why_not(errno);
}

static struct globs
globs_of(const struct watch_tree *t)
{
	return (struct globs){.include = json_object_get(t->order, "include"),
		.ignore = json_object_get(t->order, "ignore")};
}

static void
want_roots(struct looking *l)
{
	const json_t *roots = json_object_get(l->tree->order, "roots");

	for (size_t i = 0; i < json_array_size(roots); i++)
		on_link(l, json_string_value(json_array_get(roots, i)));
}

/* Folders are wanted before they are read, so that nothing falls between. */
static void
take(struct watch_tree *t, struct snapshot *out)
{
	const struct globs globs = globs_of(t);
	struct looking l = {.tree = t};
	const struct snapshot_visitor visitor = {
		.on_folder = on_folder, .on_link = on_link, .user = &l};

	if (t->swept_why) {
		snapshot_take(
			out, json_object_get(t->order, "roots"), &globs, NULL);
		return;
	}
	notify_begin(&t->owner);
	want_roots(&l);
	snapshot_take(
		out, json_object_get(t->order, "roots"), &globs, &visitor);
	notify_end(t->host->notify, &t->owner);
	if (l.failed)
		set_mode(t, l.failed);
}

static const char *
first_mode(const struct watch_tree *t)
{
	const json_t *roots = json_object_get(t->order, "roots");

	if (!t->host->notify)
		return "there are no inotify instances left "
		       "(fs.inotify.max_user_instances)";
	for (size_t i = 0; i < json_array_size(roots); i++) {
		const char *why = remote_name(
			json_string_value(json_array_get(roots, i)));

		if (why)
			return why;
	}
	return NULL;
}

/* ---- changes ---- */

static void
wait_until_quiet(struct watch_tree *t)
{
	double left = t->pending_since + TREE_PATIENCE * t->debounce_s -
		      ev_now(t->host->loop);
	double wait = left < t->debounce_s ? left : t->debounce_s;

	ev_timer_stop(t->host->loop, &t->quiet);
	ev_timer_set(&t->quiet, wait > 0 ? wait : 0, 0);
	ev_timer_start(t->host->loop, &t->quiet);
}

void
watch_tree_suspect(struct watch_tree *t)
{
	t->is_doubted = false;
	if (!t->is_pending) {
		t->is_pending = true;
		t->seen_sum = 0;
		t->pending_since = ev_now(t->host->loop);
		t->host->on_pending(t);
	}
	wait_until_quiet(t);
}

static void
on_change(struct notify_owner *o, const char *name, bool is_content)
{
	struct watch_tree *t = container_of(o, struct watch_tree, owner);
	const struct globs globs = globs_of(t);

	/* A new name may be a link, or be renamed to one that counts. */
	if (!is_content || !globs_ignore_name(&globs, name))
		watch_tree_suspect(t);
}

static void
settle(struct watch_tree *t, struct snapshot *now)
{
	const char *file;
	struct snapshot before = t->known;
	size_t count = snapshot_compare(&before, now, &file);

	t->is_pending = t->is_doubted = false;
	t->known = *now;
	if (count || t->is_owed)
		t->host->on_changed(t, file, count);
	else
		t->host->on_calm(t);
	t->is_owed = false;
	snapshot_finish(&before);
}

static void
on_quiet(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct watch_tree *t = container_of(timer, struct watch_tree, quiet);
	bool is_overdue = ev_now(loop) - t->pending_since >=
			  TREE_PATIENCE * t->debounce_s;
	struct snapshot now;
	uint64_t sum;

	if (t->is_doubted)
		set_mode(t, "inotify did not report a change");
	take(t, &now);
	sum = snapshot_sum(&now);
	/* Who is swept hears of no further change, so it looks twice. */
	if (t->swept_why && sum != t->seen_sum && t->seen_sum && !is_overdue) {
		t->seen_sum = sum;
		snapshot_finish(&now);
		wait_until_quiet(t);
		return;
	}
	settle(t, &now);
}

/* Everything that the kernel has to say now. */
static void
hear_all(struct watch_tree *t)
{
	if (!notify_read_all(t->host->notify))
		t->host->on_lost(t->host);
}

void
watch_tree_look(struct watch_tree *t)
{
	struct snapshot now;
	const char *file;

	if (t->is_pending)
		return;
	take(t, &now);
	/* What inotify has to say about it comes first. */
	if (!t->swept_why)
		hear_all(t);
	if (!t->is_pending && snapshot_compare(&t->known, &now, &file)) {
		/* A change shows a moment before its event is there. */
		watch_tree_suspect(t);
		t->is_doubted = !t->swept_why;
		t->seen_sum = snapshot_sum(&now);
	}
	snapshot_finish(&now);
}

void
watch_tree_adopt(struct watch_tree *t)
{
	struct snapshot now;

	take(t, &now);
	snapshot_finish(&t->known);
	t->known = now;
	t->is_pending = false;
	ev_timer_stop(t->host->loop, &t->quiet);
	if (t->swept_why)
		return;
	/* It was changed by whoever has it adopted; events of that are old. */
	hear_all(t);
	t->is_pending = t->is_owed = false;
	ev_timer_stop(t->host->loop, &t->quiet);
}

/* ---- its life ---- */

static struct watch_tree *
create(struct tree_host *host, const char *key, json_t *order)
{
	struct watch_tree *t = memory_alloc(sizeof(*t));

	t->host = host;
	t->key = memory_copy_text(key);
	t->order = json_incref(order);
	t->debounce_s =
		(double)json_integer_value(json_object_get(order, "debounce")) /
		1e3;
	t->owner.on_change = on_change;
	list_init(&t->node);
	ev_timer_init(&t->quiet, on_quiet, 0, 0);
	t->swept_why = first_mode(t);
	take(t, &t->known);
	host->on_mode(t);
	return t;
}

struct watch_tree *
watch_tree_replace(struct watch_tree *old, struct tree_host *host,
	const char *key, json_t *order)
{
	bool is_owed = false;
	struct watch_tree *t;

	if (old) {
		if (!old->swept_why)
			hear_all(old);
		is_owed = old->is_pending;
	}
	watch_tree_destroy(old);
	t = create(host, key, order);
	if (is_owed) {
		t->is_owed = true;
		watch_tree_suspect(t);
	}
	return t;
}

void
watch_tree_destroy(struct watch_tree *t)
{
	if (!t)
		return;
	ev_timer_stop(t->host->loop, &t->quiet);
	if (t->host->notify)
		notify_leave(t->host->notify, &t->owner);
	snapshot_finish(&t->known);
	json_decref(t->order);
	list_remove(&t->node);
	free(t->key);
	free(t);
}
