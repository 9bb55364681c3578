/* invoke: the request that carries a call of a tool, command or method. The
 * packed arguments are kept until the end for a replay. */
#include "supervisor/gateway/invoke.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/plugin/span.h"

/* Counts a call for its plugin once the plugin is known. */
static void
count(const struct invoke *v, bool failed)
{
	struct plugin *p =
		gateway_plugin_by_number(v->gateway, v->request.plugin);

	if (!p || !v->name)
		return;
	p->counters.calls[v->kind][failed]++;
	if (!failed && v->request.accepted_us) /* 0: a filter answered it */
		metrics_observe(&p->counters.call_latency,
			clock_us() - v->request.accepted_us);
}

/* Before the call is sent. */
static void
end_with(struct invoke *v, enum wire_error code, int http_status,
	const char *text)
{
	struct invoke_end end = {
		.code = code, .text = text, .http_status = http_status};

	invoke_end_with(v, &end);
}

/* For a call that did not reach a worker. */
static void
end_span(struct invoke *v, const struct invoke_end *end)
{
	struct gateway *g = v->gateway;
	struct plugin *p = gateway_plugin_by_number(g, v->request.plugin);

	if (v->request.span.context.sampling)
		span_unsent(&g->workers, p ? p->id : NULL, &v->request,
			end->ok ? NULL : wire_error_text(end->code), end->text);
}

void
invoke_end_with(struct invoke *v, const struct invoke_end *end)
{
	end_span(v, end);
	count(v, !end->ok);
	v->done(v, end);
}

/* After it was sent: the watcher sees the end first. */
static void
end_sent(struct invoke *v, const struct invoke_end *end)
{
	if (!v->watch || !v->watcher->ends(v, end))
		invoke_end_with(v, end);
}

static void
fail_sent(struct invoke *v, enum wire_error code, int http_status,
	const char *text, bool is_death)
{
	struct invoke_end end = {.code = code,
		.text = text,
		.http_status = http_status,
		.is_death = is_death};

	end_sent(v, &end);
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
	const struct registration_kind_row *row = registration_kinds[v->kind];
	uint64_t deadline_ms = dispatch_deadline_ms(r);

	codec_request(p, wire_id, row->message, 4);
	codec_text(p, v->name);
	pack_raw(p, &v->args);
	if (row->takes_text) {
		pack_raw(p, &v->caller);
		msgpack_pack_uint64(p, deadline_ms);
	} else {
		msgpack_pack_uint64(p, deadline_ms);
		pack_raw(p, &v->caller);
	}
}

/* The answer to supctl nests in the maps of a control message. */
#define ANSWER_DEPTH_MAX (WIRE_DEPTH_MAX - 4)

static bool
invoke_answer(struct request *r, const struct message *m)
{
	struct invoke *v = container_of(r, struct invoke, request);
	struct invoke_end end = {.ok = true};
	struct error err = {.text = ""};
	json_t *value;

	if (m->error) {
		char text[512];
		enum wire_error code =
			codec_read_error(m->error, text, sizeof(text));

		fail_sent(v, code, wire_error_status(code), text, false);
		return false;
	}
	end.value = value_from(m->result, &err);
	if (!end.value) {
		error_prefix(&err, "the worker's answer is not JSON: ");
		fail_sent(v, WIRE_FAILED, 502, err.text, false);
		return false;
	}
	if (value_is_deeper(end.value, ANSWER_DEPTH_MAX)) {
		json_decref(end.value);
		fail_sent(v, WIRE_FAILED, 502,
			"the worker's answer is nested too deeply", false);
		return false;
	}
	value = end.value;
	end_sent(v, &end);
	json_decref(value);
	return false;
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
	fail_sent(v, codes[why], request_failures[why].status,
		text ? text : request_failures[why].text, why == REQUEST_DIED);
}

static void
take_row(struct invoke *v, const struct route_row *row)
{
	free(v->name);
	v->name = memory_copy_text(row->declared->name);
	v->request.replayable =
		registration_is_idempotent(row->declared, "", 0);
}

static bool
invoke_route(struct request *r, struct route_match *match_out)
{
	struct invoke *v = container_of(r, struct invoke, request);

	if (dispatch_find_name(v->gateway, v->kind, bytes_of(v->full_name),
		    match_out) != ROUTE_FOUND)
		return false;
	take_row(v, match_out->row);
	return true;
}

static void
invoke_describe(struct request *r, char *out, size_t size)
{
	const struct invoke *v = container_of(r, struct invoke, request);

	text_format(out, size, "the %s %s", registration_kinds[v->kind]->wire,
		v->name);
}

static const struct request_ops invoke_ops = {
	.encode = invoke_encode,
	.route = invoke_route,
	.answer = invoke_answer,
	.fail = invoke_fail,
	.describe = invoke_describe,
};

void
invoke_init(struct invoke *v, struct gateway *g,
	void (*done)(struct invoke *v, const struct invoke_end *end))
{
	*v = (struct invoke){.gateway = g, .done = done};
	v->request.ops = &invoke_ops;
}

void
invoke_inherit(struct invoke *v, struct chain *chain, uint64_t due_ms)
{
	v->request.chain = chain_ref(chain);
	v->request.due_limit_ms = due_ms;
}

void
invoke_pack_caller(struct invoke *v, const char *door, const char *plugin_id)
{
	msgpack_packer p;

	v->door = door;
	v->caller_id = plugin_id;
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
invoke_pack_caller_value(struct invoke *v, const json_t *caller)
{
	msgpack_packer p;

	v->door = json_string_value(json_object_get(caller, "door"));
	codec_packer(&p, &v->caller);
	value_pack(&p, caller);
}

int
invoke_pack_args(struct invoke *v, enum registration_kind kind,
	const json_t *args, struct error *err)
{
	struct bytes text = {json_string_value(args), json_string_length(args)};
	msgpack_packer p;

	if (value_is_deeper(args, VALUE_DEPTH_MAX))
		return error_set(err,
			"the arguments are nested deeper than %d levels",
			VALUE_DEPTH_MAX);
	codec_packer(&p, &v->args);
	v->value = json_incref((json_t *)(uintptr_t)args);
	if (!registration_kinds[kind]->takes_text)
		value_pack(&p, args);
	else if (!args || json_is_null(args))
		codec_text(&p, "");
	else if (!json_is_string(args) || memchr(text.at, 0, text.length))
		return error_set(err, "a command's argument must be a string "
				      "without NUL");
	else
		codec_str(&p, text);
	return 0;
}

/* The one place that says what no arguments are, for all doors: an empty
 * object, unless the schema does not want one: then they are null. */
static void
default_args(struct invoke *v, const struct json_schema *schema)
{
	msgpack_packer p;

	if ((v->value && !json_is_null(v->value)) ||
		registration_kinds[v->kind]->takes_text ||
		(schema && !json_schema_takes_object(schema)))
		return;
	json_decref(v->value);
	v->value = json_object();
	buffer_clear(&v->args);
	codec_packer(&p, &v->args);
	value_pack(&p, v->value);
}

/* Arguments are checked against a schema here, for all doors. A call that is
 * held and then sent to a newer worker is not checked again. */
static int
check_args(struct invoke *v, const struct route_row *row)
{
	const struct json_schema *schema = row->declared->call.schema;
	struct error err;
	int failed = 0;

	default_args(v, schema);
	if (schema)
		failed = json_schema_check(
			schema, v->value ? v->value : json_null(), NULL, &err);
	if (!failed)
		return 0;
	error_prefix(&err,
		"the arguments do not fit the schema of '%s': ", row->name);
	v->is_refused = true;
	end_with(v, WIRE_BAD_MESSAGE, 400, err.text);
	return -1;
}

/* Finds who serves the call now, and checks the arguments. False: the call has
 * ended. */
static bool
find(struct invoke *v, struct bytes name, struct route_match *match)
{
	char text[320];

	if (buffer_length(&v->args) > INVOKE_ARGS_MAX) {
		end_with(v, WIRE_TOO_LARGE, 413, "the arguments are too large");
		return false;
	}
	if (dispatch_find_name(v->gateway, v->kind, name, match) !=
		ROUTE_FOUND) {
		text_format(text, sizeof(text), "no plugin has the %s '%.*s'",
			registration_kinds[v->kind]->wire,
			(int)text_fit(name.at, name.length, 128), name.at);
		v->is_unknown = true;
		end_with(v, WIRE_NOT_FOUND, 404, text);
		return false;
	}
	v->request.plugin = match->plugin;
	if (check_args(v, match->row) < 0)
		return false;
	take_row(v, match->row);
	return true;
}

static void
submit(struct invoke *v, const struct route_match *match, uint64_t timeout_ms)
{
	json_decref(v->value);
	v->value = NULL;
	v->request.held_bytes = sizeof(*v) + buffer_length(&v->args);
	dispatch_submit(v->gateway, &v->request, match, timeout_ms);
}

void
invoke_begin(struct invoke *v, enum registration_kind kind, struct bytes name,
	uint64_t timeout_ms)
{
	const struct call_watcher *watcher = v->gateway->watcher;
	struct route_match match;

	v->kind = kind;
	v->full_name = memory_copy_bytes(name.at, name.length);
	if (!find(v, name, &match))
		return;
	if (v->gateway->workers.tracer.is_on)
		dispatch_begin_span(v->gateway, &v->request);
	v->watcher = watcher;
	v->due_ms = watcher && timeout_ms ? clock_ms() + timeout_ms : 0;
	if (!watcher || !watcher->begins(v))
		submit(v, &match, timeout_ms);
}

void
invoke_go_on(struct invoke *v, json_t *args)
{
	uint64_t now = clock_ms();
	struct route_match match;
	struct error err;

	if (v->due_ms && v->due_ms <= now) {
		end_with(v, WIRE_TIMEOUT, 504, "no answer in time");
		return;
	}
	if (args) {
		json_decref(v->value);
		v->value = NULL;
		buffer_clear(&v->args);
		if (invoke_pack_args(v, v->kind, args, &err) < 0) {
			end_with(v, WIRE_BAD_MESSAGE, 400, err.text);
			return;
		}
	}
	if (find(v, bytes_of(v->full_name), &match))
		submit(v, &match, v->due_ms ? v->due_ms - now : 0);
}

void
invoke_finish(struct invoke *v)
{
	if (v->request.id)
		dispatch_cancel(v->gateway, &v->request);
	if (v->watch)
		v->watcher->left(v);
	free(v->full_name);
	free(v->name);
	v->full_name = v->name = NULL;
	chain_unref(v->request.chain);
	v->request.chain = NULL;
	json_decref(v->value);
	v->value = NULL;
	buffer_finish(&v->args);
	buffer_finish(&v->caller);
}

int
invoke_kind(struct bytes text)
{
	int kind = registration_kind_by_wire(text.at, text.length);

	return kind >= 0 && registration_kinds[kind]->caller == KIND_CALLER_NAME
		       ? kind
		       : -1;
}
