/* invoke: the request that carries a call of a tool, command or method. What
 * it packed is kept until the end, so that a replay can send it again. */
#include "supervisor/control/invoke.h"

#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/gateway/dispatch.h"

/* Of a plugin's, once it is known whose. */
static void
count(const struct invoke *v, bool failed)
{
	struct plugin *p =
		gateway_plugin_by_number(v->gateway, v->request.plugin);

	if (p && v->name)
		p->counters.calls[v->kind][failed]++;
}

static void
end_with(struct invoke *v, enum wire_error code, int http_status,
	const char *text)
{
	struct invoke_end end = {
		.code = code, .text = text, .http_status = http_status};

	count(v, true);
	v->done(v, &end);
}

static void
pack_raw(msgpack_packer *p, const struct buffer *b)
{
	p->callback(p->data, (const char *)buffer_bytes(b), buffer_length(b));
}

static void
invoke_encode(struct request *r, msgpack_packer *p, uint32_t wire_id)
{
	struct invoke *v = container_of(r, struct invoke, request);
	uint64_t deadline_ms = dispatch_deadline_ms(r);

	codec_request(p, wire_id,
		v->kind == REGISTRATION_TOOL	 ? MESSAGE_TOOL
		: v->kind == REGISTRATION_METHOD ? MESSAGE_METHOD
						 : MESSAGE_COMMAND,
		4);
	codec_text(p, v->name);
	pack_raw(p, &v->args);
	if (v->kind == REGISTRATION_COMMAND) {
		pack_raw(p, &v->caller);
		msgpack_pack_uint64(p, deadline_ms);
	} else {
		msgpack_pack_uint64(p, deadline_ms);
		pack_raw(p, &v->caller);
	}
}

/* supctl gets it in maps within a message. */
#define ANSWER_DEPTH_MAX (WIRE_DEPTH_MAX - 4)

static bool
invoke_answer(struct request *r, const struct message *m)
{
	struct invoke *v = container_of(r, struct invoke, request);
	struct invoke_end end = {.ok = true};
	struct error err = {{0}};

	if (m->error) {
		char text[512];
		enum wire_error code =
			codec_read_error(m->error, text, sizeof(text));

		end_with(v, code, wire_error_status(code), text);
		return false;
	}
	end.value = value_from(m->result, &err);
	if (!end.value) {
		error_prefix(&err, "the worker's answer is not JSON: ");
		end_with(v, WIRE_FAILED, 502, err.text);
		return false;
	}
	if (value_is_deeper(end.value, ANSWER_DEPTH_MAX)) {
		end_with(v, WIRE_TOO_LARGE, 502,
			"the worker's answer is nested too deeply");
		json_decref(end.value);
		return false;
	}
	count(v, false);
	v->done(v, &end);
	json_decref(end.value);
	return false;
}

/* Nothing more than one message is asked for, so neither pieces nor credit are
 * part of the answer. */
static void
invoke_chunk(struct request *r, struct bytes piece, bool more)
{
	struct invoke *v = container_of(r, struct invoke, request);

	if (!more)
		end_with(v, WIRE_FAILED, 502, "the worker answered in pieces");
}

static void
invoke_credit(struct request *r, uint64_t bytes)
{
}

static void
invoke_fail(struct request *r, enum request_failure why, const char *text)
{
	static const enum wire_error codes[REQUEST_FAILURE_COUNT] = {
		[REQUEST_OVERFLOW] = WIRE_BUSY,
		[REQUEST_HELD_TOO_LONG] = WIRE_BUSY,
		[REQUEST_UNAVAILABLE] = WIRE_FAILED,
		[REQUEST_STOPPING] = WIRE_FAILED,
		[REQUEST_DIED] = WIRE_FAILED,
		[REQUEST_BAD_ANSWER] = WIRE_FAILED,
		[REQUEST_FAILED] = WIRE_FAILED,
		[REQUEST_LATE] = WIRE_TIMEOUT,
		[REQUEST_ENDED] = WIRE_CANCELLED,
	};
	struct invoke *v = container_of(r, struct invoke, request);

	dispatch_note_failure(v->gateway, r, why);
	end_with(v, codes[why], request_failures[why].status,
		text ? text : request_failures[why].text);
}

static const struct request_ops invoke_ops = {
	.encode = invoke_encode,
	.answer = invoke_answer,
	.chunk = invoke_chunk,
	.credit = invoke_credit,
	.fail = invoke_fail,
};

void
invoke_init(struct invoke *v, struct gateway *g,
	void (*done)(struct invoke *v, const struct invoke_end *end))
{
	*v = (struct invoke){.gateway = g, .done = done};
	v->request.ops = &invoke_ops;
}

void
invoke_pack_caller(struct invoke *v, const char *door, const char *plugin_id)
{
	msgpack_packer p;

	codec_packer(&p, &v->caller);
	msgpack_pack_map(&p, plugin_id ? 2 : 1);
	codec_text(&p, "door");
	codec_text(&p, door);
	if (plugin_id) {
		codec_text(&p, "plugin");
		codec_text(&p, plugin_id);
	}
}

void
invoke_begin(struct invoke *v, enum registration_kind kind, struct bytes name,
	uint64_t timeout_ms)
{
	struct route_match match;
	char text[320];

	v->kind = kind;
	if (buffer_length(&v->args) > INVOKE_ARGS_MAX) {
		end_with(v, WIRE_TOO_LARGE, 413, "the arguments are too large");
		return;
	}
	if (dispatch_find_name(v->gateway, kind, name, &match) != ROUTE_FOUND) {
		snprintf(text, sizeof(text), "no plugin has the %s '%.*s'",
			registration_kinds[kind].wire,
			(int)(name.length > 128 ? 128 : name.length), name.at);
		v->is_unknown = true;
		end_with(v, WIRE_NOT_FOUND, 404, text);
		return;
	}
	v->name = memory_copy_text(match.row->declared->name);
	v->request.replayable =
		registration_is_idempotent(match.row->declared, "", 0);
	v->request.held_bytes = sizeof(*v) + buffer_length(&v->args);
	dispatch_submit(v->gateway, &v->request, &match, timeout_ms);
}

void
invoke_finish(struct invoke *v)
{
	if (v->request.id)
		dispatch_cancel(v->gateway, &v->request);
	free(v->name);
	v->name = NULL;
	buffer_finish(&v->args);
	buffer_finish(&v->caller);
}

int
invoke_kind(struct bytes text)
{
	int kind = registration_kind_by_wire(text.at, text.length);

	return kind == REGISTRATION_TOOL || kind == REGISTRATION_COMMAND ||
			       kind == REGISTRATION_METHOD
		       ? kind
		       : -1;
}
