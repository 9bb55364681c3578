/* hook: keeps the hooks of each plugin as the route table says, within each
 * commit. A hook that stays keeps its queue and its counters. */
#include "supervisor/event/hook.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/event/guards.h"

bool
hook_stops(const struct registration *r)
{
	return text_same(r->hook.on_error, "stop");
}

static struct hook_owner *
owner_find(const struct events *e, uint32_t plugin)
{
	return plugin < e->owner_count ? e->owners[plugin] : NULL;
}

static void
forget_places(struct events *e)
{
	config_unref(e->places_of);
	e->places_of = NULL;
}

/* A plugin that the configuration does not have is behind all others. */
void
hooks_know_places(struct events *e)
{
	struct config *config = e->gateway->config;

	if (e->places_of == config)
		return;
	forget_places(e);
	e->places_of = config_ref(config);
	for (uint32_t i = 0; i < e->owner_count; i++)
		if (e->owners[i])
			e->owners[i]->place = UINT32_MAX;
	for (uint32_t i = 0; i < config->plugin_count; i++) {
		struct plugin *p =
			gateway_plugin(e->gateway, config->plugins[i]->id);
		struct hook_owner *o = p ? owner_find(e, p->number) : NULL;

		if (o)
			o->place = i;
	}
}

struct hook *
hooks_find(const struct events *e, uint32_t plugin, const char *name)
{
	const struct hook_owner *o = owner_find(e, plugin);

	return o ? map_get(&o->by_name, name, strlen(name)) : NULL;
}

static struct hook_owner *
owner_claim(struct events *e, uint32_t plugin)
{
	uint32_t count = e->owner_count ? e->owner_count : 8;
	struct hook_owner *o = owner_find(e, plugin);
	struct plugin *p;

	if (o)
		return o;
	while (count <= plugin)
		count *= 2;
	if (count > e->owner_count) {
		e->owners = memory_resize(
			e->owners, count * sizeof(struct hook_owner *));
		memset(e->owners + e->owner_count, 0,
			(count - e->owner_count) * sizeof(struct hook_owner *));
		e->owner_count = count;
	}
	o = memory_alloc(sizeof(*o));
	o->events = e;
	o->plugin = plugin;
	list_init(&o->hooks);
	list_init(&o->waiting);
	list_init(&o->ready);
	e->owners[plugin] = o;
	forget_places(e);
	p = gateway_plugin_by_number(e->gateway, plugin);
	if (!p->hooks)
		p->hooks = memory_alloc(sizeof(*p->hooks));
	return o;
}

static void
owner_release(struct hook_owner *o)
{
	if (!list_is_empty(&o->hooks) || o->is_kept)
		return;
	list_remove(&o->ready);
	map_finish(&o->by_name);
	o->events->owners[o->plugin] = NULL;
	free(o);
}

static struct hook *
hook_create(struct hook_owner *o, const char *name)
{
	struct hook *h = memory_alloc(sizeof(*h));

	h->owner = o;
	h->name = memory_copy_text(name);
	list_init(&h->sibling);
	list_init(&h->in_topic);
	list_init(&h->wait);
	observer_init(h);
	map_set(&o->by_name, h->name, strlen(h->name), h);
	o->events->hook_count++;
	return h;
}

static void
leave_topic(struct hook *h)
{
	if (!h->topic)
		return;
	list_remove(&h->in_topic);
	topics_release(&h->owner->events->topics, h->topic);
	h->topic = NULL;
}

static void
join_topic(struct hook *h)
{
	const struct registration *r = h->declared;

	h->topic = topics_claim(&h->owner->events->topics, r->hook.event);
	list_append(r->hook.filter ? &h->topic->filters : &h->topic->observers,
		&h->in_topic);
}

void
hook_free_if_gone(struct hook *h)
{
	struct hook_owner *o = h->owner;

	if (!h->is_gone || h->current)
		return;
	list_remove(&h->sibling);
	free(h->name);
	free(h);
	owner_release(o);
}

/* It is not registered any more. An event in flight still ends. */
static void
hook_remove(struct hook *h)
{
	h->owner->events->hook_count--;
	h->is_gone = true;
	map_remove(&h->owner->by_name, h->name, strlen(h->name));
	leave_topic(h);
	observer_finish(h);
	h->declared = NULL;
	guard_forget(h);
	hook_free_if_gone(h);
}

/* A row of the table: a hook that is new, or stays and may have changed. */
static void
take_row(struct hook_owner *o, const struct route_row *row)
{
	const struct registration *r = row->declared;
	struct hook *h = map_get(&o->by_name, r->name, strlen(r->name));

	if (!h)
		h = hook_create(o, r->name);
	leave_topic(h);
	if (h->declared && r->hook.filter)
		observer_finish(h); /* it was an observer, perhaps */
	h->declared = r;
	guard_forget(h);
	h->index = row->registration;
	h->serial = o->events->looks;
	list_remove(&h->sibling);
	list_append(&o->hooks, &h->sibling);
	join_topic(h);
}

void
hook_add_guard(struct events *e, uint32_t plugin, struct registration *r,
	uint32_t index)
{
	struct hook_owner *o = owner_claim(e, plugin);
	struct hook *h = hook_create(o, r->name);

	h->declared = h->guard = r;
	h->index = index;
	list_append(&o->hooks, &h->sibling);
	join_topic(h);
}

static void
remove_others(struct hook_owner *o, uint64_t serial)
{
	list_for_each_safe (node, &o->hooks) {
		struct hook *h = container_of(node, struct hook, sibling);

		if (!h->is_gone && h->serial != serial)
			hook_remove(h);
	}
}

void
hooks_follow_table(struct events *e, uint32_t plugin)
{
	const struct route_table *t = e->gateway->routes;
	struct hook_owner *o = owner_find(e, plugin);
	uint32_t at = plugin, index = 0;
	const struct route_row *row;

	e->looks++;
	while ((row = route_table_next(t, &at, &index)) &&
		row->plugin == plugin) {
		if (row->kind != REGISTRATION_HOOK)
			continue;
		o = owner_claim(e, plugin);
		take_row(o, row);
	}
	if (!o)
		return;
	o->is_kept = true;
	remove_others(o, e->looks);
	o->is_kept = false;
	owner_release(o);
}

void
hooks_finish(struct events *e)
{
	for (uint32_t i = 0; i < e->owner_count; i++)
		if (e->owners[i])
			hooks_follow_table(e, i);
	free(e->owners);
	forget_places(e);
	topics_finish(&e->topics);
}
