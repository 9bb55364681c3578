/* channels: which channels there are, who has them, and how they begin and end.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"

#define PUMP_US 2000 /* of a turn, for what begins to be handled */
#define RECALL_RETRY_MS 1000
/* Names that may have been used once: beyond this, and beyond twice as many as
 * are in use, the others are forgotten with their figures. */
#define CHANNELS_KEPT_MAX 256
#define SETTLED_LOOK_MS 50

static void on_opened(
	struct store_call *call, const struct store_result *result);
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
	c->open.done = on_opened;
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

/* ---- owners ---- */

struct channel_owner *
channel_owner_of(const struct channel *c, const struct worker *w)
{
	list_for_each_back (node, &c->owners) {
		struct channel_owner *o =
			container_of(node, struct channel_owner, node);

		if (o->worker == w->id)
			return o;
	}
	return NULL;
}

struct worker *
channel_owner_worker(const struct channel_owner *o)
{
	struct plugin *p =
		gateway_plugin_by_number(o->channel->all->gateway, o->plugin);

	return p ? plugin_worker(p, o->worker) : NULL;
}

static void
remove_owner(struct channel_owner *o)
{
	struct channel *c = o->channel;

	channel_keep_cursor(o);
	list_remove(&o->node);
	inbound_forget_owner(o);
	window_finish(&o->window);
	free(o);
	if (!list_is_empty(&c->owners))
		channel_keep_cursor(container_of(
			c->owners.previous, struct channel_owner, node));
}

static void
add_owner(struct channel *c, const struct worker *w,
	const struct registration *r, uint64_t epoch)
{
	struct channel_owner *o = channel_owner_of(c, w);

	if (o) /* its stop was not answered */
		remove_owner(o);
	o = memory_alloc(sizeof(*o));
	o->channel = c;
	o->plugin = w->plugin;
	o->worker = w->id;
	o->epoch = c->epoch = epoch;
	window_init(&o->window);
	list_init(&o->askers);
	list_append(&c->owners, &o->node);
	c->plugin = w->plugin;
	free(c->own_name);
	c->own_name = memory_copy_text(r->name);
	c->announces = r->channel.announce;
	c->acks_handled = r->channel.ack && !strcmp(r->channel.ack, "handled");
}

/* As the store has it. */
static uint64_t
kept_epoch(const struct channel *c)
{
	return c->open_epoch > c->epoch ? c->open_epoch : c->epoch;
}

/* If several may have the channel, the cursor is that of the last one; once it
 * has ended, that of the one before again. */
static bool
is_newest(const struct channel_owner *o)
{
	return o->channel->owners.previous == &o->node;
}

void
channel_keep_cursor(struct channel_owner *o)
{
	struct channel *c = o->channel;
	struct bytes cursor;

	if (!is_newest(o) || !c->all->store ||
		!window_moved(&o->window, &cursor))
		return;
	message_store_set_cursor(
		c->all->store, NULL, bytes_of(c->name), kept_epoch(c), cursor);
}

/* Whoever waits for the channel to be opened asks again. */
static void
look_at(struct plugin *p)
{
	if (p && p->active)
		services_look(p->active);
	if (p && p->candidate && p->candidate->state == WORKER_READY)
		services_look(p->candidate);
}

/* ---- what an earlier supd left ---- */

static void ask_recall(struct channels *all);

/* All channels that waited for it may start. */
static void
recall_ended(struct channels *all)
{
	struct gateway *g = all->gateway;

	all->recall = RECALL_DONE;
	for (uint32_t i = 0; i < g->plugin_count; i++)
		look_at(g->plugins[i]);
}

static void
on_recalled(struct store_call *call, const struct store_result *result)
{
	struct channels *all = container_of(call, struct channels, recalling);
	struct gateway *g = all->gateway;

	if (result->answer != STORE_OK) {
		wheel_set(&g->wheel, &all->recall_again,
			clock_ms() + RECALL_RETRY_MS);
		return;
	}
	for (size_t i = 0; i < result->message_count; i++)
		if (result->messages[i].outbound)
			outbound_recall(all, &result->messages[i]);
		else
			inbound_recall(all, &result->messages[i]);
	all->recalled_seq = result->next_seq;
	if (result->more)
		ask_recall(all);
	else
		recall_ended(all);
}

static void
ask_recall(struct channels *all)
{
	all->recall = RECALL_UNDER_WAY;
	message_store_query(all->store, &all->recalling,
		&(struct store_query){.direction = STORE_BOTH,
			.states = STORED_STATE_BIT(STORED_PENDING) |
				  STORED_STATE_BIT(STORED_ACTIVE),
			.after_seq = all->recalled_seq,
			.bodies = true});
}

static void
recall_again_due(struct wheel_timer *t)
{
	ask_recall(container_of(t, struct channels, recall_again));
}

/* ---- the store ---- */

static struct message_store_settings
settings_of(const struct config *config)
{
	return (struct message_store_settings){
		.full_sync = config->messages.sync == MESSAGES_SYNC_FULL,
		.keep_ms = config->messages.keep_ms,
		.max_bytes = config->messages.max_bytes,
	};
}

static void
on_trouble(void *user, const char *reason)
{
	struct channels *all = user;

	news_gateway(all->gateway,
		reason ? "channel.store_unavailable"
		       : "channel.store_available",
		reason ? json_pack("{s:s}", "reason", reason) : json_object());
}

static void
on_damaged(void *user, const char *path)
{
	struct channels *all = user;

	news_gateway(all->gateway, "channel.store_damaged",
		json_pack("{s:s}", "movedTo", path));
}

void
channels_need_store(struct channels *all)
{
	struct gateway *g = all->gateway;
	struct message_store_settings settings = settings_of(g->config);
	struct message_store_owner owner = {.group = &g->peers,
		.children = &g->workers.children,
		.user = all,
		.on_trouble = on_trouble,
		.on_damaged = on_damaged};
	char *program, *database;

	if (all->store)
		return;
	program = message_store_program(g->worker_program);
	database = memory_format("%s/messages.db", g->state_dir);
	all->store = message_store_create(&owner, program, database, &settings);
	free(program);
	free(database);
	ask_recall(all);
}

void
channels_configure(struct channels *all, const struct config *config)
{
	struct message_store_settings settings;

	if (!all || !all->store)
		return;
	settings = settings_of(config);
	message_store_configure(all->store, &settings);
}

/* ---- the life of a channel ---- */

static void
forget_open(struct channel *c)
{
	c->is_open = false;
	free(c->open_cursor);
	c->open_cursor = NULL;
}

static void
on_opened(struct store_call *call, const struct store_result *result)
{
	struct channel *c = container_of(call, struct channel, open);

	c->is_opening = false;
	forget_open(c);
	if (result->answer != STORE_OK)
		return; /* it is asked again with the next try */
	c->is_open = true;
	c->open_epoch = result->epoch;
	if (result->cursor.length)
		c->open_cursor = memory_copy_bytes(
			result->cursor.at, result->cursor.length);
	c->open_cursor_length = result->cursor.length;
	look_at(channel_plugin(c));
}

static bool
starts(struct worker *w, const struct registration *r, uint64_t *epoch,
	struct bytes *cursor_out, const char **text_out)
{
	struct channel *c = channel_of(w, r);
	struct channels *all = c->all;

	channels_need_store(all);
	*text_out = message_store_trouble(all->store)
			    ? "the message store is not available"
			    : "the message store is being asked";
	if (all->recall != RECALL_DONE)
		return false;
	if (c->is_open && c->open_worker == w->id) {
		if (c->open_epoch > *epoch)
			*epoch = c->open_epoch;
		*cursor_out =
			(struct bytes){c->open_cursor, c->open_cursor_length};
		c->is_open = false;
		add_owner(c, w, r, *epoch);
		return true;
	}
	c->plugin = w->plugin;
	if (c->is_opening)
		return false;
	forget_open(c);
	c->is_opening = true;
	c->open_worker = w->id;
	message_store_open_channel(
		all->store, &c->open, bytes_of(c->name), *epoch);
	return false;
}

static void
runs(struct worker *w, const struct registration *r)
{
	channel_look(channel_of(w, r));
}

static void
stops(struct worker *w, const struct registration *r)
{
	struct channel_owner *o = channel_owner_of(channel_of(w, r), w);

	if (!o)
		return;
	o->is_stopping = true;
	inbound_let_go(o);
}

/* What the worker says at the end counts only if nothing is open. */
static void
ended(struct worker *w, const struct registration *r, uint64_t epoch,
	struct bytes cursor)
{
	struct channel *c = channel_of(w, r);
	struct channel_owner *o = channel_owner_of(c, w);

	(void)epoch;
	if (!o)
		return;
	if (cursor.at && window_is_clear(&o->window) && is_newest(o)) {
		message_store_set_cursor(c->all->store, NULL, bytes_of(c->name),
			kept_epoch(c), cursor);
		window_moved(&o->window, &cursor);
	}
	remove_owner(o);
}

static void
down(struct worker *w)
{
	struct gateway *g = ((struct plugin *)w->owner)->gateway;
	const struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&g->channels->by_name, &i));) {
		struct channel *c = entry->value;
		struct channel_owner *o = channel_owner_of(c, w);

		if (o)
			remove_owner(o);
		if (c->is_open && c->open_worker == w->id)
			forget_open(c);
	}
}

static const struct channel_life life = {
	.starts = starts,
	.runs = runs,
	.stops = stops,
	.ended = ended,
	.down = down,
};

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
	all->recalling.done = on_recalled;
	list_init(&all->ready);
	ev_timer_init(&all->pump, pump, 0, 0);
	wheel_timer_init(&all->recall_again, recall_again_due);
	wheel_timer_init(&all->settled_again, settled_again_due);
	all->started_ms = clock_wall_ms();
	g->channels = all;
	g->channel_life = &life;
	g->on_sends = on_sends;
}

static void
destroy(struct channel *c)
{
	list_for_each_safe (node, &c->owners)
		remove_owner(container_of(node, struct channel_owner, node));
	inbound_destroy_all(c);
	gates_finish(&c->gates);
	outbound_destroy_all(c);
	act_destroy_all(c);
	announce_forget(c);
	lanes_finish(&c->lanes);
	lanes_finish(&c->send_lanes);
	map_finish(&c->sends_by_id);
	map_finish(&c->by_id);
	forget_open(c);
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
	message_store_destroy(all->store); /* no call is under way any more */
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
