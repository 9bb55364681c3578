/* tree_mode: how a tree is watched: by inotify, or by sweeps where inotify
 * cannot serve. */
#include <errno.h>

#include "proto/util/clock.h"
#include "worker/watch/remote.h"
#include "worker/watch/tree_parts.h"

#define NO_INSTANCES                                                           \
	"no inotify instances are left (fs.inotify.max_user_instances)"

void
tree_set_mode(struct watch_tree *t, const char *why, bool is_short)
{
	bool was_same = t->swept_why == why;

	t->swept_why = why;
	t->is_short = is_short;
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
			       : "inotify fails there";
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

static const json_t *
roots_of(const struct watch_tree *t)
{
	return json_object_get(t->order, "roots");
}

struct globs
tree_globs(const struct watch_tree *t)
{
	return (struct globs){.include = json_object_get(t->order, "include"),
		.ignore = json_object_get(t->order, "ignore")};
}

/* Folders are watched before they are read, so that no change is missed in
 * between. Returns why inotify cannot serve, or NULL. */
static const char *
take_wanted(struct watch_tree *t, struct snapshot *out)
{
	const struct globs globs = tree_globs(t);
	struct looking l = {.tree = t};
	const struct snapshot_visitor visitor = {
		.on_folder = on_folder, .on_link = on_link, .user = &l};
	const json_t *roots = roots_of(t);

	notify_begin(&t->owner);
	for (size_t i = 0; i < json_array_size(roots); i++)
		on_link(&l, json_string_value(json_array_get(roots, i)));
	snapshot_take(out, roots, &globs, &visitor);
	notify_end(t->host->notify, &t->owner);
	return l.failed;
}

void
tree_take(struct watch_tree *t, struct snapshot *out)
{
	const struct globs globs = tree_globs(t);
	uint64_t begun_us = clock_us();
	const char *failed = NULL;

	if (t->swept_why)
		snapshot_take(out, roots_of(t), &globs, NULL);
	else
		failed = take_wanted(t, out);
	t->took_s = (double)(clock_us() - begun_us) / 1e6;
	if (failed)
		tree_set_mode(t, failed, true);
}

void
tree_first_mode(struct watch_tree *t)
{
	const json_t *roots = roots_of(t);

	for (size_t i = 0; i < json_array_size(roots) && !t->swept_why; i++)
		t->swept_why =
			remote_why(json_string_value(json_array_get(roots, i)));
	if (!t->swept_why && !t->host->notify) {
		t->swept_why = NO_INSTANCES;
		t->is_short = true;
	}
}

bool
watch_tree_retry(struct watch_tree *t)
{
	const char *failed, *file;
	struct snapshot now;

	if (!t->host->notify)
		return false;
	failed = take_wanted(t, &now);
	if (failed)
		notify_leave(t->host->notify, &t->owner);
	else
		tree_set_mode(t, NULL, false);
	if (!t->is_building && snapshot_compare(&t->known, &now, &file))
		watch_tree_suspect(t);
	snapshot_finish(&now);
	return !failed;
}
