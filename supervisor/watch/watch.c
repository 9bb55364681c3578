/* watch: see the header. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/paths.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/news.h"
#include "supervisor/watch/parts.h"

/* ---- what is to be watched ---- */

const char *
watch_gate(const struct watch *w)
{
	return w->options.all || w->gateway->config->reload.watch
		       ? NULL
		       : "watching is off: reload.watch is false in the "
			 "configuration";
}

bool
watch_wants(const struct watch *w, const struct plugin *p)
{
	const struct store_decision *d = &p->store.watched;
	bool by_file = p->wanted->watch;

	if (d->by_person && d->file == by_file)
		return d->person;
	return w->options.all || by_file;
}

struct watched *
watch_find(const struct watch *w, const char *key)
{
	return map_get(&w->by_key, key, strlen(key));
}

struct plugin *
watched_plugin(const struct watched *d)
{
	struct plugin *p = gateway_plugin(d->watch->gateway, d->key);

	return p && !p->removed ? p : NULL;
}

static struct watched *
add(struct watch *w, const char *key)
{
	struct watched *d = memory_alloc(sizeof(*d));

	d->watch = w;
	d->key = memory_copy_text(key);
	list_init(&d->build.child.node);
	list_init(&d->reload.node);
	wheel_timer_init(&d->build.deadline, NULL);
	loop_init(d);
	buffer_init(&d->build.said);
	list_append(&w->all, &d->node);
	map_set(&w->by_key, key, strlen(key), d);
	return d;
}

static void
drop(struct watched *d)
{
	struct watch *w = d->watch;

	round_abandon(d);
	loop_finish(d);
	process_order(w, "forget", d->key);
	if (w->config == d)
		w->config = NULL;
	list_remove(&d->node);
	map_remove(&w->by_key, d->key, strlen(d->key));
	buffer_finish(&d->build.said);
	free(d->order);
	free(d->key);
	free(d);
}

/* Takes the line. An order that has not changed is not sent again. */
static void
want(struct watch *w, const char *key, char *line)
{
	struct watched *d = watch_find(w, key);

	if (!line)
		return;
	if (!d)
		d = add(w, key);
	if (!strcmp(key, WATCH_CONFIG_KEY))
		w->config = d;
	d->is_wanted = true;
	if (d->order && !strcmp(d->order, line)) {
		free(line);
		return;
	}
	free(d->order);
	d->order = line;
	process_send(w, line); /* a change that is pending is still reported */
}

/* Without a worker the manifest is not known for a while; the order that was
 * made by it stays. */
static bool
keeps_order(struct watch *w, const struct plugin *p)
{
	struct watched *d = watch_find(w, p->id);

	if (!d || !d->order || plugin_serving(p))
		return false;
	d->is_wanted = true;
	return true;
}

static void
want_all(struct watch *w)
{
	struct gateway *g = w->gateway;

	want(w, WATCH_CONFIG_KEY, order_of_config(w));
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		const struct plugin *p = g->plugins[i];

		if (p && !p->removed && p->enabled && watch_wants(w, p) &&
			!keeps_order(w, p))
			want(w, p->id, order_of_plugin(w, p));
	}
}

void
watch_refresh(struct watch *w)
{
	list_for_each (node, &w->all)
		container_of(node, struct watched, node)->is_wanted = false;
	if (!watch_gate(w) && !w->gateway->stopping)
		want_all(w);
	list_for_each_safe (node, &w->all) {
		struct watched *d = container_of(node, struct watched, node);

		if (!d->is_wanted)
			drop(d);
	}
	round_build_next(w);
	if (list_is_empty(&w->all))
		process_stop(w);
	else
		process_need(w);
}

void
watch_note_absent(struct watch *w, char *const *files, uint32_t count)
{
	json_t *absent = json_array();

	for (uint32_t i = 0; i < count; i++) {
		char *path = paths_absolute(files[i]);

		json_array_append_new(absent, json_string(path ? path : ""));
		free(path);
	}
	if (json_equal(absent, w->absent)) {
		json_decref(absent);
		return;
	}
	json_decref(w->absent);
	w->absent = absent;
	watch_refresh(w);
}

/* ---- decisions ---- */

int
watch_decide(struct watch *w, struct plugin *p, bool on, struct error *err)
{
	struct store_decision before = p->store.watched;
	bool was_on = watch_wants(w, p);

	p->store.watched = (struct store_decision){
		.by_person = true, .person = on, .file = p->wanted->watch};
	if (keep_decision(p, err) < 0) {
		p->store.watched = before;
		return -1;
	}
	if (was_on != on)
		news_plugin(p, on ? "watch.on" : "watch.off", NULL);
	return 0;
}

/* ---- news ---- */

static void
on_refresh(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct watch *w = container_of(timer, struct watch, refresh);

	watch_refresh(w);
	list_for_each_safe (node, &w->all)
		round_retry(container_of(node, struct watched, node));
}

/* After a verdict a plugin may have another manifest, or be free for a reload
 * that waits; after the other events it may have to be watched, or not. */
static void
on_event(struct journal_reader *r, json_t *event)
{
	static const char *const names[] = {"reload.verdict", "reload.reverted",
		"plugin.enabled", "plugin.disabled", "plugin.failed",
		"config.applied", "config.scanned", "gateway.stopping"};
	struct watch *w = container_of(r, struct watch, reader);
	const char *name = json_string_value(json_object_get(event, "event"));

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(name, names[i]) && !ev_is_active(&w->refresh))
			ev_timer_start(w->gateway->loop, &w->refresh);
}

/* ---- life ---- */

void
watch_create(struct gateway *g, const struct watch_options *options)
{
	struct watch *w = memory_alloc(sizeof(*w));

	w->gateway = g;
	w->options = *options;
	w->fd = -1;
	w->pause_s = WATCH_PAUSE_MIN_S;
	list_init(&w->all);
	list_init(&w->child.node);
	ev_timer_init(&w->refresh, on_refresh, 0, 0);
	w->reader.on_event = on_event;
	journal_watch(g->journal, &w->reader);
	g->watch = w;
}

void
watch_destroy(struct watch *w)
{
	if (!w)
		return;
	journal_leave(&w->reader);
	ev_timer_stop(w->gateway->loop, &w->refresh);
	list_for_each_safe (node, &w->all)
		drop(container_of(node, struct watched, node));
	process_stop(w);
	map_finish(&w->by_key);
	json_decref(w->absent);
	buffer_finish(&w->in);
	buffer_finish(&w->out);
	w->gateway->watch = NULL;
	free(w);
}
