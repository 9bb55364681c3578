/* channels: which channels there are, by name, and their turns. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/parts.h"
#include "supervisor/gateway/dispatch.h"

#define PUMP_US 2000 /* of a turn, for what begins to be handled */
/* Names that may have been used once: beyond this, and beyond twice as many as
 * are in use, the others are forgotten with their figures. */
#define CHANNELS_KEPT_MAX 256
#define SETTLED_LOOK_MS 50

static void destroy(struct channel *c);

/* ---- by name ---- */

struct channel *
channels_find(const struct channels *all, struct bytes name)
{
	return map_get(&all->by_name, name.at, name.length);
}

static bool
is_registered(const struct channel *c)
{
	struct route_match match;

	return dispatch_find_name(c->all->gateway, REGISTRATION_CHANNEL,
		       bytes_of(c->name), &match) == ROUTE_FOUND;
}

/* Nobody has it, and nothing of it is in memory. */
static bool
is_idle(const struct channel *c)
{
	return list_is_empty(&c->owners) && list_is_empty(&c->messages) &&
	       list_is_empty(&c->sends) && list_is_empty(&c->replies) &&
	       list_is_empty(&c->acts) && list_is_empty(&c->ready) &&
	       !c->is_opening && !c->is_open;
}

/* Forgets idle ones that no plugin has any more. */
static void
sweep(struct channels *all)
{
	struct map kept = {0};
	const struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&all->by_name, &i));) {
		struct channel *c = entry->value;

		if (is_idle(c) && !is_registered(c))
			destroy(c);
		else
			map_set(&kept, c->name, strlen(c->name), c);
	}
	map_finish(&all->by_name);
	all->by_name = kept;
	all->sweep_at = 2 * (uint32_t)kept.count;
}

struct channel *
channels_claim(struct channels *all, struct bytes name)
{
	struct channel *c = channels_find(all, name);

	if (c)
		return c;
	if (all->by_name.count >= CHANNELS_KEPT_MAX &&
		all->by_name.count >= all->sweep_at)
		sweep(all);
	c = memory_alloc(sizeof(*c));
	c->all = all;
	c->name = memory_copy_bytes(name.at, name.length);
	c->plugin = UINT32_MAX;
	c->open.done = channel_opened;
	list_init(&c->owners);
	list_init(&c->messages);
	list_init(&c->ready);
	list_init(&c->sends);
	list_init(&c->replies);
	list_init(&c->acts);
	gates_init(&c->gates);
	lanes_init(&c->lanes, INBOUND_LANES_MAX);
	lanes_init(&c->send_lanes, OUTBOUND_LANES_MAX);
	map_set(&all->by_name, name.at, name.length, c);
	return c;
}

/* The worker may not be in the route table yet. */
struct channel *
channel_of(const struct worker *w, const struct registration *r)
{
	struct gateway *g = ((struct plugin *)w->owner)->gateway;
	const char *space = w->config->namespace;
	char *name = memory_format("%s%s%s", space ? space : "",
		space && *space ? "." : "", r->name);
	struct channel *c = channels_claim(g->channels, bytes_of(name));

	free(name);
	return c;
}

struct plugin *
channel_plugin(const struct channel *c)
{
	return gateway_plugin_by_number(c->all->gateway, c->plugin);
}

/* ---- turns ---- */

void
channel_look(struct channel *c)
{
	struct channels *all = c->all;

	if (list_is_empty(&c->ready))
		list_append(&all->ready, &c->ready);
	if (!ev_is_active(&all->pump)) {
		ev_timer_set(&all->pump, 0, 0);
		ev_timer_start(all->gateway->loop, &all->pump);
	}
}

static bool
may_handle(struct channels *all)
{
	struct gateway *g = all->gateway;

	all->is_settled = all->is_settled || gateway_is_settled(g);
	if (!all->is_settled && !wheel_timer_is_set(&all->settled_again))
		wheel_set(&g->wheel, &all->settled_again,
			clock_ms() + SETTLED_LOOK_MS);
	return all->is_settled;
}

static void
settled_again_due(struct wheel_timer *t)
{
	struct channels *all = container_of(t, struct channels, settled_again);
	const struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&all->by_name, &i));)
		channel_look(entry->value);
}

/* Channels take turns; what is left goes on in the next turn. */
static void
pump(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct channels *all = container_of(timer, struct channels, pump);
	uint64_t until_us = clock_us() + PUMP_US;
	struct lane_item *item;
	struct channel *c;

	(void)loop, (void)events;
	while (!list_is_empty(&all->ready) && clock_us() < until_us) {
		c = container_of(all->ready.next, struct channel, ready);
		list_remove(&c->ready);
		send_pump(c);
		item = may_handle(all) && c->value_bytes < INBOUND_VALUES_MAX
			       ? lanes_begin(&c->lanes)
			       : NULL;
		if (!item)
			continue;
		list_append(&all->ready, &c->ready);
		handle_begin(container_of(item, struct inbound, item));
	}
	if (list_is_empty(&all->ready))
		return;
	ev_timer_set(timer, 0, 0);
	ev_timer_start(loop, timer);
}

/* The plugin has a worker, or one with room. */
static void
on_sends(struct gateway *g, struct plugin *p)
{
	const struct map_entry *entry;

	p->sends_wait = false;
	for (size_t i = 0; (entry = map_next(&g->channels->by_name, &i));) {
		struct channel *c = entry->value;

		if (c->plugin == p->number && c->send_lanes.count)
			channel_look(c);
	}
}

/* ---- all ---- */

void
channels_set_door(struct channels *all, struct channel_door *door)
{
	all->door = door;
}

void
channels_create(struct gateway *g)
{
	struct channels *all = memory_alloc(sizeof(*all));

	all->gateway = g;
	all->recalling.done = channels_recalled;
	list_init(&all->ready);
	ev_timer_init(&all->pump, pump, 0, 0);
	wheel_timer_init(&all->recall_again, channels_recall_again_due);
	wheel_timer_init(&all->settled_again, settled_again_due);
	all->started_ms = clock_wall_ms();
	g->channels = all;
	g->channel_life = &channel_life;
	g->on_sends = on_sends;
}

static void
destroy(struct channel *c)
{
	list_for_each_safe (node, &c->owners)
		channel_remove_owner(
			container_of(node, struct channel_owner, node));
	inbound_destroy_all(c);
	gates_finish(&c->gates);
	outbound_destroy_all(c);
	act_destroy_all(c);
	announce_forget(c);
	lanes_finish(&c->lanes);
	lanes_finish(&c->send_lanes);
	map_finish(&c->sends_by_id);
	map_finish(&c->by_id);
	channel_forget_open(c);
	list_remove(&c->ready);
	free(c->own_name);
	free(c->name);
	free(c);
}

static void
note_commands(struct channels *all)
{
	const struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&all->by_name, &i));) {
		struct channel *c = entry->value;

		list_for_each (node, &c->messages)
			handle_note_command(
				container_of(node, struct inbound, node));
	}
}

void
channels_stop(struct channels *all, uint64_t limit_ms,
	void (*stopped)(void *user), void *user)
{
	if (all && all->store)
		note_commands(all);
	if (all && all->store)
		message_store_stop(all->store, limit_ms, stopped, user);
	else
		stopped(user);
}

void
channels_destroy(struct channels *all)
{
	const struct map_entry *entry;
	struct gateway *g;

	if (!all)
		return;
	g = all->gateway;
	g->channel_life = NULL;
	g->on_sends = NULL;
	message_store_destroy(all->store); /* no call is in progress by now */
	all->store = NULL;
	for (size_t i = 0; (entry = map_next(&all->by_name, &i));)
		destroy(entry->value);
	map_finish(&all->by_name);
	ev_timer_stop(g->loop, &all->pump);
	wheel_clear(&g->wheel, &all->recall_again);
	wheel_clear(&g->wheel, &all->settled_again);
	g->channels = NULL;
	free(all);
}
