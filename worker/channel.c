/* channel: channels of a C plugin. It keeps the rules for the plugin: a message
 * is acknowledged only after supd has taken it, and none comes after a stop. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "worker/request.h"

/* Pauses between two tries of a busy supd. */
#define PAUSE_FIRST_S 0.05
#define PAUSE_LAST_S 2.0

struct channel {
	struct list node; /* in sup.channels */
	char *name;
	bool is_open;	      /* from its start to its stop */
	uint32_t receiving;   /* messages without an answer */
	struct sup_req *stop; /* waits for them */
};

/* A message until supd has taken it. */
struct receiving {
	struct sup *plugin;
	struct channel *channel;
	struct buffer packed; /* the message */
	sup_received *done;
	void *user;
	double pause_s;
	ev_timer again;
};

static struct channel *
find(struct sup *p, const char *name)
{
	list_for_each (node, &p->channels) {
		struct channel *c = container_of(node, struct channel, node);

		if (!strcmp(c->name, name))
			return c;
	}
	return NULL;
}

static struct channel *
channel_of(struct sup_req *req)
{
	return req->offer ? find(req->plugin, req->offer->declared.name) : NULL;
}

int
sup_channel(struct sup *p, const struct sup_channel_offer *said)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(said, "offer");

	struct registration *r;
	struct channel *c;
	struct offer *offer;

	if (!said->name || !said->start || !said->stop || !said->send) {
		host_say("a channel needs a name, start, stop and send");
		return -1;
	}
	offer = host_add_offer(p);
	if (!offer)
		return -1;
	offer->said = (struct sup_offer){
		.handler = said->start, .stop = said->stop, .user = said->user};
	offer->send = said->send;
	offer->find = said->find;
	r = &offer->declared;
	registration_init(r, REGISTRATION_CHANNEL);
	r->name = memory_copy_text(said->name);
	r->channel.can = memory_copy_text(said->can ? said->can : "text");
	if (said->ack_handled)
		r->channel.ack = memory_copy_text("handled");
	r->channel.overlap = said->overlap;
	if (said->text_limit)
		r->channel.text_limit = said->text_limit;
	if (find(p, said->name))
		return 0;
	c = memory_alloc(sizeof(*c));
	c->name = memory_copy_text(said->name);
	list_append(&p->channels, &c->node);
	return 0;
}

void
sup_channel_status(struct sup *p, const char *name,
	enum sup_channel_state state, const char *format, ...)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(name, "name");
	HOST_NEEDS(format, "format");

	static const char *const states[] = {
		"connecting", "up", "waiting", "down", "login", "failed"};
	char text[SERVICE_TEXT_MAX + 1];
	msgpack_packer *out;
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_CHANNEL_STATUS, 3);
	codec_text(out, name);
	codec_text(
		out, states[state <= SUP_CHANNEL_FAILED ? state
							: SUP_CHANNEL_FAILED]);
	codec_text(out, text);
	link_end(p->link);
}

/* ---- what comes in ---- */

static void
end(struct receiving *r, bool taken, const char *error)
{
	struct channel *c = r->channel;
	struct sup_req *stop = c->stop;

	ev_timer_stop(r->plugin->loop, &r->again);
	r->done(r->plugin, taken, error, r->user);
	buffer_finish(&r->packed);
	free(r);
	if (--c->receiving || !stop || stop != c->stop)
		return;
	c->stop = NULL;
	request_start(stop);
}

/* -1: it is too large. */
static int
ask(struct receiving *r)
{
	struct sup *p = r->plugin;
	uint32_t id = call_for_channel(p, r);
	msgpack_packer *out = link_begin(p->link);

	codec_request(out, id, MESSAGE_CHANNEL_MESSAGE, 2);
	codec_text(out, r->channel->name);
	codec_raw(out, (struct bytes){(const char *)buffer_bytes(&r->packed),
			       buffer_length(&r->packed)});
	if (!link_end(p->link))
		return 0;
	call_forget(p, id);
	return -1;
}

static void
again(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct receiving *r = container_of(timer, struct receiving, again);

	(void)loop, (void)events;
	if (!r->channel->is_open)
		end(r, false, NULL);
	else
		ask(r); /* it fitted the first time */
}

void
channel_answered(struct receiving *r, const struct message *m)
{
	enum wire_error code;
	char text[256];

	if (!m->error) {
		end(r, true, NULL);
		return;
	}
	code = codec_read_error(m->error, text, sizeof(text));
	if (code != WIRE_BUSY) {
		end(r, false, code == WIRE_CONFLICT ? NULL : text);
	} else if (!r->channel->is_open) {
		end(r, false, NULL);
	} else {
		ev_timer_set(&r->again, r->pause_s, 0);
		ev_timer_start(r->plugin->loop, &r->again);
		r->pause_s = r->pause_s * 2 < PAUSE_LAST_S ? r->pause_s * 2
							   : PAUSE_LAST_S;
	}
}

static void
pack(struct buffer *b, const json_t *message, struct bytes cursor)
{
	msgpack_packer out;
	const char *key;
	json_t *value;

	codec_packer(&out, b);
	msgpack_pack_map(&out, json_object_size(message) + !!cursor.at);
	json_object_foreach((json_t *)(uintptr_t)message, key, value)
	{
		codec_text(&out, key);
		value_pack(&out, value);
	}
	if (!cursor.at)
		return;
	codec_text(&out, "cursor");
	codec_bin(&out, cursor);
}

int
sup_receive(struct sup *p, const char *channel, const char *json,
	const void *cursor, size_t cursor_size, sup_received *done, void *user)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(channel, "channel");
	HOST_NEEDS(json, "json");
	HOST_NEEDS(done, "done");

	struct channel *c = find(p, channel);
	struct receiving *r;
	json_t *message;

	if (!c || !c->is_open)
		return -1;
	message = json_text_read(bytes_of(json), NULL, &p->json_error);
	if (!json_is_object(message)) {
		host_say("sup_receive: %s",
			message ? "it is not an object" : p->json_error.text);
		json_decref(message);
		return -1;
	}
	json_object_del(message, "cursor"); /* it is the argument */
	r = memory_alloc(sizeof(*r));
	r->plugin = p;
	r->channel = c;
	r->done = done;
	r->user = user;
	r->pause_s = PAUSE_FIRST_S;
	ev_timer_init(&r->again, again, 0, 0);
	pack(&r->packed, message, (struct bytes){cursor, cursor_size});
	json_decref(message);
	if (ask(r) < 0) {
		buffer_finish(&r->packed);
		free(r);
		return -1;
	}
	c->receiving++;
	return 0;
}

/* ---- requests ---- */

static void
take_cursor(struct sup_req *req, const msgpack_object *o)
{
	struct bytes cursor = codec_bytes(o);

	if (o->type == MSGPACK_OBJECT_NIL)
		return;
	req->cursor = arena_text(&req->arena, cursor.at, cursor.length);
	req->cursor_bytes = cursor.length;
}

static void
take_outbound(
	struct sup_req *req, const struct message *m, const struct offer *offer)
{
	bool finds = m->name == MESSAGE_CHANNEL_FIND;

	req->left_ms = finds ? 0 : m->params[4].via.u64;
	req->handler = finds ? offer->find : offer->send;
	req->user = offer->said.user;
	if (req->handler)
		request_start(req);
	else
		request_answer_error(req, WIRE_NOT_FOUND,
			"the channel has no handler of find");
}

void
channel_take(struct sup_req *req, const struct message *m)
{
	const struct offer *offer = host_offer(
		req->plugin, REGISTRATION_CHANNEL, codec_bytes(&m->params[0]));
	struct channel *c;

	if (!offer) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has no channel of this name");
		return;
	}
	c = find(req->plugin, offer->declared.name);
	switch (m->name) {
	case MESSAGE_CHANNEL_START:
		req->epoch = m->params[1].via.u64;
		req->left_ms = m->params[3].via.u64;
		take_cursor(req, &m->params[2]);
		c->is_open = true;
		service_begin(req, offer, false);
		return;
	case MESSAGE_CHANNEL_STOP:
		req->left_ms = m->params[1].via.u64;
		service_begin(req, offer, true);
		return;
	default:
		take_outbound(req, m, offer);
	}
}

bool
channel_may_stop(struct sup_req *req)
{
	struct channel *c = channel_of(req);

	c->is_open = false;
	if (!c->receiving)
		return true;
	c->stop = req;
	req->state = REQUEST_COLLECTING; /* until end() */
	request_remember(req);
	return false;
}

void
channel_ended(struct sup_req *req)
{
	struct channel *c = channel_of(req);

	if (c && c->stop == req)
		c->stop = NULL; /* it was cancelled */
}

/* ---- answers ---- */

static msgpack_packer *
begin_state(struct sup_req *req, const char *state, const char *key)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_result(out, req->id);
	msgpack_pack_array(out, 2);
	codec_text(out, state);
	msgpack_pack_map(out, 1);
	codec_text(out, key);
	return out;
}

static bool
is_outbound(struct sup_req *req, const char *function)
{
	if (req->message != MESSAGE_CHANNEL_SEND &&
		req->message != MESSAGE_CHANNEL_FIND)
		host_abort("%s() answers only the send and find of a channel",
			function);
	return request_is_wanted(req);
}

void
sup_sent(struct sup_req *req, const char *id)
{
	HOST_NEEDS(req, "req");

	msgpack_packer *out;

	if (!is_outbound(req, "sup_sent"))
		return;
	out = begin_state(req, "sent", "ids");
	msgpack_pack_array(out, id ? 1 : 0);
	if (id)
		codec_text(out, id);
	request_answer_end(req);
}

void
sup_not_sent(struct sup_req *req, const char *reason)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(reason, "reason");

	if (!is_outbound(req, "sup_not_sent"))
		return;
	codec_text(begin_state(req, "not_sent", "text"), reason);
	request_answer_end(req);
}

void
sup_send_later(struct sup_req *req, uint32_t after_ms)
{
	HOST_NEEDS(req, "req");

	if (!is_outbound(req, "sup_send_later"))
		return;
	msgpack_pack_uint32(begin_state(req, "retry", "after_ms"), after_ms);
	request_answer_end(req);
}

const void *
sup_req_cursor(struct sup_req *req, size_t *bytes_out)
{
	HOST_NEEDS(req, "req");

	if (bytes_out)
		*bytes_out = req->cursor_bytes;
	return req->cursor;
}

void
sup_reply_cursor(struct sup_req *req, const void *cursor, size_t size)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(cursor || !size, "cursor");

	msgpack_packer *out;

	if (req->message != MESSAGE_CHANNEL_STOP)
		host_abort("sup_reply_cursor() answers only the stop of a "
			   "channel");
	if (!request_is_wanted(req))
		return;
	out = link_begin(req->plugin->link);
	codec_result(out, req->id);
	msgpack_pack_array(out, 1);
	if (cursor)
		codec_bin(out, (struct bytes){cursor, size});
	else
		msgpack_pack_nil(out);
	request_answer_end(req);
}

bool
channel_ok(struct sup_req *req)
{
	if (req->message == MESSAGE_CHANNEL_STOP)
		sup_reply_cursor(req, NULL, 0);
	else if (req->message == MESSAGE_CHANNEL_SEND ||
		 req->message == MESSAGE_CHANNEL_FIND)
		sup_sent(req, NULL);
	else
		return false;
	return true;
}
