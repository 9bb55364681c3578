/* tree: see the header. */
#include "worker/watch/tree.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "worker/watch/tree_parts.h"

/* ---- changes ---- */

static double
pause_of(const struct watch_tree *t)
{
	double least = t->took_s * TREE_SHARE;

	return t->debounce_s > least ? t->debounce_s : least;
}

static void
wait_until_quiet(struct watch_tree *t)
{
	double pause = pause_of(t), left;
	double wait;

	ev_now_update(t->host->loop);
	left = t->pending_since + TREE_PATIENCE * pause - ev_now(t->host->loop);
	wait = left < pause ? left : pause;

	ev_timer_stop(t->host->loop, &t->quiet);
	ev_timer_set(&t->quiet, wait > 0 ? wait : 0, 0);
	ev_timer_start(t->host->loop, &t->quiet);
}

void
watch_tree_suspect(struct watch_tree *t)
{
	if (t->is_building)
		return; /* the end of the build looks at everything */
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
	const struct globs globs = tree_globs(t);

	/* A new name may be a link, or be renamed to one that counts. */
	if (!is_content || !globs_ignore_name(&globs, name))
		watch_tree_suspect(t);
}

/* Makes `now` the state that changes are compared with. */
static void
know(struct watch_tree *t, struct snapshot *now)
{
	bool is_same = t->known.is_cut == now->is_cut &&
		       t->known.is_deep == now->is_deep;

	snapshot_finish(&t->known);
	t->known = *now;
	if (!is_same)
		t->host->on_mode(t);
}

static bool
is_of_files(const struct watch_tree *t, const char *path)
{
	const json_t *files = json_object_get(t->order, "files");
	const json_t *file;
	size_t i;

	json_array_foreach(files, i,
		file) if (!strcmp(json_string_value(file), path)) return true;
	return false;
}

/* For a change while no build runs. */
static void
note_difference(void *user, const char *path, bool is_new)
{
	struct watch_tree *t = user;

	(void)is_new;
	if (is_of_files(t, path))
		t->is_of_files = true;
	if (json_object_get(t->order, "made"))
		origin_note_source(&t->origin, path);
}

static void
settle(struct watch_tree *t, struct snapshot *now)
{
	char *owed = t->owed, *file;
	struct tree_change change = {0};

	change.count = snapshot_compare(&t->known, now, &change.file);
	file = memory_copy_text(change.file ? change.file : owed ? owed : "");
	snapshot_each_difference(&t->known, now, note_difference, t);
	know(t, now);
	change.file = *file ? file : NULL;
	change.is_of_build = !change.count && t->is_of_build;
	change.is_of_files = t->is_of_files;
	t->is_pending = t->is_doubted = t->is_of_files = false;
	t->owed = NULL;
	if (change.count || owed)
		t->host->on_changed(t, &change);
	else
		t->host->on_calm(t);
	free(file);
	free(owed);
}

static void
on_quiet(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct watch_tree *t = container_of(timer, struct watch_tree, quiet);
	bool is_overdue =
		ev_now(loop) - t->pending_since >= TREE_PATIENCE * pause_of(t);
	struct snapshot now;
	uint64_t sum;

	if (t->is_doubted)
		tree_set_mode(t, "inotify did not report a change", false);
	tree_take(t, &now);
	sum = snapshot_sum(&now);
	/* A sweep has no event of further changes, so it looks twice. */
	if (t->swept_why && sum != t->seen_sum && t->seen_sum && !is_overdue) {
		t->seen_sum = sum;
		snapshot_finish(&now);
		wait_until_quiet(t);
		return;
	}
	settle(t, &now);
}

/* Reads all events that the kernel has now. */
static void
read_events(struct watch_tree *t)
{
	if (!notify_read_all(t->host->notify))
		t->host->on_lost(t->host);
}

void
watch_tree_look(struct watch_tree *t)
{
	struct snapshot now;
	const char *file;

	if (t->is_pending || t->is_building)
		return;
	tree_take(t, &now);
	/* Events about it come first. */
	if (!t->swept_why)
		read_events(t);
	if (!t->is_pending && snapshot_compare(&t->known, &now, &file)) {
		/* A change is visible a moment before its event. */
		watch_tree_suspect(t);
		t->is_doubted = !t->swept_why;
		t->seen_sum = snapshot_sum(&now);
	}
	snapshot_finish(&now);
}

/* ---- builds ---- */

static void
set_owed(struct watch_tree *t, const char *file)
{
	free(t->owed);
	t->owed = memory_copy_text(file);
}

void
watch_tree_build(struct watch_tree *t)
{
	struct snapshot now;

	tree_take(t, &now);
	snapshot_each_difference(&t->known, &now, note_difference, t);
	know(t, &now);
	t->is_building = true;
	ev_timer_stop(t->host->loop, &t->quiet);
	free(t->owed);
	t->owed = NULL;
	t->is_of_build = false;
	if (t->is_pending)
		t->host->on_calm(t);
	t->is_pending = t->is_doubted = false;
}

static void
judge(void *user, const char *path, bool is_new)
{
	struct watch_tree *t = user;
	const json_t *made = json_object_get(t->order, "made");

	if (is_of_files(t, path))
		t->is_of_files = true;
	if (!origin_is_build(&t->origin, made, path, is_new))
		set_owed(t, path);
}

/* Events of changes during the build are read later. They lead to another look,
 * which finds nothing, or changes that came after this one. */
void
watch_tree_built(struct watch_tree *t)
{
	struct snapshot now;

	if (!t->is_building)
		return;
	tree_take(t, &now);
	snapshot_each_difference(&t->known, &now, judge, t);
	know(t, &now);
	t->is_building = false;
	t->is_of_build = true;
	if (t->is_of_files && !t->owed) /* since before the build */
		set_owed(t, "");
	if (t->owed)
		watch_tree_suspect(t);
}

/* ---- its start and end ---- */

static struct watch_tree *
create(struct tree_host *host, const char *key, json_t *order)
{
	struct watch_tree *t = memory_alloc(sizeof(*t));
	const char *why;

	t->host = host;
	t->key = memory_copy_text(key);
	t->order = json_incref(order);
	t->debounce_s =
		(double)json_integer_value(json_object_get(order, "debounce")) /
		1e3;
	t->owner.on_change = on_change;
	list_init(&t->node);
	ev_timer_init(&t->quiet, on_quiet, 0, 0);
	tree_first_mode(t);
	why = t->swept_why;
	tree_take(t, &t->known);
	if (t->swept_why == why) /* else it is reported already */
		host->on_mode(t);
	return t;
}

/* Whether one of the files in "absent" can be read by now. */
static bool
has_come(const json_t *order)
{
	const json_t *absent = json_object_get(order, "absent");

	for (size_t i = 0; i < json_array_size(absent); i++) {
		const char *path = json_string_value(json_array_get(absent, i));

		if (path && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* Takes over what the old one has not reported yet. */
static void
inherit(struct watch_tree *t, struct watch_tree *old)
{
	t->is_building = old->is_building; /* so it reports nothing */
	if (old->swept_why)
		watch_tree_look(old);
	else
		read_events(old);
	if (old->is_pending || old->is_building) {
		set_owed(t, old->owed ? old->owed : "");
		t->is_of_files = json_object_get(t->order, "files");
	}
	t->is_of_build = old->is_of_build;
	t->origin = old->origin;
	old->origin = (struct origin){0};
}

struct watch_tree *
watch_tree_replace(struct watch_tree *old, struct tree_host *host,
	const char *key, json_t *order)
{
	struct watch_tree *t = create(host, key, order);

	if (old)
		inherit(t, old);
	watch_tree_destroy(old);
	if (has_come(order))
		set_owed(t, "");
	if (t->owed)
		watch_tree_suspect(t);
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
	origin_finish(&t->origin);
	json_decref(t->order);
	free(t->owed);
	list_remove(&t->node);
	free(t->key);
	free(t);
}
