/* channel_receive: messages from the platform on their way to supd. Several of
 * a lane are with supd at a time. If it is busy for one, it is so for those of
 * the lane behind it, until it comes again; so when all of the lane are
 * answered they are asked again in order, and none is overtaken. Those of other
 * lanes go on meanwhile.
 *
 * supd keeps the cursor of the longest prefix that it has taken, in the order
 * in which messages reach it first. That order is another one than the
 * plugin's, so a message is sent with the cursor of the longest prefix, in the
 * plugin's order, that has been sent, or with none if it is behind a gap.
 *
 * A message is not kept here beyond the channel's stop, or the worker's end: it
 * is not acknowledged, and the platform gives it again. */
#include "worker/channel_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

/* Between two tries of a message while supd is busy; it doubles. */
#define PAUSE_FIRST_MS 50
#define PAUSE_LAST_MS 2000
/* Of a lane, with supd at a time. */
#define LANE_MESSAGES 32

static struct received *
received_of(struct list *node)
{
	return container_of(node, struct received, node);
}

static void
take_cursor(struct bytes *to, struct bytes *from)
{
	if (!from->at)
		return;
	free((void *)(uintptr_t)to->at);
	*to = *from;
	*from = (struct bytes){0};
}

static void
forget(struct received *r)
{
	list_remove(&r->node);
	free((void *)(uintptr_t)r->cursor.at);
	free(r);
}

/* ---- lanes ---- */

static void
join_lane(struct received *r, const char *name)
{
	struct map *lanes = &r->channel->lanes;
	size_t bytes = strlen(name);

	r->lane = map_get(lanes, name, bytes);
	if (!r->lane) {
		r->lane = memory_alloc(sizeof(*r->lane) + bytes);
		memcpy(r->lane->name, name, bytes);
		r->lane->name_bytes = bytes;
		r->lane->most = LANE_MESSAGES;
		list_init(&r->lane->messages);
		list_init(&r->lane->pausing);
		map_set(lanes, name, bytes, r->lane);
	}
	list_append(&r->lane->messages, &r->in_lane);
}

/* It is over. */
static void
leave_lane(struct received *r)
{
	struct received_lane *lane = r->lane;

	r->lane = NULL;
	list_remove(&r->in_lane);
	if (!list_is_empty(&lane->messages))
		return;
	list_remove(&lane->pausing);
	map_remove(&r->channel->lanes, lane->name, lane->name_bytes);
	free(lane);
}

/* ---- asking ---- */

/* The position that is reached once it is taken, as far as supd can know. */
static struct bytes
cursor_with(const struct received *r)
{
	struct bytes cursor = {0};
	bool is_in = false;

	list_for_each (node, &r->channel->messages) {
		const struct received *each = received_of(node);

		if (!each->was_asked)
			break;
		if (each->cursor.at)
			cursor = each->cursor;
		is_in = is_in || each == r;
	}
	return is_in ? cursor : (struct bytes){0};
}

static void
ask(struct received *r)
{
	struct channel *c = r->channel;
	struct sup *p = c->plugin;
	uint32_t id = call_for_channel(p, r);
	msgpack_packer *out = link_begin(p->link);
	struct bytes cursor;
	int is_too_large;

	r->state = RECEIVED_ASKED;
	r->was_asked = true;
	r->lane->asked++;
	c->asked++;
	cursor = cursor_with(r);
	codec_request(out, id, MESSAGE_CHANNEL_MESSAGE, 2);
	codec_text(out, c->name);
	msgpack_pack_map(out, r->field_count + (cursor.at != NULL));
	codec_raw(out, (struct bytes){(const char *)buffer_bytes(&r->fields),
			       buffer_length(&r->fields)});
	if (cursor.at) {
		codec_text(out, "cursor");
		codec_bin(out, cursor);
	}
	is_too_large = link_end(p->link);
	assert(!is_too_large); /* received_read() has seen to that */
}

/* As many of the lane as may be asked at once, in order. */
static void
ask_lane(struct received_lane *lane)
{
	list_for_each (node, &lane->messages) {
		struct received *r =
			container_of(node, struct received, in_lane);

		if (lane->asked >= lane->most)
			return;
		if (r->state == RECEIVED_HELD)
			ask(r);
	}
}

/* ---- pauses ---- */

static void
set_timer(struct channel *c)
{
	uint64_t now = clock_ms(), next = UINT64_MAX;

	list_for_each (node, &c->pausing) {
		const struct received_lane *lane =
			container_of(node, struct received_lane, pausing);

		if (!lane->asked && lane->again_ms < next)
			next = lane->again_ms;
	}
	ev_timer_stop(c->plugin->loop, &c->again);
	if (next == UINT64_MAX)
		return;
	ev_timer_set(
		&c->again, next > now ? (double)(next - now) / 1000 : 0.001, 0);
	ev_timer_start(c->plugin->loop, &c->again);
}

/* The first one alone, until supd takes it. */
static void
ask_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct channel *c = container_of(w, struct channel, again);
	uint64_t now = clock_ms();

	list_for_each_safe (node, &c->pausing) {
		struct received_lane *lane =
			container_of(node, struct received_lane, pausing);

		if (lane->asked || lane->again_ms > now)
			continue;
		list_remove(&lane->pausing);
		lane->most = 1;
		ask_lane(lane);
	}
	set_timer(c);
}

/* supd was busy for it, and so is it for those of its lane behind it. */
static void
ask_later(struct received *r)
{
	struct received_lane *lane = r->lane;
	uint64_t pause_ms = (uint64_t)PAUSE_FIRST_MS << lane->pauses;

	r->state = RECEIVED_HELD;
	if (list_is_empty(&lane->pausing)) {
		if (pause_ms < PAUSE_LAST_MS)
			lane->pauses++;
		else
			pause_ms = PAUSE_LAST_MS;
		lane->again_ms = clock_ms() + pause_ms;
		list_append(&r->channel->pausing, &lane->pausing);
	}
	if (!lane->asked)
		set_timer(r->channel);
}

/* One of the lane is over: the others may go on. */
static void
go_on(struct channel *c, struct received_lane *lane, bool was_taken)
{
	if (!list_is_empty(&lane->pausing)) {
		if (!lane->asked)
			set_timer(c);
		return;
	}
	if (was_taken) {
		lane->most = LANE_MESSAGES;
		lane->pauses = 0;
	}
	ask_lane(lane);
}

/* ---- the end of a message ---- */

static void
join(struct received *earlier, struct received *later)
{
	if (!later->cursor.at)
		take_cursor(&later->cursor, &earlier->cursor);
	forget(earlier);
}

static struct received *
taken_at(struct channel *c, struct list *node)
{
	return node != &c->messages &&
			       received_of(node)->state == RECEIVED_TAKEN
		       ? received_of(node)
		       : NULL;
}

/* It is taken, and may be gone afterwards. */
static void
advance(struct channel *c, struct received *r)
{
	struct received *other = taken_at(c, r->node.previous);

	if (other)
		join(other, r);
	other = taken_at(c, r->node.next);
	if (other)
		join(r, other);
	while ((r = taken_at(c, c->messages.next))) {
		take_cursor(&c->cursor, &r->cursor);
		forget(r);
	}
}

static void
tell_room(struct channel *c)
{
	const struct offer *offer = channel_offer(c);

	if (!c->was_full || !c->is_open || c->count >= SUP_CHANNEL_MESSAGES)
		return;
	c->was_full = false;
	if (offer && offer->channel_said.room)
		offer->channel_said.room(
			c->plugin, c->name, offer->channel_said.user);
}

/* The message is over; r may be gone afterwards. */
static void
end(struct received *r, enum received_state state, enum sup_taken how,
	const char *why)
{
	struct received said = *r;
	struct channel *c = r->channel;
	bool is_last = r->lane->messages.next == r->lane->messages.previous;

	r->state = state;
	c->count--;
	leave_lane(r);
	if (c->is_open && !is_last)
		go_on(c, said.lane, state == RECEIVED_TAKEN);
	received_empty(r);
	if (state == RECEIVED_TAKEN)
		advance(c, r);
	if (said.acknowledge && (how == SUP_TAKEN_NEW || how == SUP_TAKEN_SEEN))
		said.acknowledge(c->plugin, said.user);
	if (said.over)
		said.over(c->plugin, how, why, said.user);
	tell_room(c);
	channel_unref(c);
}

static void
on_error(struct received *r, const msgpack_object *error)
{
	struct channel *c = r->channel;
	char text[256];
	enum wire_error code = codec_read_error(error, text, sizeof(text));

	if (code == WIRE_BUSY && c->is_open) {
		ask_later(r);
	} else if (code == WIRE_BUSY) {
		end(r, RECEIVED_LOST, SUP_NOT_TAKEN, c->closed_why);
	} else if (code == WIRE_CONFLICT) {
		channel_close(c, "another worker has the channel");
		end(r, RECEIVED_LOST, SUP_NOT_TAKEN, text);
	} else {
		sup_log(c->plugin, SUP_ERROR,
			"channel %s: supd does not take a message: %s", c->name,
			text);
		end(r, RECEIVED_TAKEN, SUP_NOT_TAKEN, text);
	}
}

void
channel_answered(struct sup *p, const struct message *m, void *user)
{
	struct received *r = user;
	struct channel *c = channel_ref(r->channel);
	struct bytes word = {0};

	c->asked--;
	r->lane->asked--;
	if (!m->error)
		word = codec_bytes(m->result);
	if (m->error)
		on_error(r, m->error);
	else if (bytes_equal(word, BYTES("new")))
		end(r, RECEIVED_TAKEN, SUP_TAKEN_NEW, NULL);
	else if (bytes_equal(word, BYTES("seen")))
		end(r, RECEIVED_TAKEN, SUP_TAKEN_SEEN, NULL);
	else if (bytes_equal(word, BYTES("refused")))
		end(r, RECEIVED_TAKEN, SUP_TAKEN_REFUSED, NULL);
	else
		end(r, RECEIVED_LOST, SUP_NOT_TAKEN,
			"supd's answer is malformed");
	channel_look(c);
	channel_unref(c);
}

/* ---- opening and closing ---- */

void
channel_init_receiving(struct channel *c)
{
	list_init(&c->messages);
	list_init(&c->pausing);
	c->closed_why = "the channel is not started";
	ev_timer_init(&c->again, ask_again, 0, 0);
}

static void
forget_all(struct channel *c)
{
	assert(!c->count);
	list_for_each_safe (node, &c->messages)
		forget(received_of(node));
	free((void *)(uintptr_t)c->cursor.at);
	c->cursor = (struct bytes){0};
}

void
channel_finish_receiving(struct channel *c)
{
	ev_timer_stop(c->plugin->loop, &c->again);
	forget_all(c);
	map_finish(&c->lanes);
}

void
channel_open(struct channel *c, struct bytes cursor)
{
	forget_all(c);
	if (cursor.at)
		c->cursor = (struct bytes){
			memory_copy_bytes(cursor.at, cursor.length),
			cursor.length};
	c->was_full = false;
	c->is_open = true;
}

void
channel_close(struct channel *c, const char *why)
{
	if (!c->is_open)
		return;
	c->is_open = false;
	c->closed_why = why;
	channel_ref(c);
	list_for_each (node, &c->messages) {
		struct received *r = received_of(node);

		if (r->state == RECEIVED_HELD)
			end(r, RECEIVED_LOST, SUP_NOT_TAKEN, why);
	}
	ev_timer_stop(c->plugin->loop, &c->again);
	channel_unref(c);
}

/* ---- the ABI ---- */

/* The channel, if it takes a message; else NULL. */
static struct channel *
open_channel(struct sup *p, const char *name, struct error *err)
{
	const struct offer *offer =
		host_offer(p, REGISTRATION_CHANNEL, bytes_of(name));

	if (!offer)
		error_set(err, "there is no channel '%s'", name);
	else if (!offer->channel->is_open)
		error_set(err, "channel %s takes no message: %s", name,
			offer->channel->closed_why);
	else if (offer->channel->count >= SUP_CHANNEL_MESSAGES)
		error_set(err,
			"channel %s: %d messages are in progress; wait for "
			"`room`",
			name, SUP_CHANNEL_MESSAGES);
	else
		return offer->channel;
	return NULL;
}

int
sup_channel_receive(
	struct sup *p, const char *channel, const struct sup_message *message)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(channel, "channel");
	HOST_NEEDS(message, "message");

	struct channel *c = open_channel(p, channel, &p->json_error);
	struct received *r;

	if (!c)
		return -1;
	r = memory_alloc(sizeof(*r));
	if (received_read(r, message, &p->json_error) < 0) {
		free(r);
		return -1;
	}
	r->channel = channel_ref(c);
	list_append(&c->messages, &r->node);
	c->count++;
	join_lane(r, message->lane);
	if (list_is_empty(&r->lane->pausing))
		ask_lane(r->lane);
	c->was_full = c->count == SUP_CHANNEL_MESSAGES;
	return (int)(SUP_CHANNEL_MESSAGES - c->count);
}
