/* answer: answers of every kind, up to the head of a long one (stream.c has the
 * rest). It turns the plugin's mistakes (a second answer) into an abort, and
 * never judges status or headers: supd does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/util/utf8.h"
#include "proto/value.h"
#include "worker/channel.h"
#include "worker/request.h"
#include "worker/websocket.h"

void
request_expect(const struct sup_req *req, enum request_state expected)
{
	if (req->state == expected)
		return;
	if (req->state == REQUEST_OPEN)
		host_abort("call sup_reply_begin() before sup_chunk()");
	host_abort("a request was answered twice");
}

int
request_answer_end(struct sup_req *req)
{
	struct link *link = req->plugin->link;
	int result = link_end(link);

	if (result) {
		codec_error(link_begin(link), req->id, WIRE_FAILED,
			"the answer is larger than 1 MiB");
		link_end(link);
	}
	request_finish(req);
	return result;
}

void
request_answer_error(
	struct sup_req *req, enum wire_error code, const char *text)
{
	codec_error(link_begin(req->plugin->link), req->id, code, text);
	request_answer_end(req);
}

bool
request_is_wanted(struct sup_req *req)
{
	request_expect(req, REQUEST_OPEN);
	if (!req->cancelled)
		return true;
	request_answer_error(req, WIRE_CANCELLED, "cancelled");
	return false;
}

/* Requests of supd itself cannot be answered with text. */
static bool
answer_has_content(struct sup_req *req)
{
	if (!request_is_wanted(req))
		return false;
	switch (req->message) {
	case MESSAGE_EXPORT:
	case MESSAGE_IMPORT:
	case MESSAGE_CONFIGURE:
	case MESSAGE_HOOK:
	case MESSAGE_SERVICE_START:
	case MESSAGE_SERVICE_STOP:
	case MESSAGE_CHANNEL_START:
	case MESSAGE_CHANNEL_STOP:
	case MESSAGE_CHANNEL_SEND:
	case MESSAGE_CHANNEL_FIND:
	case MESSAGE_CHANNEL_ACT:
	case MESSAGE_QUIESCE:
	case MESSAGE_TAKE:
	case MESSAGE_TICK:
	case MESSAGE_CLI:
	case MESSAGE_WS_MOVE:
		break;
	default:
		return true;
	}
	request_answer_error(req, WIRE_FAILED,
		req->message == MESSAGE_EXPORT
			? "answer an export with sup_reply_state()"
		: req->message == MESSAGE_WS_MOVE
			? "answer a move with sup_reply_state() or sup_ok()"
		: req->message == MESSAGE_CLI
			? "end a command line with sup_exit()"
		: req->channel
			? "answer this with sup_ok(), sup_sent(), sup_fail() "
			  "and their kin"
			: "answer this with sup_ok() or sup_fail()");
	return false;
}

/* ---- http ---- */

void
sup_reply_header(struct sup_req *req, const char *name, const char *value)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(name, "name");
	HOST_NEEDS(value, "value");

	struct request_pair *pair = arena_take(&req->arena, sizeof(*pair));

	request_expect(req, REQUEST_OPEN);
	pair->name = arena_text(&req->arena, name, strlen(name));
	pair->value = arena_text(&req->arena, value, strlen(value));
	pair->next = NULL;
	*req->reply_headers_end = pair;
	req->reply_headers_end = &pair->next;
	req->reply_header_count++;
}

static void
answer_pack_header(msgpack_packer *out, const char *name, const char *value)
{
	msgpack_pack_array(out, 2);
	codec_text(out, name);
	codec_bin(out, bytes_of(value));
}

static void
answer_pack_http(struct sup_req *req, msgpack_packer *out, int status,
	const char *content_type, struct bytes body, bool more)
{
	codec_result(out, req->id);
	msgpack_pack_array(out, 4);
	msgpack_pack_int(out, status);
	msgpack_pack_array(out, req->reply_header_count + !!content_type);
	if (content_type)
		answer_pack_header(out, "Content-Type", content_type);
	for (const struct request_pair *h = req->reply_headers; h; h = h->next)
		answer_pack_header(out, h->name, h->value);
	codec_bin(out, body);
	if (more)
		msgpack_pack_true(out);
	else
		msgpack_pack_false(out);
}

static void
answer_http(struct sup_req *req, int status, const char *content_type,
	struct bytes body)
{
	msgpack_packer *out;

	if (body.length > WIRE_INLINE_BODY) {
		sup_reply_begin(req, status, content_type);
		sup_chunk(req, body.at, body.length, false);
		return;
	}
	out = link_begin(req->plugin->link);
	answer_pack_http(req, out, status, content_type, body, false);
	request_answer_end(req);
}

int
answer_pack_ws(struct sup_req *req, int status, const char *protocol)
{
	msgpack_packer *out = link_begin(req->plugin->link);

	codec_result(out, req->id);
	msgpack_pack_array(out, 3);
	msgpack_pack_int(out, status);
	msgpack_pack_array(out, req->reply_header_count);
	for (const struct request_pair *h = req->reply_headers; h; h = h->next)
		answer_pack_header(out, h->name, h->value);
	codec_text(out, protocol);
	return request_answer_end(req);
}

/* ---- all kinds ---- */

void
sup_reply(struct sup_req *req, int status, const char *content_type,
	const void *body, size_t bytes)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(body || !bytes, "body");

	struct bytes text = {body, bytes};
	msgpack_packer *out;

	if (!answer_has_content(req))
		return;
	if (req->message == MESSAGE_HTTP) {
		answer_http(req, status, content_type, text);
		return;
	}
	if (req->message == MESSAGE_WS_OPEN) {
		answer_pack_ws(req, status, NULL);
		return;
	}
	out = link_begin(req->plugin->link);
	codec_result(out, req->id);
	codec_str(out, text);
	request_answer_end(req);
}

void
sup_reply_text(struct sup_req *req, int status, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	struct buffer *text = &req->plugin->scratch;
	va_list arguments;
	int length;

	buffer_clear(text);
	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	va_start(arguments, format);
	vsnprintf((char *)buffer_reserve(text, (size_t)length + 1),
		(size_t)length + 1, format, arguments);
	va_end(arguments);
	buffer_commit(text, (size_t)length);
	sup_reply(req, status, "text/plain; charset=utf-8", buffer_bytes(text),
		buffer_length(text));
}

/* For tools and methods; takes ownership of the value. For supd a value nested
 * too deeply would be malformed, and end the worker. */
static void
answer_value(struct sup_req *req, json_t *value)
{
	msgpack_packer *out;

	if (value_is_deeper(value, WIRE_DEPTH_MAX - 1)) {
		if (request_is_wanted(req))
			request_answer_error(req, WIRE_FAILED,
				"the answer is nested too deeply");
	} else if (answer_has_content(req)) {
		out = link_begin(req->plugin->link);
		codec_result(out, req->id);
		value_pack(out, value);
		request_answer_end(req);
	}
	json_decref(value);
}

/* The plugin's answer should be JSON and is not: its author sees where, and a
 * client of http only that it failed. */
static void
answer_not_json(struct sup_req *req, const struct error *err)
{
	char text[sizeof(err->text) + 64];

	host_say("sup_reply_json: %s", err->text);
	if (!request_is_wanted(req))
		return;
	if (req->message == MESSAGE_HTTP) {
		sup_reply_text(req, 500, "the plugin failed\n");
		return;
	}
	snprintf(text, sizeof(text), "the plugin's answer is not JSON: %s",
		err->text);
	request_answer_error(req, WIRE_FAILED, text);
}

const char *
sup_json_error(const struct sup *p)
{
	HOST_NEEDS(p, "p");
	return p->json_error.text;
}

int
sup_reply_value(struct sup_req *req, int status, const char *json, size_t bytes)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(json || !bytes, "json");

	json_t *value = json_text_read(
		(struct bytes){json, bytes}, NULL, &req->plugin->json_error);

	if (!value)
		return -1;
	if (req->message == MESSAGE_TOOL || req->message == MESSAGE_METHOD) {
		answer_value(req, value);
		return 0;
	}
	json_decref(value);
	sup_reply(req, status, "application/json", json, bytes);
	return 0;
}

void
sup_reply_json(struct sup_req *req, int status, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	struct buffer *text = &req->plugin->scratch;
	struct error *err = &req->plugin->json_error;
	va_list arguments;
	int rc;

	buffer_clear(text);
	va_start(arguments, format);
	rc = json_format(text, format, arguments, err);
	va_end(arguments);
	if (!rc && req->message != MESSAGE_TOOL &&
		req->message != MESSAGE_METHOD)
		sup_reply(req, status, "application/json", buffer_bytes(text),
			buffer_length(text));
	else if (rc ||
		 sup_reply_value(req, status, (const char *)buffer_bytes(text),
			 buffer_length(text)))
		answer_not_json(req, err);
}

void
sup_ok(struct sup_req *req)
{
	HOST_NEEDS(req, "req");

	msgpack_packer *out;

	if (req->message == MESSAGE_CLI) {
		sup_exit(req, 0);
		return;
	}
	if (req->message == MESSAGE_WS_OPEN) {
		websocket_accept(req);
		return;
	}
	if (req->channel && channel_ok(req))
		return;
	if (!request_is_wanted(req))
		return;
	if (req->message == MESSAGE_HTTP) {
		answer_http(req, 204, NULL, BYTES(""));
		return;
	}
	if (req->message == MESSAGE_EXPORT) {
		request_answer_error(
			req, WIRE_FAILED, "answer this with sup_reply_state()");
		return;
	}
	if (req->message == MESSAGE_CONFIGURE)
		state_configured(req);
	out = link_begin(req->plugin->link);
	codec_result(out, req->id);
	msgpack_pack_nil(out);
	request_answer_end(req);
}

void
sup_fail(struct sup_req *req, enum sup_error code, const char *format, ...)
{
	HOST_NEEDS(req, "req");
	HOST_NEEDS(format, "format");

	char text[1024];
	va_list arguments;

	/* the ABI's list is the wire's */
	_Static_assert((int)SUP_BAD_MESSAGE == (int)WIRE_BAD_MESSAGE &&
			       (int)SUP_FAILED == (int)WIRE_FAILED &&
			       (int)SUP_FAILED == WIRE_ERROR_COUNT - 1,
		"sup_error follows wire_error");
	va_start(arguments, format);
	text_vformat(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (req->state == REQUEST_STREAMING)
		request_give_up(req, text);
	else if (request_is_wanted(req))
		request_answer_error(req,
			(unsigned)code < WIRE_ERROR_COUNT
				? (enum wire_error)code
				: WIRE_FAILED,
			text);
}

void
sup_reply_begin(struct sup_req *req, int status, const char *content_type)
{
	HOST_NEEDS(req, "req");
	request_expect(req, REQUEST_OPEN);
	if (req->message != MESSAGE_HTTP)
		host_abort("only http requests can be answered in pieces");
	req->state = REQUEST_STREAMING;
	req->credit = (int64_t)req->plugin->credit_bytes;
	if (req->cancelled)
		return; /* its only answer comes at the end */
	req->head_sent = true;
	answer_pack_http(req, link_begin(req->plugin->link), status,
		content_type, BYTES(""), true);
	link_end(req->plugin->link);
}
