/* worker_call: serves a worker's `call`: one of supd's methods, with the role
 * operator, another plugin's tool, command or method, or a message that a
 * channel is to send. The worker is kept by
 * number; if it is gone when the answer comes, the answer is dropped. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/channel/channel.h"
#include "supervisor/control/commands.h"
#include "supervisor/event/events.h"
#include "supervisor/gateway/invoke.h"
#include "supervisor/ops/journal.h"
#include "supervisor/control/page.h"

/* Limits per worker: calls in progress, and bytes of their arguments. A single
 * call is always possible. */
#define WORKER_CALLS_MAX 1024
#define WORKER_CALL_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct worker_call {
	struct gateway *gateway;
	uint32_t plugin, worker, wire_id;
	size_t bytes;		   /* of its arguments */
	struct command_call call;  /* used for one of supd's own methods */
	struct wheel_timer late;   /* the deadline of that */
	struct invoke invoke;	   /* used for a call of a plugin */
	struct channel_send send;  /* used for a message of a channel */
	struct channel_act act;	   /* used for an action of a channel */
	struct worker_chain chain; /* of the request it is made for; valid
				      until it is begun */
};

/* Frees the call's place. Returns the worker to answer, or NULL. */
static struct worker *
worker_call_end(struct worker_call *c)
{
	struct plugin *p = gateway_plugin_by_number(c->gateway, c->plugin);
	struct worker *w = p ? plugin_worker(p, c->worker) : NULL;

	wheel_clear(&c->gateway->wheel, &c->late);
	if (w) {
		w->calls--;
		w->call_bytes -= c->bytes;
	}
	return w;
}

static void
worker_call_answer(struct worker_call *c, const json_t *value,
	enum wire_error code, const char *text)
{
	struct worker *w = worker_call_end(c);

	if (w && value)
		worker_answer_call(w, c->wire_id, value);
	else if (w)
		worker_refuse_call(w, c->wire_id, code, text);
	free(c);
}

/* A long list goes to the worker as a page. */
static void
command_page(struct command_call *call, enum outcome outcome, struct page *page)
{
	struct worker_call *c = container_of(call, struct worker_call, call);
	struct worker *w = worker_call_end(c);
	struct bytes packed = {(const char *)buffer_bytes(&page->packed),
		buffer_length(&page->packed)};

	(void)outcome;
	if (w && packed.length)
		worker_answer_packed(w, c->wire_id, packed);
	else if (w)
		worker_refuse_call(w, c->wire_id, WIRE_FAILED,
			"the result is larger than 1 MiB");
	free(c);
}

static void
invoke_done(struct invoke *v, const struct invoke_end *end)
{
	struct worker_call *c = container_of(v, struct worker_call, invoke);

	/* end's strings may lie in the invoke, so it is freed last */
	json_t *value = json_incref(end->value);
	char *text = memory_copy_text(end->text);

	invoke_finish(v);
	worker_call_answer(c, value, end->code, text);
	json_decref(value);
	free(text);
}

static void
command_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	static const enum wire_error codes[OUTCOME_COUNT] = {
		[OUTCOME_BAD_CALL] = WIRE_BAD_MESSAGE,
		[OUTCOME_DENIED] = WIRE_DENIED,
		[OUTCOME_NOT_FOUND] = WIRE_NOT_FOUND,
		[OUTCOME_REFUSED] = WIRE_BUSY,
	};
	struct worker_call *c = container_of(call, struct worker_call, call);
	const char *text = json_string_value(json_object_get(result, "error"));
	bool is_answer = outcome == OUTCOME_DONE ||
			 outcome == OUTCOME_ACCEPTED || call->has_receipts;

	worker_call_answer(c, is_answer ? result : NULL, codes[outcome],
		text ? text : "failed");
}

/* What the method began goes on. */
static void
method_late(struct wheel_timer *t)
{
	struct worker_call *c = container_of(t, struct worker_call, late);

	command_abandon(&c->call);
	worker_call_answer(c, NULL, WIRE_TIMEOUT,
		"the method was not done in time; what it began goes on");
}

/* At the deadline of the call, or of the request that it is made for. */
static void
set_late(struct worker_call *c, uint64_t timeout_ms)
{
	uint64_t due_ms = c->chain.due_ms;

	if (timeout_ms > WIRE_DEADLINE_MAX_MS)
		timeout_ms = WIRE_DEADLINE_MAX_MS;
	if (timeout_ms && (!due_ms || clock_ms() + timeout_ms < due_ms))
		due_ms = clock_ms() + timeout_ms;
	if (due_ms)
		wheel_set(&c->gateway->wheel, &c->late, due_ms);
}

static void
run_method(struct worker_call *c, const char *verb, const json_t *args,
	uint64_t timeout_ms)
{
	set_late(c, timeout_ms);
	c->call = (struct command_call){.gateway = c->gateway,
		.role = ROLE_OPERATOR,
		.door = "plugin",
		.trace = c->chain.chain ? c->chain.chain->trace
					: (struct trace_context){0},
		.worker = c->worker,
		.on_done = command_done,
		.on_page = command_page,
		.wants_packed = true};
	command_run(&c->call, verb, json_is_null(args) ? NULL : args);
}

static void
run_invoke(struct worker_call *c, struct worker *w, int kind,
	const struct message *m, const json_t *args)
{
	struct error err;

	invoke_init(&c->invoke, c->gateway, invoke_done);
	c->invoke.request.caller = w->id;
	if (c->chain.chain)
		invoke_inherit(&c->invoke, c->chain.chain, c->chain.due_ms);
	invoke_pack_caller(&c->invoke, "plugin", w->plugin_id);
	if (invoke_pack_args(
		    &c->invoke, (enum registration_kind)kind, args, &err)) {
		invoke_finish(&c->invoke);
		worker_call_answer(c, NULL, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	c->bytes = buffer_length(&c->invoke.args);
	w->call_bytes += c->bytes;
	invoke_begin(&c->invoke, (enum registration_kind)kind,
		codec_bytes(&m->params[1]), m->params[3].via.u64);
}

static void
sent(struct channel_send *s, const struct channel_sent *sent)
{
	struct worker_call *c = container_of(s, struct worker_call, send);
	json_t *value;

	chain_unref(c->chain.chain);
	if (sent->error) {
		worker_call_answer(c, NULL, sent->code, sent->error);
		return;
	}
	value = json_pack(
		"[s,s,O?]", sent->send_id, sent->state, sent->receipt);
	worker_call_answer(c, value, WIRE_FAILED, NULL);
	json_decref(value);
}

static size_t
packed_bytes(const msgpack_object *o)
{
	struct buffer packed = {0};
	msgpack_packer p;
	size_t bytes;

	codec_packer(&p, &packed);
	msgpack_pack_object(&p, *o);
	bytes = buffer_length(&packed);
	buffer_finish(&packed);
	return bytes;
}

static void
acted(struct channel_act *a, enum wire_error code, const char *error,
	json_t *receipt)
{
	worker_call_answer(container_of(a, struct worker_call, act),
		error ? NULL : receipt, code, error);
}

/* args: {action, target, args?} */
static void
run_act(struct worker_call *c, struct worker *w, const struct message *m,
	const json_t *args)
{
	c->bytes = packed_bytes(&m->params[2]);
	w->call_bytes += c->bytes;
	c->act.done = acted;
	channels_act(c->gateway->channels,
		&(struct channel_act_order){
			.channel = codec_bytes(&m->params[1]),
			.action = json_object_get(args, "action"),
			.target = json_object_get(args, "target"),
			.args = json_object_get(args, "args"),
			.deadline_ms = m->params[3].via.u64,
			.limit_ms = c->chain.due_ms,
			.trace = c->chain.chain ? c->chain.chain->trace
						: (struct trace_context){0},
			.caller = w->id},
		&c->act);
}

/* args: {target, content, key?}. The chain must last until the filters of the
 * message are done. */
static void
run_send(struct worker_call *c, struct worker *w, const struct message *m,
	const json_t *args)
{
	json_t *key = json_object_get(args, "key");

	if (json_object_get(args, "action")) {
		run_act(c, w, m, args);
		return;
	}
	c->bytes = packed_bytes(&m->params[2]);
	w->call_bytes += c->bytes;
	c->chain.chain = chain_ref(c->chain.chain);
	c->send.done = sent;
	if (key && !json_is_string(key)) {
		sent(&c->send, &(struct channel_sent){.code = WIRE_BAD_MESSAGE,
				       .error = "the key must be a string"});
		return;
	}
	channels_send(c->gateway->channels,
		&(struct channel_order){
			.channel = codec_bytes(&m->params[1]),
			.target = json_object_get(args, "target"),
			.content = json_object_get(args, "content"),
			.key = json_string_value(key),
			.deadline_ms = m->params[3].via.u64,
			.limit_ms = c->chain.due_ms,
			.caller = w->id,
			.plugin_id = w->plugin_id,
			.chain = c->chain.chain,
		},
		&c->send);
}

/* NULL with err: they are not JSON, of which bytes are no part. */
static json_t *
read_args(const msgpack_object *o, struct error *err)
{
	if (!value_has_bin(o))
		return value_from(o, err);
	error_set(err, "the arguments contain bin; send strings as str");
	return NULL;
}

/* A worker's arguments are read as JSON, as from any door, so that the caller
 * gets the error if they are not. */
static void
run(struct worker_call *c, struct worker *w, int kind, const struct message *m,
	const char *verb)
{
	struct error err;
	json_t *args = read_args(&m->params[2], &err);

	if (!args) {
		worker_call_answer(c, NULL, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	if (verb)
		run_method(c, verb, args, m->params[3].via.u64);
	else if (kind == REGISTRATION_CHANNEL)
		run_send(c, w, m, args);
	else
		run_invoke(c, w, kind, m, args);
	json_decref(args);
}

static struct plugin_counters *
counters_of(const struct worker *w)
{
	return &((struct plugin *)w->owner)->counters;
}

static void
refuse_deep(
	struct worker *w, const struct message *m, const struct chain *chain)
{
	struct bytes name = codec_bytes(&m->params[1]);
	char *calls = chain_text(chain);
	char *text = memory_format("calls are nested more than %d deep: %s > "
				   "%.*s",
		CHAIN_DEPTH_MAX, calls,
		(int)text_fit(name.at, name.length, CHAIN_LINK_BYTES), name.at);

	counters_of(w)->calls_too_deep++;
	worker_refuse_call(w, m->id, WIRE_CONFLICT, text);
	free(text);
	free(calls);
}

/* Reads in the name of which request the call is made. False: refused. */
static bool
inherit(struct worker *w, const struct message *m, bool continues,
	struct worker_chain *out)
{
	uint64_t request = m->param_count > 4 ? m->params[4].via.u64 : 0;

	*out = (struct worker_chain){0};
	if (request && !worker_chain(w, request, out))
		counters_of(w)->calls_stray++;
	if (continues && chain_is_full(out->chain)) {
		refuse_deep(w, m, out->chain);
		return false;
	}
	if (out->due_ms && out->due_ms <= clock_ms()) {
		worker_refuse_call(w, m->id, WIRE_TIMEOUT,
			"the deadline of the request that it is made for has "
			"passed");
		return false;
	}
	return true;
}

/* An event that must not be lost silently: {"seq"}, or the error that says why
 * it is not taken. */
static void
take_event(struct gateway *g, struct worker *w, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[1]);
	enum wire_error code = WIRE_BAD_MESSAGE;
	struct error err;
	json_t *data = NULL, *result;
	struct worker_chain chain;
	uint64_t seq;
	char *text;

	if (!inherit(w, m, true, &chain))
		return;
	text = memory_copy_bytes(name.at, name.length);
	if (strlen(text) != name.length)
		error_set(&err, "the name of an event has no NUL");
	else if (value_is_longer(&m->params[2], JOURNAL_DATA_MAX))
		error_set(&err, "the data of an event is larger than %d KiB",
			JOURNAL_DATA_MAX / 1024);
	else if ((data = read_args(&m->params[2], &err)) &&
		 events_take(g->events, w->owner, text, data, chain.chain, &seq,
			 &code, &err) == 0)
		err.text[0] = '\0';
	if (err.text[0]) {
		worker_refuse_call(w, m->id, code, err.text);
	} else {
		result = json_pack("{s:I}", "seq", (json_int_t)seq);
		worker_answer_call(w, m->id, result);
		json_decref(result);
	}
	json_decref(data);
	free(text);
}

void
commands_worker_call(
	struct gateway *g, struct worker *w, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[1]);
	bool sends = bytes_equal(codec_bytes(&m->params[0]), BYTES("channel"));
	int kind = sends ? REGISTRATION_CHANNEL
			 : invoke_kind(codec_bytes(&m->params[0]));
	const char *verb = kind == REGISTRATION_METHOD
				   ? command_by_method(name.at, name.length)
				   : NULL;
	struct worker_chain chain;
	struct worker_call *c;

	if (bytes_equal(codec_bytes(&m->params[0]), BYTES("event"))) {
		take_event(g, w, m);
		return;
	}
	if (kind < 0) {
		worker_refuse_call(w, m->id, WIRE_NOT_FOUND,
			"kind must be tool, command, method, event or "
			"channel");
		return;
	}
	if (w->calls >= WORKER_CALLS_MAX ||
		w->call_bytes >= WORKER_CALL_BYTES_MAX) {
		worker_refuse_call(
			w, m->id, WIRE_BUSY, "too many calls at a time");
		counters_of(w)->calls_refused++;
		return;
	}
	if (!inherit(w, m, !verb, &chain))
		return;
	w->calls++;
	c = memory_alloc(sizeof(*c));
	c->gateway = g;
	c->plugin = w->plugin;
	c->worker = w->id;
	c->wire_id = m->id;
	c->chain = chain;
	wheel_timer_init(&c->late, method_late);
	run(c, w, kind, m, verb);
}
