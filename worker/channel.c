/* channel: starts, stops and sends of channels. Starts and stops take turns:
 * one waits until that before it has been answered or cancelled, and until supd
 * has answered every message that it was given. */
#include "worker/channel_parts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"

#define RETRY_MS 1000 /* of a message for a channel that is not connected */

struct channel *
channel_ref(struct channel *c)
{
	if (c)
		c->references++;
	return c;
}

struct channel *
channel_hold(struct sup *p, const char *name)
{
	struct channel *c;

	list_for_each (node, &p->channels) {
		c = container_of(node, struct channel, node);
		if (!strcmp(c->name, name))
			return channel_ref(c);
	}
	c = memory_alloc(sizeof(*c));
	*c = (struct channel){
		.plugin = p,
		.references = 1,
		.name = memory_copy_text(name),
	};
	list_init(&c->turns);
	channel_init_receiving(c);
	list_append(&p->channels, &c->node);
	return c;
}

void
channel_unref(struct channel *c)
{
	if (!c || --c->references)
		return;
	channel_finish_receiving(c);
	list_remove(&c->node);
	free(c->name);
	free(c);
}

const struct offer *
channel_offer(const struct channel *c)
{
	return host_offer(c->plugin, REGISTRATION_CHANNEL, bytes_of(c->name));
}

/* ---- starts and stops ---- */

static struct sup_req *
first_turn(const struct channel *c)
{
	return list_is_empty(&c->turns)
		       ? NULL
		       : container_of(c->turns.next, struct sup_req, turn);
}

void
channel_look(struct channel *c)
{
	struct sup_req *req = first_turn(c);

	if (!req || req->state != REQUEST_COLLECTING)
		return;
	channel_close(c, "the channel is stopped"); /* a start opened it */
	if (c->asked || first_turn(c) != req ||
		req->state != REQUEST_COLLECTING)
		return;
	if (req->message == MESSAGE_CHANNEL_START)
		channel_open(c, (struct bytes){req->body_at, req->body_bytes});
	c->runs = false;
	request_start(req);
}

static void
leave_turn(struct sup_req *req)
{
	struct channel *c = channel_ref(req->channel);

	list_remove(&req->turn);
	if (req->message == MESSAGE_CHANNEL_START && !c->runs)
		channel_close(c, "the channel is not started");
	channel_look(c);
	channel_unref(c);
}

void
channel_request_cancelled(struct sup_req *req)
{
	if (!list_is_empty(&req->turn) && req->state != REQUEST_COLLECTING)
		leave_turn(req);
}

void
channel_request_over(struct sup_req *req)
{
	if (!list_is_empty(&req->turn))
		leave_turn(req);
}

static void
take_turn(
	struct sup_req *req, const struct offer *offer, const struct message *m)
{
	bool starts = m->name == MESSAGE_CHANNEL_START;
	struct bytes cursor;

	req->left_ms = m->params[starts ? 3 : 1].via.u64;
	req->handler =
		starts ? offer->channel_said.start : offer->channel_said.stop;
	if (starts) {
		req->epoch = m->params[1].via.u64;
		cursor = codec_bytes(&m->params[2]);
		if (m->params[2].type != MSGPACK_OBJECT_NIL)
			req->body_at = arena_text(
				&req->arena, cursor.at, cursor.length);
		req->body_bytes = cursor.length;
	}
	req->state = REQUEST_COLLECTING; /* until channel_look() */
	request_remember(req);
	list_append(&req->channel->turns, &req->turn);
	channel_close(req->channel, "the channel is stopped");
	channel_look(req->channel);
}

/* ---- sends ---- */

/* In the names of the contract; NULL: JSON has no such value. */
static json_t *
args_of(const struct message *m)
{
	static const char *const names[][3] = {
		[MESSAGE_CHANNEL_SEND] = {"send_id", "target", "content"},
		[MESSAGE_CHANNEL_FIND] = {"send_id", "target", "since_ms"},
		[MESSAGE_CHANNEL_ACT] = {"action", "target", "args"},
	};
	json_t *args = json_object(), *value;

	for (int i = 0; i < 3; i++) {
		value = value_from(&m->params[i + 1], NULL);
		if (!value) {
			json_decref(args);
			return NULL;
		}
		json_object_set_new(args, names[m->name][i], value);
	}
	return args;
}

static sup_handler *
handler_of(const struct offer *offer, enum message_name message)
{
	return message == MESSAGE_CHANNEL_SEND	 ? offer->channel_said.send
	       : message == MESSAGE_CHANNEL_FIND ? offer->channel_said.find
						 : offer->channel_said.act;
}

static void
take_send(
	struct sup_req *req, const struct offer *offer, const struct message *m)
{
	req->left_ms =
		m->name == MESSAGE_CHANNEL_FIND ? 0 : m->params[4].via.u64;
	req->handler = handler_of(offer, m->name);
	req->args = args_of(m);
	if (!req->handler)
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin's channel cannot do this");
	else if (!req->args)
		request_answer_error(
			req, WIRE_BAD_MESSAGE, "the message is no JSON");
	else if (req->channel->runs)
		request_start(req);
	else if (m->name == MESSAGE_CHANNEL_SEND)
		sup_retry(req, RETRY_MS);
	else
		request_answer_error(
			req, WIRE_BUSY, "the channel is not connected");
}

void
channel_take(struct sup_req *req, const struct message *m)
{
	const struct offer *offer = host_offer(
		req->plugin, REGISTRATION_CHANNEL, codec_bytes(&m->params[0]));

	if (!offer) {
		request_answer_error(req, WIRE_NOT_FOUND,
			"the plugin has no channel of this name");
		return;
	}
	req->channel = channel_ref(offer->channel);
	req->user = offer->channel_said.user;
	if (m->name == MESSAGE_CHANNEL_START || m->name == MESSAGE_CHANNEL_STOP)
		take_turn(req, offer, m);
	else
		take_send(req, offer, m);
}

const void *
sup_req_cursor(struct sup_req *req, size_t *bytes_out)
{
	HOST_NEEDS(req, "req");

	bool starts = req->message == MESSAGE_CHANNEL_START;

	if (bytes_out)
		*bytes_out = starts ? req->body_bytes : 0;
	return starts ? req->body_at : NULL;
}

/* ---- answers ---- */

/* Ends the worker if the request is about something else. False: it was
 * cancelled, and is answered. */
static bool
is_wanted(struct sup_req *req, bool fits, const char *function)
{
	if (!fits)
		host_abort("%s() does not answer this request", function);
	return request_is_wanted(req);
}

static bool
is_outgoing(const struct sup_req *req)
{
	return req->message == MESSAGE_CHANNEL_SEND ||
	       req->message == MESSAGE_CHANNEL_FIND ||
	       req->message == MESSAGE_CHANNEL_ACT;
}

/* The result of a send up to its receipt, which follows. */
static msgpack_packer *
begin_state(struct sup_req *req, const char *state)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_result(out, req->id);
	if (req->message == MESSAGE_CHANNEL_ACT)
		return out;
	msgpack_pack_array(out, 2);
	codec_text(out, state);
	return out;
}

static void
pack_ids(msgpack_packer *out, const char *id)
{
	msgpack_pack_map(out, 1);
	codec_text(out, "ids");
	msgpack_pack_array(out, id != NULL);
	if (id)
		codec_text(out, id);
}

void
sup_sent(struct sup_req *req, const char *id)
{
	HOST_NEEDS(req, "req");
	if (!is_wanted(req, is_outgoing(req), __func__))
		return;
	pack_ids(begin_state(req, "sent"), id);
	request_answer_end(req);
}

int
sup_sent_value(struct sup_req *req, const char *receipt_json)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(receipt_json, "receipt_json");

	struct error *err = &req->plugin->json_error;
	json_t *receipt = json_text_read(bytes_of(receipt_json), NULL, err);

	if (receipt && !json_is_object(receipt))
		error_set(err, "a receipt must be an object");
	else if (receipt && value_is_deeper(receipt, VALUE_DEPTH_MAX))
		error_set(err, "a receipt is nested too deeply");
	if (!receipt || !json_is_object(receipt) ||
		value_is_deeper(receipt, VALUE_DEPTH_MAX)) {
		json_decref(receipt);
		return -1;
	}
	if (is_wanted(req, is_outgoing(req), __func__)) {
		value_pack(begin_state(req, "sent"), receipt);
		request_answer_end(req);
	}
	json_decref(receipt);
	return 0;
}

void
sup_not_sent(struct sup_req *req, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	msgpack_packer *out;
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (!is_wanted(req, is_outgoing(req), __func__))
		return;
	if (req->message == MESSAGE_CHANNEL_ACT) {
		request_answer_error(req, WIRE_FAILED, text);
		return;
	}
	out = begin_state(req, "not_sent");
	msgpack_pack_map(out, 1);
	codec_text(out, "text");
	codec_text(out, text);
	request_answer_end(req);
}

void
sup_retry(struct sup_req *req, uint32_t after_ms)
{
	HOST_NEEDS(req, "req");

	msgpack_packer *out;

	if (!is_wanted(req, is_outgoing(req), __func__))
		return;
	if (req->message == MESSAGE_CHANNEL_ACT) {
		request_answer_error(req, WIRE_BUSY, "the platform is busy");
		return;
	}
	out = begin_state(req, "retry");
	msgpack_pack_map(out, 1);
	codec_text(out, "after_ms");
	msgpack_pack_uint32(out, after_ms);
	request_answer_end(req);
}

static void
answer_stop(struct sup_req *req, struct bytes cursor)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_result(out, req->id);
	msgpack_pack_array(out, 1);
	if (cursor.at)
		codec_bin(out, cursor);
	else
		msgpack_pack_nil(out);
	request_answer_end(req);
}

void
sup_reply_cursor(struct sup_req *req, const void *bytes, size_t size)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(bytes || !size, "bytes");
	if (!is_wanted(req, req->message == MESSAGE_CHANNEL_STOP, __func__))
		return;
	if (size > CHANNEL_CURSOR_MAX)
		request_answer_error(
			req, WIRE_TOO_LARGE, "the cursor is too large");
	else
		answer_stop(req, (struct bytes){bytes ? bytes : "", size});
}

bool
channel_ok(struct sup_req *req)
{
	if (req->message == MESSAGE_CHANNEL_STOP) {
		if (request_is_wanted(req))
			answer_stop(req, req->channel->cursor);
		return true;
	}
	if (req->message == MESSAGE_CHANNEL_SEND ||
		req->message == MESSAGE_CHANNEL_FIND) {
		sup_sent(req, NULL);
		return true;
	}
	if (req->message == MESSAGE_CHANNEL_START && !req->cancelled)
		req->channel->runs = true;
	return false;
}

void
sup_channel_status(struct sup *p, const char *channel,
	enum sup_channel_state state, const char *format, ...)
{
	HOST_NEEDS(p, "p");
	HOST_NEEDS(channel, "channel");
	HOST_NEEDS(format, "format");

	static const char *const states[] = {
		"connecting", "up", "waiting", "down", "login", "failed"};
	const struct offer *offer =
		host_offer(p, REGISTRATION_CHANNEL, bytes_of(channel));
	char text[SERVICE_TEXT_MAX + 1];
	msgpack_packer *out;
	va_list arguments;

	if (!offer || (!offer->channel->is_open && !offer->channel->runs))
		return;
	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	out = link_begin(p->link);
	codec_notification(out, MESSAGE_CHANNEL_STATUS, 3);
	codec_text(out, channel);
	codec_text(
		out, states[state <= SUP_CHANNEL_FAILED ? state
							: SUP_CHANNEL_FAILED]);
	codec_text(out, text);
	link_end(p->link);
}
