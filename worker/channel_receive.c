/* channel_receive: messages from the platform on their way to supd. At most one
 * of a lane is with supd at a time, so that one that is asked again is not
 * overtaken; those of other lanes go on meanwhile.
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

static struct received *
received_of(struct list *node)
{
	return container_of(node, struct received, node);
}

static bool
is_over(const struct received *r)
{
	return r->state == RECEIVED_TAKEN || r->state == RECEIVED_LOST;
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

/* ---- asking ---- */

static bool
is_same_lane(const struct received *a, const struct received *b)
{
	return a->lane_hash == b->lane_hash && !strcmp(a->lane, b->lane);
}

/* Whether an earlier message of its lane is not over. */
static bool
is_behind(const struct received *r)
{
	const struct list *messages = &r->channel->messages;

	for (struct list *at = r->node.previous; at != messages;
		at = at->previous)
		if (!is_over(received_of(at)) &&
			is_same_lane(received_of(at), r))
			return true;
	return false;
}

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

/* The next one of its lane, which is over. */
static void
ask_next(const struct received *r)
{
	struct list *messages = &r->channel->messages;

	for (struct list *at = r->node.next; at != messages; at = at->next) {
		struct received *each = received_of(at);

		if (is_over(each) || !is_same_lane(each, r))
			continue;
		ask(each);
		return;
	}
}

/* ---- pauses ---- */

static void
set_timer(struct channel *c)
{
	uint64_t now = clock_ms(), next = UINT64_MAX;

	list_for_each (node, &c->messages) {
		const struct received *r = received_of(node);

		if (r->state == RECEIVED_PAUSING && r->again_ms < next)
			next = r->again_ms;
	}
	ev_timer_stop(c->plugin->loop, &c->again);
	if (next == UINT64_MAX)
		return;
	ev_timer_set(
		&c->again, next > now ? (double)(next - now) / 1000 : 0.001, 0);
	ev_timer_start(c->plugin->loop, &c->again);
}

static void
ask_again(struct ev_loop *loop, ev_timer *w, int events)
{
	struct channel *c = container_of(w, struct channel, again);
	uint64_t now = clock_ms();

	list_for_each (node, &c->messages) {
		struct received *r = received_of(node);

		if (r->state == RECEIVED_PAUSING && r->again_ms <= now)
			ask(r);
	}
	set_timer(c);
}

static void
ask_later(struct received *r)
{
	uint64_t pause_ms = (uint64_t)PAUSE_FIRST_MS << r->pauses;

	if (pause_ms < PAUSE_LAST_MS)
		r->pauses++;
	else
		pause_ms = PAUSE_LAST_MS;
	r->state = RECEIVED_PAUSING;
	r->again_ms = clock_ms() + pause_ms;
	set_timer(r->channel);
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

	r->state = state;
	c->count--;
	if (c->is_open)
		ask_next(r);
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

		if (r->state == RECEIVED_HELD || r->state == RECEIVED_PAUSING)
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
	if (!is_behind(r))
		ask(r);
	c->was_full = c->count == SUP_CHANNEL_MESSAGES;
	return (int)(SUP_CHANNEL_MESSAGES - c->count);
}
