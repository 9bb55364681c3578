/* inbound: a message from the worker until it is in the store, and its answer.
 * A message is in memory from its arrival to the end of its handling, so an id
 * that comes again meanwhile is found here, and later in the store. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/channel/incoming.h"
#include "supervisor/channel/parts.h"
#include "supervisor/event/services.h"

#define REPORT_MS                                                              \
	1000 /* between two log lines about what a channel refuses             \
	      */

/* ---- answers ---- */

static struct worker *
worker_of(const struct channel_owner *o)
{
	struct plugin *p =
		gateway_plugin_by_number(o->channel->all->gateway, o->plugin);

	return p ? plugin_worker(p, o->worker) : NULL;
}

static void
refuse(struct channel *c, struct worker *w, uint32_t wire_id,
	enum inbound_answer answer, const char *text)
{
	static const enum wire_error codes[INBOUND_ANSWER_COUNT] = {
		[INBOUND_ANSWER_BUSY] = WIRE_BUSY,
		[INBOUND_ANSWER_CONFLICT] = WIRE_CONFLICT,
		[INBOUND_ANSWER_WRONG] = WIRE_BAD_MESSAGE,
	};

	c->answers[answer]++;
	worker_refuse_call(w, wire_id, codes[answer], text);
}

static void
answer(struct channel *c, struct worker *w, uint32_t wire_id,
	enum inbound_answer answer)
{
	static const char *const words[INBOUND_ANSWER_COUNT] = {
		[INBOUND_ANSWER_NEW] = "\xa3new",
		[INBOUND_ANSWER_SEEN] = "\xa4seen",
		[INBOUND_ANSWER_REFUSED] = "\xa7refused",
	};

	c->answers[answer]++;
	worker_answer_packed(w, wire_id, bytes_of(words[answer]));
}

static void
leave(struct asker *a)
{
	list_remove(&a->of_owner);
	list_remove(&a->of_message);
	a->owner->asker_count--;
	free(a);
}

/* It is acknowledged at the platform from here on. */
static void
answer_asker(struct asker *a, enum inbound_answer how)
{
	struct channel_owner *o = a->owner;
	struct worker *w = worker_of(o);

	window_acknowledge(&o->window, a->entry);
	if (w)
		answer(o->channel, w, a->wire_id, how);
	leave(a);
	channel_keep_cursor(o);
}

static void
answer_asker_busy(struct asker *a, const char *text)
{
	struct channel_owner *o = a->owner;
	struct worker *w = worker_of(o);

	window_refuse(&o->window, a->entry);
	if (w)
		refuse(o->channel, w, a->wire_id, INBOUND_ANSWER_BUSY, text);
	leave(a);
}

/* The first one gave it to supd; the others gave it again. */
static void
answer_all(struct inbound *i, enum inbound_answer first)
{
	enum inbound_answer how = first;

	while (!list_is_empty(&i->askers)) {
		answer_asker(
			container_of(i->askers.next, struct asker, of_message),
			how);
		if (how == INBOUND_ANSWER_NEW)
			how = INBOUND_ANSWER_SEEN;
	}
}

static void
answer_all_busy(struct inbound *i, const char *text)
{
	while (!list_is_empty(&i->askers))
		answer_asker_busy(
			container_of(i->askers.next, struct asker, of_message),
			text);
}

void
inbound_let_go(struct channel_owner *o)
{
	if (!o->channel->acks_handled)
		return;
	list_for_each_safe (node, &o->askers) {
		struct asker *a = container_of(node, struct asker, of_owner);

		if (a->message->seq)
			answer_asker_busy(
				a, "the channel is about to be stopped");
	}
}

void
inbound_forget_owner(struct channel_owner *o)
{
	struct worker *w = worker_of(o);
	bool listens = w && w->state < WORKER_STOPPING;

	while (!list_is_empty(&o->askers)) {
		struct asker *a =
			container_of(o->askers.next, struct asker, of_owner);

		if (listens) {
			answer_asker_busy(a, "the channel is stopped");
			continue;
		}
		o->channel->answers[INBOUND_ANSWER_LOST]++;
		leave(a);
	}
}

/* ---- in memory ---- */

struct bytes
inbound_lane(const struct inbound *i)
{
	return (struct bytes){i->lane, i->lane_length};
}

static struct inbound *
find(const struct channel *c, struct bytes id)
{
	return map_get(&c->by_id, id.at, id.length);
}

static struct inbound *
create(struct channel *c, struct bytes id, struct bytes lane, struct bytes body)
{
	struct inbound *i = memory_alloc(sizeof(*i));

	i->channel = c;
	i->id = memory_copy_bytes(id.at, id.length);
	i->id_length = id.length;
	i->lane = memory_copy_bytes(lane.at, lane.length);
	i->lane_length = lane.length;
	i->body = memory_copy_bytes(body.at, body.length);
	i->body_length = body.length;
	list_init(&i->item.node);
	list_init(&i->askers);
	list_append(&c->messages, &i->node);
	map_set(&c->by_id, i->id, i->id_length, i);
	c->count++;
	c->bytes += sizeof(*i) + id.length + lane.length + body.length;
	return i;
}

static void
destroy(struct inbound *i)
{
	struct channel *c = i->channel;

	handle_abandon(i);
	while (!list_is_empty(&i->askers))
		leave(container_of(i->askers.next, struct asker, of_message));
	if (c->all->store)
		message_store_forget(c->all->store, &i->call);
	lanes_remove(&i->item);
	map_remove(&c->by_id, i->id, i->id_length);
	list_remove(&i->node);
	c->count--;
	c->bytes -= sizeof(*i) + i->id_length + i->lane_length + i->body_length;
	free(i->id);
	free(i->lane);
	free(i->body);
	free(i);
}

void
inbound_destroy_all(struct channel *c)
{
	list_for_each_safe (node, &c->messages)
		destroy(container_of(node, struct inbound, node));
}

static void
begin_handling(struct inbound *i)
{
	lanes_push(&i->channel->lanes, inbound_lane(i), &i->item);
	channel_look(i->channel);
}

void
inbound_recall(struct channels *all, const struct stored_message *m)
{
	struct channel *c = channels_claim(all, m->channel);
	struct inbound *i;

	if (find(c, m->id))
		return; /* it has come again, and waits */
	i = create(c, m->id, m->lane, m->body);
	i->seq = m->seq;
	i->kept_ms = m->at_ms;
	i->tries = m->tries;
	begin_handling(i);
}

/* ---- the store ---- */

static void
log_refusal(struct channel *c, const char *id, const char *why)
{
	uint64_t now = clock_ms();
	struct plugin *p = channel_plugin(c);

	if (c->refused_told_ms && now - c->refused_told_ms < REPORT_MS)
		return;
	c->refused_told_ms = now;
	log_write(LOG_WARN, &(struct log_subject){.plugin = p ? p->id : NULL},
		"channel %s: the message '%.100s' is refused: %s", c->name, id,
		why);
}

static void
kept(struct inbound *i, uint64_t seq)
{
	struct channel *c = i->channel;
	struct channel_owner *o;

	i->seq = seq;
	channel_count(&c->rate);
	begin_handling(i);
	if (!c->acks_handled) {
		answer_all(i, INBOUND_ANSWER_NEW);
		return;
	}
	list_for_each_safe (node, &i->askers) {
		struct asker *a = container_of(node, struct asker, of_message);

		o = a->owner;
		if (o->is_stopping)
			answer_asker_busy(
				a, "the channel is about to be stopped");
	}
}

static void
on_put(struct store_call *call, const struct store_result *result)
{
	struct inbound *i = container_of(call, struct inbound, call);

	switch (result->answer) {
	case STORE_NEW:
		kept(i, result->messages[0].seq);
		return;
	case STORE_SEEN:
		answer_all(i, INBOUND_ANSWER_SEEN);
		break;
	case STORE_TOO_LARGE:
		log_refusal(i->channel, i->id, "it is too large");
		answer_all(i, INBOUND_ANSWER_REFUSED);
		break;
	default:
		answer_all_busy(i, "the message store cannot take it now");
	}
	destroy(i);
}

static void
put(struct inbound *i)
{
	const struct stored_message m = {
		.channel = bytes_of(i->channel->name),
		.id = {i->id, i->id_length},
		.lane = inbound_lane(i),
		.body = {i->body, i->body_length},
		.at_ms = i->kept_ms = clock_wall_ms(),
	};

	i->call.done = on_put;
	message_store_put(i->channel->all->store, &i->call, &m);
}

/* ---- arrival ---- */

static struct asker *
ask(struct channel_owner *o, struct inbound *i, uint32_t wire_id,
	const struct incoming *in)
{
	struct asker *a = memory_alloc(sizeof(*a));

	a->owner = o;
	a->message = i;
	a->wire_id = wire_id;
	a->entry = window_arrive(&o->window, in->id, in->cursor);
	list_append(&o->askers, &a->of_owner);
	o->asker_count++;
	list_append(&i->askers, &a->of_message);
	return a;
}

/* Not even tried to be kept. */
static void
turn_away(struct channel_owner *o, struct worker *w, uint32_t wire_id,
	const struct incoming *in, const char *text)
{
	window_refuse(
		&o->window, window_arrive(&o->window, in->id, in->cursor));
	refuse(o->channel, w, wire_id, INBOUND_ANSWER_BUSY, text);
}

static const char *
obstacle(const struct channel_owner *o, size_t bytes)
{
	const struct channel *c = o->channel;

	if (c->all->gateway->stopping)
		return "supd is stopping";
	if (o->is_stopping && c->acks_handled)
		return "the channel is about to be stopped";
	if (c->count >= INBOUND_MAX || c->bytes + bytes > INBOUND_BYTES_MAX)
		return "too many messages of the channel wait to be handled";
	return NULL;
}

static struct bytes
pack(const msgpack_object *o, struct buffer *b)
{
	msgpack_packer p;

	codec_packer(&p, b);
	msgpack_pack_object(&p, *o);
	return (struct bytes){(const char *)buffer_bytes(b), buffer_length(b)};
}

static void
take(struct channel_owner *o, struct worker *w, const struct message *m,
	const struct incoming *in)
{
	struct channel *c = o->channel;
	struct inbound *i = find(c, in->id);
	struct buffer packed = {0};
	const char *text;
	struct bytes body;

	if (i && o->asker_count >= INBOUND_MAX) {
		refuse(c, w, m->id, INBOUND_ANSWER_BUSY,
			"too many messages of the channel wait to be answered");
		return;
	}
	if (i) { /* it is in memory already */
		ask(o, i, m->id, in);
		if (i->seq && !c->acks_handled)
			answer_all(i, INBOUND_ANSWER_SEEN);
		else if (i->seq && o->is_stopping)
			answer_all_busy(
				i, "the channel is about to be stopped");
		return;
	}
	body = pack(&m->params[1], &packed);
	text = obstacle(o, body.length);
	if (text) {
		turn_away(o, w, m->id, in, text);
	} else {
		i = create(c, in->id, in->lane, body);
		ask(o, i, m->id, in);
		put(i);
	}
	buffer_finish(&packed);
}

static void
read_and_take(
	struct channel_owner *o, struct worker *w, const struct message *m)
{
	struct channel *c = o->channel;
	struct incoming in;
	struct error err;
	char id[128];

	c->last_in_ms = clock_wall_ms();
	switch (incoming_read(&in, &m->params[1], &err)) {
	case INCOMING_WRONG:
		refuse(c, w, m->id, INBOUND_ANSWER_WRONG, err.text);
		return;
	case INCOMING_REFUSED:
		text_format(id, sizeof(id), "%.*s",
			(int)text_fit(in.id.at, in.id.length, 100), in.id.at);
		log_refusal(c, id, err.text);
		window_acknowledge(&o->window,
			window_arrive(&o->window, in.id, in.cursor));
		answer(c, w, m->id, INBOUND_ANSWER_REFUSED);
		channel_keep_cursor(o);
		return;
	case INCOMING_FINE:
		take(o, w, m, &in);
	}
}

static const struct registration *
declared(const struct worker *w, struct bytes name)
{
	char own_name[REGISTRATION_NAME_BYTES + 1];

	if (name.length > REGISTRATION_NAME_BYTES)
		return NULL;
	text_format(
		own_name, sizeof(own_name), "%.*s", (int)name.length, name.at);
	return registration_find(
		&w->registrations, REGISTRATION_CHANNEL, own_name);
}

/* The owner that the worker is; NULL with err. */
static struct channel_owner *
owner_now(const struct channel *c, const struct worker *w,
	const struct registration *r, struct error *err)
{
	struct channel_owner *o = c ? channel_owner_of(c, w) : NULL;

	if (!o)
		error_set(err, "the channel '%s' is not started here", r->name);
	else if (!r->channel.overlap && o->epoch < c->epoch)
		error_set(err,
			"the channel '%s' belongs to another worker since "
			"epoch %llu",
			r->name, (unsigned long long)c->epoch);
	else
		return o;
	return NULL;
}

void
channels_take(struct worker *w, const struct message *m)
{
	const struct registration *r = declared(w, codec_bytes(&m->params[0]));
	struct channel_owner *o;
	struct channel *c;
	struct error err;

	if (!r) {
		worker_refuse_call(w, m->id, WIRE_NOT_FOUND,
			"the worker has no channel of this name");
		return;
	}
	c = channel_of(w, r);
	o = owner_now(c, w, r, &err);
	if (o)
		read_and_take(o, w, m);
	else
		refuse(c, w, m->id, INBOUND_ANSWER_CONFLICT, err.text);
}

/* ---- dropped, or tried once more, by a user ---- */

void
inbound_drop(struct channel *c, struct bytes id)
{
	struct inbound *i = find(c, id);

	if (!i || !i->seq || !i->item.lane)
		return; /* it has ended */
	c->ends[INBOUND_DROPPED]++;
	answer_all(i, INBOUND_ANSWER_NEW);
	destroy(i);
	channel_look(c);
}

/* ---- the end ---- */

static void
on_ended(struct store_call *call, const struct store_result *result)
{
	struct inbound *i = container_of(call, struct inbound, call);

	(void)result;
	answer_all(i, INBOUND_ANSWER_NEW);
	destroy(i);
}

/* Whoever waits for the end waits until it is in the store. Meanwhile the lane
 * goes on. */
void
inbound_finish(struct inbound *i, enum inbound_end end, const char *note)
{
	struct channel *c = i->channel;
	const struct stored_change change = {
		.seq = i->seq,
		.state = end == INBOUND_DEAD ? STORED_DEAD : STORED_DONE,
		.note = note ? bytes_of(note) : (struct bytes){0},
		.tries = i->tries,
	};

	c->ends[end]++;
	handle_abandon(i);
	lanes_remove(&i->item);
	channel_look(c);
	i->call.done = on_ended;
	message_store_set_state(c->all->store, &i->call, &change);
}
