/* inbound: messages from their arrival until their end is in the store.
 * A message is in memory from its arrival to the end of its handling, so an id
 * that comes again meanwhile is found here, and later in the store. */
#include "supervisor/channel/inbound.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

/* ---- in memory ---- */

struct bytes
inbound_lane(const struct inbound *i)
{
	return (struct bytes){i->lane, i->lane_length};
}

struct inbound *
inbound_find(const struct channel *c, struct bytes id)
{
	return map_get(&c->by_id, id.at, id.length);
}

struct inbound *
inbound_create(struct channel *c, struct bytes id, struct bytes lane,
	struct bytes body)
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

static struct bytes
id_of(const struct inbound *i)
{
	return (struct bytes){i->id, i->id_length};
}

/* The store has answered. Whether one before it in its lane was refused. */
static bool
arrived(struct inbound *i)
{
	uint64_t number = i->number;

	i->number = 0;
	return number &&
	       gates_leave(&i->channel->gates, inbound_lane(i), number);
}

void
inbound_destroy(struct inbound *i)
{
	struct channel *c = i->channel;

	handle_abandon(i);
	while (!list_is_empty(&i->askers))
		asker_leave(
			container_of(i->askers.next, struct asker, of_message));
	if (c->all->store)
		message_store_forget(c->all->store, &i->call);
	arrived(i);
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
		inbound_destroy(container_of(node, struct inbound, node));
}

static void
begin_handling(struct inbound *i)
{
	i->is_held = false;
	lanes_push(&i->channel->lanes, inbound_lane(i), &i->item);
	channel_look(i->channel);
}

void
inbound_recall(struct channels *all, const struct stored_message *m)
{
	struct channel *c = channels_claim(all, m->channel);
	struct inbound *i;

	if (inbound_find(c, m->id))
		return; /* it has come again, and waits */
	i = inbound_create(c, m->id, m->lane, m->body);
	i->seq = m->seq;
	i->kept_ms = m->at_ms;
	i->tries = m->tries;
	i->was_run = bytes_equal(m->note, BYTES(COMMAND_HAS_RUN));
	begin_handling(i);
}

/* ---- the store ---- */

/* It will be handled: answers the request that brought it. */
void
inbound_take_on(struct inbound *i)
{
	struct channel *c = i->channel;
	struct channel_owner *o;

	channel_count(&c->rate);
	begin_handling(i);
	if (!c->acks_handled) {
		inbound_answer(i, INBOUND_ANSWER_NEW);
		return;
	}
	list_for_each_safe (node, &i->askers) {
		struct asker *a = container_of(node, struct asker, of_message);

		o = a->owner;
		if (o->is_stopping)
			asker_answer_busy(
				a, "the channel is about to be stopped");
	}
}

/* The gate of its lane is shut, but it was on its way already. */
static void
hold(struct inbound *i)
{
	i->is_held = true;
	inbound_answer_busy(i, INBOUND_BEHIND);
}

/* No worker is left that could bring the messages refused before them. */
static void
release_held(struct channel *c)
{
	list_for_each (node, &c->messages) {
		struct inbound *i = container_of(node, struct inbound, node);

		if (i->is_held)
			inbound_take_on(i);
	}
}

static void
refuse_put(struct inbound *i, uint64_t number)
{
	struct channel *c = i->channel;
	struct asker *first = list_is_empty(&i->askers)
				      ? NULL
				      : container_of(i->askers.next,
						struct asker, of_message);

	gates_shut(&c->gates, inbound_lane(i), id_of(i), number,
		first ? first->owner->epoch : 0, clock_ms());
	inbound_answer_busy(i, "the message store cannot take it now");
}

static void
on_put(struct store_call *call, const struct store_result *result)
{
	struct inbound *i = container_of(call, struct inbound, call);
	uint64_t number = i->number;
	bool is_behind = arrived(i);

	switch (result->answer) {
	case STORE_NEW:
		i->seq = result->messages[0].seq;
		/* the store's time: the same after a restart of supd */
		i->kept_ms = result->messages[0].at_ms;
		if (is_behind && !list_is_empty(&i->channel->owners))
			hold(i);
		else
			inbound_take_on(i);
		return;
	case STORE_SEEN:
		inbound_answer(i, INBOUND_ANSWER_SEEN);
		break;
	case STORE_TOO_LARGE:
		inbound_log_refusal(i->channel, i->id, "it is too large");
		inbound_answer(i, INBOUND_ANSWER_REFUSED);
		break;
	default:
		refuse_put(i, number);
	}
	inbound_destroy(i);
}

void
inbound_put(struct inbound *i)
{
	const struct stored_message m = {
		.channel = bytes_of(i->channel->name),
		.id = {i->id, i->id_length},
		.lane = inbound_lane(i),
		.body = {i->body, i->body_length},
		.at_ms = i->kept_ms = clock_wall_ms(),
	};

	i->call.done = on_put;
	i->number = gates_enter(&i->channel->gates, inbound_lane(i));
	message_store_put(i->channel->all->store, &i->call, &m);
}

/* ---- the end of an owner ---- */

void
inbound_forget_owner(struct channel_owner *o)
{
	struct worker *w = channel_owner_worker(o);
	bool listens = w && w->state < WORKER_STOPPING;

	gates_forget_owner(&o->channel->gates, o->epoch);
	while (!list_is_empty(&o->askers)) {
		struct asker *a =
			container_of(o->askers.next, struct asker, of_owner);

		if (listens) {
			asker_answer_busy(a, "the channel is stopped");
			continue;
		}
		o->channel->answers[INBOUND_ANSWER_LOST]++;
		asker_leave(a);
	}
	if (list_is_empty(&o->channel->owners))
		release_held(o->channel);
}

/* ---- dropped, or tried once more, by a user ---- */

void
inbound_drop(struct channel *c, struct bytes id)
{
	struct inbound *i = inbound_find(c, id);

	if (!i || !i->seq || !(i->item.lane || i->is_held))
		return; /* it has ended */
	c->ends[INBOUND_DROPPED]++;
	inbound_answer(i, INBOUND_ANSWER_NEW);
	inbound_destroy(i);
	channel_look(c);
}

/* ---- the end ---- */

static void
on_ended(struct store_call *call, const struct store_result *result)
{
	struct inbound *i = container_of(call, struct inbound, call);

	(void)result;
	inbound_answer(i, INBOUND_ANSWER_NEW);
	inbound_destroy(i);
}

/* The end is reported when it is in the store. Meanwhile the lane goes on. */
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
	handle_end_span(i, end, note);
	handle_abandon(i);
	lanes_remove(&i->item);
	channel_look(c);
	i->call.done = on_ended;
	message_store_set_state(c->all->store, &i->call, &change);
}
