/* watch: see the header. */
#include "worker/watch/watch.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "worker/watch/looks.h"

/* ---- reports ---- */

static void
report(struct watch *w, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	size_t length = text ? strlen(text) : 0, done = 0;

	json_decref(line);
	if (text)
		text[length++] = '\n'; /* instead of the NUL */
	while (done < length) {
		ssize_t n = write(w->fd, text + done, length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->has_failed = true;
			ev_break(w->host.loop, EVBREAK_ALL);
			break;
		}
		done += (size_t)n;
	}
	free(text);
}

static struct watch *
watch_of(const struct watch_tree *t)
{
	return container_of(t->host, struct watch, host);
}

#define TOO_MANY "there are more than 250,000 files, the limit"
#define TOO_DEEP "some are more than 64 folders deep, the limit"
static_assert(SNAPSHOT_ENTRIES_MAX == 250000 && SNAPSHOT_DEPTH_MAX == 64,
	"the sentences name them");

static void
on_mode(struct watch_tree *t)
{
	json_t *line = json_pack("{s:s, s:s}", "mode", t->key, "how",
		t->swept_why ? "sweep" : "inotify");

	if (t->swept_why)
		json_object_set_new(line, "why", json_string(t->swept_why));
	else if (t->known.is_cut || t->known.is_deep)
		json_object_set_new(line, "why",
			json_string(t->known.is_cut ? TOO_MANY : TOO_DEEP));
	report(watch_of(t), line);
	looks_begin(watch_of(t));
}

static void
on_pending(struct watch_tree *t)
{
	report(watch_of(t), json_pack("{s:s}", "pending", t->key));
}

static void
on_calm(struct watch_tree *t)
{
	report(watch_of(t), json_pack("{s:s}", "calm", t->key));
}

/* When it last changed, in ms since 1970; 0: it does not exist. */
static json_int_t
change_time(const struct watch_tree *t, const char *file)
{
	const char *root = json_string_value(
		json_array_get(json_object_get(t->order, "roots"), 0));
	char *path = *file == '/' ? memory_copy_text(file)
				  : memory_format("%s/%s", root, file);
	struct stat st;
	int result = lstat(path, &st);

	free(path);
	return result < 0 ? 0
			  : (json_int_t)st.st_ctim.tv_sec * 1000 +
				    st.st_ctim.tv_nsec / 1000000;
}

/* A name that is not UTF-8 is left out. */
static void
on_changed(struct watch_tree *t, const struct tree_change *c)
{
	json_t *line = json_pack("{s:s, s:I, s:b, s:b, s:b, s:I}", "changed",
		t->key, "count", (json_int_t)c->count, "missing",
		t->known.is_missing, "build", c->is_of_build, "files",
		c->is_of_files, "at", c->file ? change_time(t, c->file) : 0);

	json_object_set_new(line, "file", json_string(c->file));
	report(watch_of(t), line);
}

/* ---- orders ---- */

static struct watch_tree *
find(const struct watch *w, const char *key)
{
	list_for_each (node, &w->trees) {
		struct watch_tree *t =
			container_of(node, struct watch_tree, node);

		if (!strcmp(t->key, key))
			return t;
	}
	return NULL;
}

static void
begin(struct watch *w, const char *key, json_t *order)
{
	struct watch_tree *t =
		watch_tree_replace(find(w, key), &w->host, key, order);

	list_append(&w->trees, &t->node);
	looks_begin(w);
}

static void
build(struct watch *w, const char *key)
{
	struct watch_tree *t = find(w, key);

	if (t)
		watch_tree_build(t);
	report(w, json_pack("{s:s}", "building", key));
}

static void
built(struct watch *w, const char *key)
{
	struct watch_tree *t = find(w, key);

	report(w, json_pack("{s:s}", "built", key));
	if (t)
		watch_tree_built(t);
}

static int
obey(struct watch *w, json_t *order)
{
	const char *key;

	if ((key = json_string_value(json_object_get(order, "watch"))))
		begin(w, key, order);
	else if ((key = json_string_value(json_object_get(order, "forget"))))
		watch_tree_destroy(find(w, key));
	else if ((key = json_string_value(json_object_get(order, "build"))))
		build(w, key);
	else if ((key = json_string_value(json_object_get(order, "built"))))
		built(w, key);
	else
		return -1;
	return 0;
}

static int
obey_line(struct watch *w, const char *text, size_t length)
{
	json_t *order = json_loadb(text, length, 0, NULL);
	int result = order ? obey(w, order) : -1;

	json_decref(order);
	return result;
}

static void
obey_all(struct watch *w)
{
	const char *end;

	while (!w->has_failed && (end = memchr(buffer_bytes(&w->in), '\n',
					  buffer_length(&w->in)))) {
		const char *at = (const char *)buffer_bytes(&w->in);
		size_t length = (size_t)(end - at);

		if (obey_line(w, at, length) < 0)
			w->has_failed = true;
		buffer_consume(&w->in, length + 1);
	}
}

static void
on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct watch *w = container_of(io, struct watch, readable);
	ssize_t n = read(w->fd, buffer_reserve(&w->in, 64 * 1024), 64 * 1024);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		buffer_commit(&w->in, (size_t)n);
		obey_all(w);
	}
	if (n <= 0 || w->has_failed)
		ev_break(loop, EVBREAK_ALL);
}

/* ---- the process ---- */

int
watch_run(int fd)
{
	struct watch w = {.fd = fd,
		.host = {.on_lost = looks_lost,
			.on_mode = on_mode,
			.on_pending = on_pending,
			.on_calm = on_calm,
			.on_changed = on_changed}};

	w.host.loop = ev_loop_new(EVFLAG_AUTO);
	looks_open(&w);
	list_init(&w.trees);
	ev_io_init(&w.readable, on_readable, fd, EV_READ);
	ev_io_start(w.host.loop, &w.readable);
	ev_run(w.host.loop, 0);
	list_for_each_safe (node, &w.trees)
		watch_tree_destroy(container_of(node, struct watch_tree, node));
	notify_destroy(w.host.notify);
	buffer_finish(&w.in);
	ev_loop_destroy(w.host.loop);
	return w.has_failed ? -1 : 0;
}
