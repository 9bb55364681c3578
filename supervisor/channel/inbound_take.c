/* inbound_take: a `channel.message` of a worker, until it is given to the store
 * or refused. */
#include "supervisor/channel/inbound.h"

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/channel/incoming.h"
#include "supervisor/event/services.h"

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
	gates_shut(
		&o->channel->gates, in->lane, in->id, 0, o->epoch, clock_ms());
	window_refuse(
		&o->window, window_arrive(&o->window, in->id, in->cursor));
	inbound_refuse(o->channel, w, wire_id, INBOUND_ANSWER_BUSY, text);
}

/* bytes: 0: it is in memory already. */
static const char *
obstacle(const struct channel_owner *o, const struct incoming *in, size_t bytes)
{
	struct channel *c = o->channel;

	if (c->all->gateway->stopping)
		return "supd is stopping";
	if (o->is_stopping && c->acks_handled)
		return "the channel is about to be stopped";
	if (bytes && (c->count >= INBOUND_MAX ||
			     c->bytes + bytes > INBOUND_BYTES_MAX))
		return "too many messages of the channel wait to be handled";
	return gates_are_shut(&c->gates, in->lane, in->id, clock_ms())
		       ? INBOUND_BEHIND
		       : NULL;
}

static struct bytes
pack(const msgpack_object *o, struct buffer *b)
{
	msgpack_packer p;

	codec_packer(&p, b);
	msgpack_pack_object(&p, *o);
	return (struct bytes){(const char *)buffer_bytes(b), buffer_length(b)};
}

/* It is in memory already. */
static void
take_again(struct channel_owner *o, struct inbound *i, struct worker *w,
	const struct message *m, const struct incoming *in)
{
	struct channel *c = o->channel;

	if (o->asker_count >= INBOUND_MAX) {
		inbound_refuse(c, w, m->id, INBOUND_ANSWER_BUSY,
			"too many messages of the channel wait to be answered");
		return;
	}
	ask(o, i, m->id, in);
	if (i->seq && !c->acks_handled)
		inbound_answer(i, INBOUND_ANSWER_SEEN);
	else if (i->seq && o->is_stopping)
		inbound_answer_busy(i, "the channel is about to be stopped");
}

static void
take(struct channel_owner *o, struct worker *w, const struct message *m,
	const struct incoming *in)
{
	struct channel *c = o->channel;
	struct inbound *i = inbound_find(c, in->id);
	struct buffer packed = {0};
	const char *text;
	struct bytes body;

	if (i && !i->is_held) {
		take_again(o, i, w, m, in);
		return;
	}
	body = pack(&m->params[1], &packed);
	text = obstacle(o, in, i ? 0 : body.length);
	if (text) {
		turn_away(o, w, m->id, in, text);
	} else if (i) {
		ask(o, i, m->id, in);
		inbound_take_on(i);
	} else {
		i = inbound_create(c, in->id, in->lane, body);
		ask(o, i, m->id, in);
		inbound_put(i);
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
		inbound_refuse(c, w, m->id, INBOUND_ANSWER_WRONG, err.text);
		return;
	case INCOMING_REFUSED:
		text_format(id, sizeof(id), "%.*s",
			(int)text_fit(in.id.at, in.id.length, 100), in.id.at);
		inbound_log_refusal(c, id, err.text);
		window_acknowledge(&o->window,
			window_arrive(&o->window, in.id, in.cursor));
		inbound_say(c, w, m->id, INBOUND_ANSWER_REFUSED);
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
		inbound_refuse(c, w, m->id, INBOUND_ANSWER_CONFLICT, err.text);
}
