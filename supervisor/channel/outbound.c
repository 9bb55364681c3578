/* outbound: a message on its way out, from the end of its filters until the
 * store knows how it ended; who waits for it; and what an earlier supd left. */
#include "supervisor/channel/outbound.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/event/events.h"

/* The least time for what an earlier supd had begun. */
#define RECALLED_MS 30000

/* ---- waiters ---- */

void
outbound_answer(struct outbound *o, const struct channel_sent *sent)
{
	while (!list_is_empty(&o->waiters)) {
		struct channel_send *s = container_of(
			o->waiters.next, struct channel_send, node);

		list_remove(&s->node);
		s->outbound = NULL;
		s->done(s, sent);
	}
}

void
channels_leave_send(struct channel_send *s)
{
	if (s->outbound)
		list_remove(&s->node);
	s->outbound = NULL;
}

void
outbound_attach(struct outbound *o, struct channel_send *s)
{
	if (!s)
		return;
	if (o->step == OUTBOUND_OVER) {
		s->done(s, &(struct channel_sent){.send_id = o->id,
				   .state = outbound_state_word(o->end),
				   .receipt = o->receipt});
		return;
	}
	s->outbound = o;
	list_append(&o->waiters, &s->node);
}

/* ---- memory ---- */

static void
pack(struct buffer *b, const json_t *value)
{
	msgpack_packer p;

	buffer_clear(b);
	codec_packer(&p, b);
	value_pack(&p, value);
}

void
outbound_set_content(struct outbound *o, json_t *content)
{
	json_incref(content);
	json_decref(o->content);
	o->content = content;
	pack(&o->packed_content, content);
	o->channel->send_bytes -= o->bytes;
	o->bytes = sizeof(*o) + buffer_length(&o->packed_target) +
		   buffer_length(&o->packed_content);
	o->channel->send_bytes += o->bytes;
}

struct outbound *
outbound_create(
	struct channel *c, const char *id, json_t *target, json_t *content)
{
	struct outbound *o = memory_alloc(sizeof(*o));

	o->channel = c;
	o->id = memory_copy_text(id);
	list_init(&o->item.node);
	list_init(&o->request.node);
	list_init(&o->waiters);
	wheel_timer_init(&o->timer, send_due);
	o->target = json_incref(target);
	pack(&o->packed_target, target);
	list_append(&c->sends, &o->node);
	map_set(&c->sends_by_id, id, strlen(id), o);
	c->send_count++;
	outbound_set_content(o, content);
	o->finds_left = OUTBOUND_FINDS_MAX;
	return o;
}

/* From here on only the packed forms are read, which are what is counted. */
static void
drop_values(struct outbound *o)
{
	json_decref(o->content);
	json_decref(o->data);
	o->content = o->data = NULL;
}

void
outbound_destroy(struct outbound *o)
{
	struct channel *c = o->channel;

	send_abandon(o);
	if (o->is_filtered)
		filter_finish(&o->filter);
	if (c->all->store)
		message_store_forget(c->all->store, &o->call);
	lanes_remove(&o->item);
	map_remove(&c->sends_by_id, o->id, strlen(o->id));
	list_remove(&o->node);
	c->send_count--;
	c->send_bytes -= o->bytes;
	json_decref(o->target);
	drop_values(o);
	json_decref(o->receipt);
	buffer_finish(&o->packed_target);
	buffer_finish(&o->packed_content);
	chain_unref(o->chain);
	free(o->plugin_id);
	free(o->error);
	free(o->id);
	free(o);
}

void
outbound_destroy_all(struct channel *c)
{
	static const struct channel_sent end = {
		.code = WIRE_FAILED, .error = "supd is stopping"};

	list_for_each_safe (node, &c->replies) {
		struct channel_reply *reply =
			container_of(node, struct channel_reply, node);

		channels_leave_send(&reply->send);
		free(reply);
	}
	list_for_each_safe (node, &c->sends) {
		struct outbound *o = container_of(node, struct outbound, node);

		outbound_answer(o, &end);
		outbound_destroy(o);
	}
}

/* ---- the end ---- */

const char *
outbound_state_word(enum stored_state state)
{
	return state == STORED_DONE				 ? "sent"
	       : state == STORED_DEAD || state == STORED_DROPPED ? "not_sent"
								 : "unknown";
}

/* It never was in the store. */
void
outbound_fail(struct outbound *o, enum wire_error code, const char *text)
{
	const struct channel_sent sent = {.code = code, .error = text};

	outbound_answer(o, &sent);
	outbound_destroy(o);
}

static void
on_ended(struct store_call *call, const struct store_result *result)
{
	(void)result;
	outbound_destroy(container_of(call, struct outbound, call));
}

static void
report_failure(struct outbound *o, enum stored_state state, const char *reason)
{
	struct plugin *p = channel_plugin(o->channel);
	json_t *data = json_pack("{s:s,s:I,s:s,s:s,s:O,s:o}", "channel",
		o->channel->name, "seq", (json_int_t)o->seq, "sendId", o->id,
		"state", outbound_state_word(state), "target", o->target,
		"reason", value_text(reason));
	struct gateway *g = o->channel->all->gateway;
	unsigned hidden;

	if (report_may(&o->channel->all->failed_sends, clock_ms(), &hidden))
		log_write(LOG_WARN,
			&(struct log_subject){.plugin = p ? p->id : NULL},
			"channel %s: message %llu is %s: %.*s (%u more since "
			"the last line)",
			o->channel->name, (unsigned long long)o->seq,
			state == STORED_UNKNOWN ? "sent or not, nobody knows"
						: "not sent",
			TEXT_FIT(reason ? reason : "", REPORT_REASON_BYTES),
			hidden);
	o->source = (struct event_source){.id = events_next_id(g->events),
		.at = time_text(o->at, clock_wall_ms()),
		.name = "message.failed",
		.plugin_id = o->plugin_id,
		.data = data};
	events_pass(g->events, &o->source);
	json_decref(data);
}

/* The caller hears of it at once; the message leaves memory when the store
 * knows. */
void
outbound_end(struct outbound *o, enum stored_state state, const json_t *receipt,
	const char *reason)
{
	struct channel *c = o->channel;
	json_t *said = receipt ? json_deep_copy(receipt) : json_object();
	char *note;

	if (state == STORED_DEAD && o->was_unknown)
		state = STORED_UNKNOWN;
	o->end = state;
	o->receipt = said;
	c->sends_ended[state == STORED_DONE   ? OUTBOUND_SENT
		       : state == STORED_DEAD ? OUTBOUND_NOT_SENT
					      : OUTBOUND_UNKNOWN]++;
	if (reason)
		json_object_set_new(said, "text", value_text(reason));
	note = json_text(said, JSON_TEXT_COMPACT);
	if (strlen(note) > STORE_NOTE_MAX) { /* the platform's was too long */
		free(note);
		note = memory_copy_text("{}");
	}
	if (state != STORED_DONE)
		report_failure(o, state, reason);
	send_abandon(o);
	o->step = OUTBOUND_OVER;
	lanes_remove(&o->item);
	channel_look(c);
	o->call.done = on_ended;
	message_store_set_state(c->all->store, &o->call,
		&(struct stored_change){
			.seq = o->seq, .state = state, .note = bytes_of(note)});
	outbound_answer(o, &(struct channel_sent){.send_id = o->id,
				   .state = outbound_state_word(state),
				   .receipt = said});
	free(note);
}

/* ---- the store ---- */

/* The same key was used before: what became of that message. */
static void
answer_seen(struct outbound *o, const struct stored_message *m)
{
	struct error err;
	json_t *receipt =
		m->note.length ? json_text_read(m->note, NULL, &err) : NULL;

	outbound_answer(o, &(struct channel_sent){.send_id = o->id,
				   .state = outbound_state_word(m->state),
				   .receipt = receipt});
	json_decref(receipt);
	outbound_destroy(o);
}

/* A supd before this one has not finished it, and it is not recalled while this
 * one is in memory. */
static void
take_up(struct outbound *o, const struct stored_message *m)
{
	o->seq = m->seq;
	o->may_be_out = o->was_unknown = m->state == STORED_ACTIVE;
	send_wait(o);
}

static void
on_put(struct store_call *call, const struct store_result *result)
{
	struct outbound *o = container_of(call, struct outbound, call);

	switch (result->answer) {
	case STORE_NEW:
		o->seq = result->messages[0].seq;
		send_wait(o);
		break;
	case STORE_SEEN:
		if (result->messages[0].state == STORED_PENDING ||
			result->messages[0].state == STORED_ACTIVE)
			take_up(o, &result->messages[0]);
		else
			answer_seen(o, &result->messages[0]);
		break;
	case STORE_TOO_LARGE:
		o->channel->sends_ended[OUTBOUND_REFUSED]++;
		outbound_fail(o, WIRE_TOO_LARGE, "the message is too large");
		break;
	default:
		o->channel->sends_ended[OUTBOUND_REFUSED]++;
		outbound_fail(
			o, WIRE_BUSY, "the message store cannot take it now");
	}
}

static void
pack_body(const struct outbound *o, struct buffer *b)
{
	const struct buffer *const parts[] = {
		&o->packed_target, &o->packed_content};
	static const char *const names[] = {"target", "content"};
	msgpack_packer p;

	codec_packer(&p, b);
	msgpack_pack_map(&p, 3);
	for (int i = 0; i < 2; i++) {
		codec_text(&p, names[i]);
		codec_raw(
			&p, (struct bytes){(const char *)buffer_bytes(parts[i]),
				    buffer_length(parts[i])});
	}
	codec_text(&p, "until_ms");
	msgpack_pack_uint64(&p, o->until_ms);
}

/* The order key: the chat, and the thread in it. */
static char *
lane_of(const json_t *target)
{
	const char *thread =
		json_string_value(json_object_get(target, "thread"));

	return memory_format("%s%s%s",
		json_string_value(json_object_get(target, "chat")),
		thread ? "\n" : "", thread ? thread : "");
}

void
outbound_keep(struct outbound *o)
{
	struct buffer body = {0};
	char *lane = lane_of(o->target);

	o->step = OUTBOUND_KEEPING;
	drop_values(o);
	o->at_ms = clock_wall_ms();
	pack_body(o, &body);
	o->call.done = on_put;
	message_store_put(o->channel->all->store, &o->call,
		&(struct stored_message){
			.outbound = true,
			.channel = bytes_of(o->channel->name),
			.id = bytes_of(o->id),
			.lane = bytes_of(lane),
			.body = {(const char *)buffer_bytes(&body),
				buffer_length(&body)},
			.at_ms = o->at_ms,
		});
	buffer_finish(&body);
	free(lane);
}

/* ---- dropped, or tried once more, by a user ---- */

void
outbound_end_dropped(struct outbound *o)
{
	struct channel *c = o->channel;

	c->sends_ended[OUTBOUND_DROPPED]++;
	outbound_answer(
		o, &(struct channel_sent){.send_id = o->id,
			   .state = o->was_unknown ? "unknown" : "not_sent"});
	outbound_destroy(o);
	channel_look(c);
}

/* What is being sent is not dropped: the store has refused that. What is about
 * to be sent is marked in the store after it was dropped there. */
void
outbound_drop(struct channel *c, struct bytes id)
{
	struct outbound *o = map_get(&c->sends_by_id, id.at, id.length);

	if (!o)
		return;
	if (o->step == OUTBOUND_MARKING)
		o->is_dropped = true;
	else if (o->step == OUTBOUND_WAITING || o->step == OUTBOUND_PAUSING)
		outbound_end_dropped(o);
}

/* ---- what an earlier supd left ---- */

static int
read_body(const struct stored_message *m, json_t **out, struct error *err)
{
	struct codec *codec = codec_create();
	const msgpack_object *o = codec_decode_value(
		codec, (const uint8_t *)m->body.at, m->body.length, err);

	*out = o ? value_from(o, err) : NULL;
	codec_destroy(codec);
	return json_is_object(*out) ? 0 : -1;
}

void
outbound_recall(struct channels *all, const struct stored_message *m)
{
	struct channel *c = channels_claim(all, m->channel);
	char *id = memory_copy_bytes(m->id.at, m->id.length);
	uint64_t now_ms = clock_wall_ms();
	struct outbound *o;
	struct error err;
	json_t *body;

	if (map_get(&c->sends_by_id, id, strlen(id)) ||
		read_body(m, &body, &err) < 0) {
		free(id);
		return;
	}
	o = outbound_create(c, id, json_object_get(body, "target"),
		json_object_get(body, "content"));
	o->seq = m->seq;
	o->at_ms = m->at_ms;
	o->until_ms =
		(uint64_t)json_integer_value(json_object_get(body, "until_ms"));
	if (o->until_ms < now_ms + RECALLED_MS)
		o->until_ms = now_ms + RECALLED_MS;
	o->due_ms = clock_ms() + (o->until_ms - now_ms);
	o->may_be_out = o->was_unknown = m->state == STORED_ACTIVE;
	drop_values(o);
	send_wait(o);
	json_decref(body);
	free(id);
}
