/* owner: the workers that have a channel, from its start to its stop, and the
 * cursor that is kept of them. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/services.h"

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

void
channel_remove_owner(struct channel_owner *o)
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
		channel_remove_owner(o);
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

void
channels_look_at(struct plugin *p)
{
	if (p && p->active)
		services_look(p->active);
	if (p && p->candidate && p->candidate->state == WORKER_READY)
		services_look(p->candidate);
}

/* ---- the life of a channel ---- */

void
channel_forget_open(struct channel *c)
{
	c->is_open = false;
	free(c->open_cursor);
	c->open_cursor = NULL;
}

void
channel_opened(struct store_call *call, const struct store_result *result)
{
	struct channel *c = container_of(call, struct channel, open);

	c->is_opening = false;
	channel_forget_open(c);
	if (result->answer != STORE_OK)
		return; /* it is asked again with the next try */
	c->is_open = true;
	c->open_epoch = result->epoch;
	if (result->cursor.length)
		c->open_cursor = memory_copy_bytes(
			result->cursor.at, result->cursor.length);
	c->open_cursor_length = result->cursor.length;
	channels_look_at(channel_plugin(c));
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
	channel_forget_open(c);
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
	channel_remove_owner(o);
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
			channel_remove_owner(o);
		if (c->is_open && c->open_worker == w->id)
			channel_forget_open(c);
	}
}

const struct channel_life channel_life = {
	.starts = starts,
	.runs = runs,
	.stops = stops,
	.ended = ended,
	.down = down,
};
