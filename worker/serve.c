/* serve: handles each message from supd. It answers ping, drain and resume
 * itself and passes requests to request.c. The process ends when the link
 * does. */
#include "worker/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "worker/request.h"
#include "worker/websocket.h"

enum { HELLO_ID = 1, READY_ID = 2, FIRST_CALL_ID = 3 };

static _Noreturn void
serve_exit(int code)
{
	fflush(NULL);
	_exit(code); /* libraries' threads may still run: no exit handlers */
}

void
serve_begin(struct sup *p)
{
	msgpack_packer *out = link_begin(p->link);

	p->next_call_id = FIRST_CALL_ID;
	codec_request(out, HELLO_ID, MESSAGE_HELLO, 3);
	msgpack_pack_uint32(out, PROTOCOL_VERSION);
	codec_text(out, getenv(LAUNCH_NONCE));
	codec_text(out, "c/" SUPD_VERSION);
	link_end(p->link);
}

void
serve_ready(struct sup *p)
{
	msgpack_packer *out = link_begin(p->link);

	p->state = HOST_SAYING_READY;
	codec_request(out, READY_ID, MESSAGE_READY, 2);
	codec_text(out, p->descriptor->version);
	host_pack_offers(p, out);
	if (link_end(p->link)) {
		host_say("the registrations are too large for one message");
		serve_exit(LAUNCH_EXIT_INIT);
	}
}

static uint64_t
serve_limit(const msgpack_object *limits, const char *key, uint64_t fallback)
{
	const msgpack_object *o = codec_field(limits, key);

	if (!o || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER || !o->via.u64)
		return fallback;
	return o->via.u64 < INT64_MAX / 2 ? o->via.u64 : INT64_MAX / 2;
}

static void
serve_take_limits(struct sup *p, const msgpack_object *limits)
{
	p->body_max_bytes =
		serve_limit(limits, LAUNCH_LIMIT_BODY, p->body_max_bytes);
	p->credit_bytes =
		serve_limit(limits, LAUNCH_LIMIT_CREDIT, p->credit_bytes);
}

/* [id, generation, settings, limits] */
static int
serve_read_hello(struct sup *p, const msgpack_object *result)
{
	const msgpack_object *o = result->via.array.ptr;
	struct error err;
	struct bytes id;

	if (result->type != MSGPACK_OBJECT_ARRAY ||
		result->via.array.size < 4 ||
		o[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
		host_say("the answer to hello is malformed");
		return -1;
	}
	id = codec_bytes(&o[0]);
	p->id = memory_copy_bytes(id.at, id.length);
	p->generation = (uint32_t)o[1].via.u64;
	p->settings = value_from(&o[2], &err);
	if (!p->settings) {
		host_say("the settings cannot be read: %s", err.text);
		return -1;
	}
	serve_take_limits(p, &o[3]);
	return 0;
}

static void
serve_on_hello(struct sup *p, const msgpack_object *result)
{
	if (serve_read_hello(p, result))
		serve_exit(LAUNCH_EXIT_REFUSED);
	p->state = HOST_INITIALISING;
	switch (p->descriptor->init(p)) {
	case SUP_STARTED:
		if (p->state == HOST_INITIALISING)
			serve_ready(p);
		return;
	case SUP_STARTS_LATER:
		return;
	default:
		host_say("init of plugin %s failed", p->id);
		serve_exit(LAUNCH_EXIT_INIT);
	}
}

static void
serve_on_response(struct sup *p, const struct message *m)
{
	char text[256];

	if (m->id >= FIRST_CALL_ID) {
		call_answered(p, m);
		return;
	}
	if (m->error) {
		codec_read_error(m->error, text, sizeof(text));
		host_say("supd refused %s: %s",
			m->id == HELLO_ID ? "hello" : "ready", text);
		serve_exit(LAUNCH_EXIT_REFUSED);
	}
	if (m->id == HELLO_ID && p->state == HOST_SAYING_HELLO)
		serve_on_hello(p, m->result);
	else if (m->id == READY_ID && p->state == HOST_SAYING_READY)
		p->state = HOST_SERVING;
}

/* Answers whether a request for that registration would find its handler. */
static void
serve_probe(struct sup *p, const struct message *m)
{
	bool known = host_knows(p, m->params[0].via.u64,
		codec_bytes(&m->params[1]), codec_bytes(&m->params[2]));
	msgpack_packer *out = link_begin(p->link);

	if (known) {
		codec_result(out, m->id);
		msgpack_pack_nil(out);
	} else {
		codec_error(out, m->id, WIRE_NOT_FOUND,
			"there is no such registration");
	}
	link_end(p->link);
}

static void
serve_on_request(struct sup *p, const struct message *m)
{
	msgpack_packer *out;

	switch (m->name) {
	case MESSAGE_HTTP:
	case MESSAGE_TOOL:
	case MESSAGE_METHOD:
	case MESSAGE_COMMAND:
	case MESSAGE_HOOK:
	case MESSAGE_TICK:
	case MESSAGE_CLI:
	case MESSAGE_WS_OPEN:
	case MESSAGE_WS_MOVE:
	case MESSAGE_HEALTH:
	case MESSAGE_EXPORT:
	case MESSAGE_IMPORT:
	case MESSAGE_CONFIGURE:
	case MESSAGE_SERVICE_START:
	case MESSAGE_SERVICE_STOP:
	case MESSAGE_CHANNEL_START:
	case MESSAGE_CHANNEL_STOP:
	case MESSAGE_CHANNEL_SEND:
	case MESSAGE_CHANNEL_FIND:
	case MESSAGE_CHANNEL_ACT:
	case MESSAGE_QUIESCE:
	case MESSAGE_TAKE:
		request_take(p, m);
		return;
	case MESSAGE_PROBE:
		serve_probe(p, m);
		return;
	case MESSAGE_PING:
		out = link_begin(p->link);
		codec_result(out, m->id);
		msgpack_pack_nil(out);
		link_end(p->link);
		return;
	default:
		out = link_begin(p->link);
		codec_error(out, m->id, WIRE_BAD_MESSAGE,
			message_by_name(m->method.at, m->method.length) ==
					MESSAGE_UNKNOWN
				? "unknown request"
				: "the parameters have the wrong types");
		link_end(p->link);
	}
}

/* The next message is the request with this id. */
static void
serve_trace(struct sup *p, const struct message *m)
{
	struct bytes text = codec_bytes(&m->params[1]);

	if (text.length != TRACEPARENT_BYTES)
		return; /* of a later version */
	p->trace_id = (uint32_t)m->params[0].via.u64;
	memcpy(p->trace, text.at, text.length);
}

static void
serve_on_notification(struct sup *p, const struct message *m)
{
	switch (m->name) {
	case MESSAGE_CHUNK:
		request_on_chunk(p, (uint32_t)m->params[0].via.u64,
			codec_bytes(&m->params[1]), m->params[2].via.boolean);
		return;
	case MESSAGE_CREDIT:
		if (!websocket_on_credit(p, (uint32_t)m->params[0].via.u64,
			    m->params[1].via.u64))
			request_on_credit(p, (uint32_t)m->params[0].via.u64,
				m->params[1].via.u64);
		return;
	case MESSAGE_WS_MESSAGE:
		websocket_on_message(p, m);
		return;
	case MESSAGE_WS_CLOSE:
		websocket_on_close(p, m);
		return;
	case MESSAGE_CANCEL:
		request_on_cancel(p, (uint32_t)m->params[0].via.u64);
		return;
	case MESSAGE_TRACE:
		serve_trace(p, m);
		return;
	case MESSAGE_DRAIN:
		p->draining = true;
		host_check_drained(p);
		return;
	case MESSAGE_LIMITS:
		serve_take_limits(p, &m->params[0]);
		return;
	case MESSAGE_RESUME:
		p->draining = p->drained = false;
		return;
	default:
		return;
	}
}

static void
serve_on_message(void *owner, const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_REQUEST:
		serve_on_request(owner, m);
		return;
	case MESSAGE_RESPONSE:
		serve_on_response(owner, m);
		return;
	case MESSAGE_NOTIFICATION:
		serve_on_notification(owner, m);
		return;
	}
}

static void
serve_on_close(void *owner, const char *reason)
{
	if (reason)
		host_say("lost the link to supd: %s", reason);
	serve_exit(reason ? LAUNCH_EXIT_LINK : LAUNCH_EXIT_DONE);
}

const struct link_events serve_events = {
	.on_message = serve_on_message,
	.on_close = serve_on_close,
};
