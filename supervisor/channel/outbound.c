/* outbound: a message from whoever sends it until it is in the store and in its
 * lane, and its end. */
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
#include "supervisor/gateway/dispatch.h"

#define KEY_MAX 256	   /* bytes of a key */
#define NAME_BYTES_MAX 512 /* of a chat, thread or reply_to */
#define REPLY_MS 300000	   /* until a reply is given up */
#define DEFAULT_MS 30000   /* until another message is */
#define RECALLED_MS 30000  /* the least for what an earlier supd had begun */

static struct gateway *
gateway_of(const struct outbound *o)
{
	return o->channel->all->gateway;
}

/* ---- waiters ---- */

static void
tell_waiters(struct outbound *o, const struct channel_sent *sent)
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

/* ---- memory ---- */

static void
pack(struct buffer *b, const json_t *value)
{
	msgpack_packer p;

	buffer_clear(b);
	codec_packer(&p, b);
	value_pack(&p, value);
}

static void
set_content(struct outbound *o, json_t *content)
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

static struct outbound *
create(struct channel *c, const char *id, json_t *target, json_t *content)
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
	set_content(o, content);
	o->finds_left = OUTBOUND_FINDS_MAX;
	return o;
}

static void
destroy(struct outbound *o)
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
	json_decref(o->content);
	json_decref(o->data);
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
	list_for_each_safe (node, &c->sends)
		destroy(container_of(node, struct outbound, node));
	list_for_each_safe (node, &c->replies)
		free(container_of(node, struct channel_reply, node));
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
static void
fail(struct outbound *o, enum wire_error code, const char *text)
{
	const struct channel_sent sent = {.code = code, .error = text};

	tell_waiters(o, &sent);
	destroy(o);
}

static void
on_ended(struct store_call *call, const struct store_result *result)
{
	(void)result;
	destroy(container_of(call, struct outbound, call));
}

static void
tell_failed(struct outbound *o, enum stored_state state, const char *reason)
{
	struct plugin *p = channel_plugin(o->channel);
	json_t *data = json_pack("{s:s,s:I,s:s,s:s,s:O,s:o}", "channel",
		o->channel->name, "seq", (json_int_t)o->seq, "sendId", o->id,
		"state", outbound_state_word(state), "target", o->target,
		"reason", value_text(reason));
	struct gateway *g = gateway_of(o);

	log_write(LOG_WARN, &(struct log_subject){.plugin = p ? p->id : NULL},
		"channel %s: message %llu is %s: %s", o->channel->name,
		(unsigned long long)o->seq,
		state == STORED_UNKNOWN ? "sent or not, nobody knows"
					: "not sent",
		reason ? reason : "");
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
		tell_failed(o, state, reason);
	send_abandon(o);
	o->step = OUTBOUND_OVER;
	lanes_remove(&o->item);
	channel_look(c);
	o->call.done = on_ended;
	message_store_set_state(c->all->store, &o->call,
		&(struct stored_change){
			.seq = o->seq, .state = state, .note = bytes_of(note)});
	tell_waiters(o, &(struct channel_sent){.send_id = o->id,
				.state = outbound_state_word(state),
				.receipt = said});
	free(note);
}

/* ---- the store ---- */

/* The same key was used before: what became of that message. */
static void
tell_seen(struct outbound *o, const struct stored_message *m)
{
	struct error err;
	json_t *receipt =
		m->note.length ? json_text_read(m->note, NULL, &err) : NULL;

	tell_waiters(o, &(struct channel_sent){.send_id = o->id,
				.state = outbound_state_word(m->state),
				.receipt = receipt});
	json_decref(receipt);
	destroy(o);
}

/* A supd before this one has not finished it, and it is not recalled while this
 * one is in memory. */
static void
take_up(struct outbound *o, const struct stored_message *m)
{
	o->seq = m->seq;
	o->may_be_out = m->state == STORED_ACTIVE;
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
			tell_seen(o, &result->messages[0]);
		break;
	case STORE_TOO_LARGE:
		o->channel->sends_ended[OUTBOUND_REFUSED]++;
		fail(o, WIRE_TOO_LARGE, "the message is too large");
		break;
	default:
		o->channel->sends_ended[OUTBOUND_REFUSED]++;
		fail(o, WIRE_BUSY, "the message store cannot take it now");
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

static void
keep(struct outbound *o)
{
	struct buffer body = {0};
	char *lane = lane_of(o->target);

	o->step = OUTBOUND_KEEPING;
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

/* ---- what is sent ---- */

static int
check_name(
	const json_t *target, const char *key, bool required, struct error *err)
{
	const json_t *value = json_object_get(target, key);
	size_t length = json_string_length(value);

	if ((!value || json_is_null(value)) && !required)
		return 0;
	if (!json_is_string(value) || !length || length > NAME_BYTES_MAX)
		return error_set(err,
			"%s of the target must be a string of 1 to %d bytes",
			key, NAME_BYTES_MAX);
	return 0;
}

static const struct registration *
declared(const struct channel *c)
{
	struct route_match match;

	if (dispatch_find_name(c->all->gateway, REGISTRATION_CHANNEL,
		    bytes_of(c->name), &match) != ROUTE_FOUND)
		return NULL;
	return match.row->declared;
}

static int
check_content(const struct channel *c, const json_t *content, struct error *err)
{
	const struct registration *r = declared(c);
	const json_t *text = json_object_get(content, "text");
	const json_t *media = json_object_get(content, "media");
	const char *format =
		json_string_value(json_object_get(content, "format"));

	if (!json_is_object(content))
		return error_set(err, "the content must be an object");
	if (text && !json_is_string(text))
		return error_set(err, "text of the content must be a string");
	if (media && !json_is_array(media))
		return error_set(err, "media of the content must be a list");
	if (!text && !media)
		return error_set(err, "the content has neither text nor media");
	if (json_object_get(content, "format") &&
		(!format || (strcmp(format, "plain") != 0 &&
				    strcmp(format, "markdown") != 0)))
		return error_set(
			err, "format of the content must be plain or markdown");
	if (media && r && !registration_can(r, "media"))
		return error_set(
			err, "the channel '%s' cannot send media", c->name);
	if (r && r->channel.text_limit > 0 &&
		json_string_length(text) > (size_t)r->channel.text_limit)
		return error_set(err,
			"the text is longer than the %lld bytes that the "
			"channel '%s' allows",
			(long long)r->channel.text_limit, c->name);
	if (value_is_deeper(content, VALUE_DEPTH_MAX - 2))
		return error_set(err, "the content is nested too deeply");
	return 0;
}

static int
check_order(const struct channel *c, const struct channel_order *order,
	struct error *err)
{
	if (!json_is_object(order->target))
		return error_set(err, "the target must be an object");
	if (check_name(order->target, "chat", true, err) < 0 ||
		check_name(order->target, "thread", false, err) < 0 ||
		check_name(order->target, "reply_to", false, err) < 0)
		return -1;
	if (value_is_deeper(order->target, VALUE_DEPTH_MAX - 2))
		return error_set(err, "the target is nested too deeply");
	if (order->key && (!*order->key || strlen(order->key) > KEY_MAX))
		return error_set(err, "a key must have 1 to %d bytes", KEY_MAX);
	return check_content(c, order->content, err);
}

/* ---- filters of message.sending ---- */

static void
tell_sending(struct outbound *o, const char *key, json_t *more)
{
	json_t *data = json_copy(o->data);
	struct gateway *g = gateway_of(o);

	if (key)
		json_object_set_new(data, key, more);
	o->source.id = events_next_id(g->events);
	o->source.data = data;
	events_pass(g->events, &o->source);
	json_decref(data);
}

static int
check(struct filter_run *f, enum hook_verdict verdict, json_t *data,
	struct error *err)
{
	const struct outbound *o = container_of(f, struct outbound, filter);
	static const char *const facts[] = {
		"channel", "sendId", "target", "plugin"};

	if (verdict == HOOK_VERDICT_CLAIM)
		return 0;
	if (check_content(o->channel, json_object_get(data, "content"), err) <
		0)
		return -1;
	for (size_t k = 0; k < sizeof(facts) / sizeof(*facts); k++)
		json_object_set(
			data, facts[k], json_object_get(o->data, facts[k]));
	return 0;
}

static json_t *
who(const struct filter_end *end)
{
	return json_pack(
		"{s:s,s:s}", "plugin", end->plugin_id, "hook", end->hook);
}

static void
stopped(struct outbound *o, const struct filter_end *end)
{
	json_t *more = who(end);
	char text[768];

	text_format(text, sizeof(text),
		"stopped by the hook %s of plugin '%s'%s%s", end->hook,
		end->plugin_id, *end->reason ? ": " : "", end->reason);
	json_object_set_new(more, "reason", value_text(end->reason));
	tell_sending(o, "stopped", more);
	o->channel->sends_ended[OUTBOUND_STOPPED]++;
	fail(o, end->by_error ? WIRE_FAILED : WIRE_DENIED, text);
}

/* A filter has sent it itself, or did something else instead. */
static void
claimed(struct outbound *o, const struct filter_end *end)
{
	json_t *receipt = json_incref(end->data);

	tell_sending(o, "claimed", who(end));
	o->channel->sends_ended[OUTBOUND_CLAIMED]++;
	tell_waiters(o,
		&(struct channel_sent){
			.send_id = o->id, .state = "sent", .receipt = receipt});
	json_decref(receipt);
	destroy(o);
}

static void
filtered(struct filter_run *f, const struct filter_end *end)
{
	struct outbound *o = container_of(f, struct outbound, filter);

	if (end->verdict == HOOK_VERDICT_CLAIM) {
		claimed(o, end);
	} else if (end->verdict == HOOK_VERDICT_STOP && end->is_late) {
		fail(o, WIRE_TIMEOUT, end->reason);
	} else if (end->verdict == HOOK_VERDICT_STOP) {
		stopped(o, end);
	} else {
		json_t *data = json_incref(end->data);

		o->is_filtered = false;
		filter_finish(f);
		json_decref(o->data);
		o->data = data;
		set_content(o, json_object_get(data, "content"));
		tell_sending(o, NULL, NULL);
		keep(o);
	}
}

static void
begin(struct outbound *o, const struct channel_order *order)
{
	struct gateway *g = gateway_of(o);

	o->data = json_pack("{s:s,s:s,s:O,s:O,s:s*}", "channel",
		o->channel->name, "sendId", o->id, "target", o->target,
		"content", o->content, "plugin", o->plugin_id);
	o->source = (struct event_source){.id = events_next_id(g->events),
		.at = time_text(o->at, clock_wall_ms()),
		.name = "message.sending",
		.plugin_id = o->plugin_id,
		.chain = order->chain,
		.data = o->data};
	if ((order->chain && order->chain->in_filter) ||
		!filter_is_there(g->events, "message.sending")) {
		tell_sending(o, NULL, NULL);
		o->source.chain = NULL; /* borrowed until now */
		keep(o);
		return;
	}
	o->source.chain = o->chain = chain_ref(order->chain);
	o->is_filtered = true;
	filter_begin(&o->filter, g->events,
		&(const struct filter_event){.source = &o->source,
			.data = o->data,
			.limit_ms = o->due_ms,
			.check = check,
			.done = filtered});
}

/* ---- orders ---- */

static void
refuse(struct channel_send *s, enum wire_error code, const char *text)
{
	s->done(s, &(struct channel_sent){.code = code, .error = text});
}

/* One that is over has told its waiters already. */
static void
attach(struct outbound *o, struct channel_send *s)
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

/* The send_id: the key's, or one that nobody has used. */
static char *
id_of(struct channels *all, const struct channel_order *order)
{
	if (order->key)
		return memory_format("k-%s", order->key);
	return memory_format("s-%llx-%llx", (unsigned long long)all->started_ms,
		(unsigned long long)++all->sends);
}

static struct channel *
find(struct channels *all, struct bytes name)
{
	struct route_match match;

	if (dispatch_find_name(all->gateway, REGISTRATION_CHANNEL, name,
		    &match) != ROUTE_FOUND)
		return NULL;
	return channels_claim(all, name);
}

void
channels_send(struct channels *all, const struct channel_order *order,
	struct channel_send *s)
{
	struct channel *c = find(all, order->channel);
	uint64_t ms = order->deadline_ms ? order->deadline_ms : DEFAULT_MS;
	struct error err = {.text = ""};
	struct outbound *o;
	char *id;

	if (ms > WIRE_DEADLINE_MAX_MS)
		ms = WIRE_DEADLINE_MAX_MS;
	if (!c) {
		error_set(&err, "no plugin has the channel '%.*s'",
			(int)text_fit(
				order->channel.at, order->channel.length, 128),
			order->channel.at);
		refuse(s, WIRE_NOT_FOUND, err.text);
		return;
	}
	if (check_order(c, order, &err) < 0) {
		refuse(s, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (all->gateway->stopping) {
		refuse(s, WIRE_BUSY, "supd is stopping");
		return;
	}
	id = id_of(all, order);
	o = map_get(&c->sends_by_id, id, strlen(id));
	if (o) { /* the same key */
		attach(o, s);
	} else if (c->send_count >= OUTBOUND_MAX ||
		   c->send_bytes >= OUTBOUND_BYTES_MAX) {
		refuse(s, WIRE_BUSY,
			"too many messages wait to be sent by the channel");
	} else {
		channels_need_store(all);
		o = create(c, id, order->target, order->content);
		o->caller = order->caller;
		o->plugin_id = memory_copy_text(order->plugin_id);
		o->due_ms = clock_ms() + ms;
		if (order->limit_ms && o->due_ms > order->limit_ms)
			o->due_ms = order->limit_ms;
		o->until_ms = clock_wall_ms() + (o->due_ms - clock_ms());
		attach(o, s);
		begin(o, order);
	}
	free(id);
}

/* ---- dropped, or tried once more, by a user ---- */

/* What is being sent is not dropped: the store has refused that. */
void
outbound_drop(struct channel *c, struct bytes id)
{
	struct outbound *o = map_get(&c->sends_by_id, id.at, id.length);

	if (!o || (o->step != OUTBOUND_WAITING && o->step != OUTBOUND_PAUSING))
		return;
	tell_waiters(o,
		&(struct channel_sent){.send_id = o->id, .state = "not_sent"});
	destroy(o);
	channel_look(c);
}

/* ---- replies ---- */

static json_t *
target_of(const struct inbound *i)
{
	const struct registration *r = declared(i->channel);
	json_t *chat = json_object_get(json_object_get(i->data, "chat"), "id");
	json_t *thread = json_object_get(i->data, "thread");
	json_t *target = json_pack("{s:O}", "chat", chat);

	if (json_is_string(thread))
		json_object_set(target, "thread", thread);
	if (r && registration_can(r, "reply"))
		json_object_set_new(
			target, "reply_to", json_stringn(i->id, i->id_length));
	return target;
}

static void
replied(struct channel_send *s, const struct channel_sent *sent)
{
	struct channel_reply *reply =
		container_of(s, struct channel_reply, send);
	struct channel *c = reply->channel;
	struct plugin *p = channel_plugin(c);

	if (sent->error)
		log_write(LOG_WARN,
			&(struct log_subject){.plugin = p ? p->id : NULL},
			"channel %s: a reply is not sent: %s", c->name,
			sent->error);
	list_remove(&reply->node);
	free(reply);
}

/* If supd ends before the message is done, the next supd may have the same
 * reply, whose key is the same. */
void
outbound_reply(struct inbound *i, json_t *content)
{
	struct channel *c = i->channel;
	struct channel_reply *reply = memory_alloc(sizeof(*reply));
	json_t *target = target_of(i);
	char *key = memory_format("reply-%llu-%llu", (unsigned long long)i->seq,
		(unsigned long long)i->kept_ms);

	reply->channel = c;
	reply->send.done = replied;
	list_append(&c->replies, &reply->node);
	channels_send(c->all,
		&(struct channel_order){.channel = bytes_of(c->name),
			.target = target,
			.content = content,
			.key = key,
			.deadline_ms = REPLY_MS},
		&reply->send);
	json_decref(target);
	json_decref(content);
	free(key);
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
	o = create(c, id, json_object_get(body, "target"),
		json_object_get(body, "content"));
	o->seq = m->seq;
	o->at_ms = m->at_ms;
	o->until_ms =
		(uint64_t)json_integer_value(json_object_get(body, "until_ms"));
	if (o->until_ms < now_ms + RECALLED_MS)
		o->until_ms = now_ms + RECALLED_MS;
	o->due_ms = clock_ms() + (o->until_ms - now_ms);
	o->may_be_out = m->state == STORED_ACTIVE;
	send_wait(o);
	json_decref(body);
	free(id);
}
