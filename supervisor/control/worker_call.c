/* worker_call: what a worker asks of the gateway with `call`: supd's methods
 * as operator, or another plugin's tool, command or method. The worker is kept
 * by number: if it is gone when the answer comes, nobody hears it. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/invoke.h"

#define WORKER_CALLS_MAX 1024 /* of one worker at a time */

struct worker_call {
	struct gateway *gateway;
	uint32_t plugin, worker, wire_id;
	struct command_call call; /* one of supd's own methods, or */
	struct invoke invoke;	  /* a plugin's */
};

static void
worker_call_answer(struct worker_call *c, const json_t *value,
	enum wire_error code, const char *text)
{
	struct plugin *p = gateway_plugin_by_number(c->gateway, c->plugin);
	struct worker *w = p ? plugin_worker(p, c->worker) : NULL;

	if (w) {
		w->calls--;
		if (value)
			worker_answer_call(w, c->wire_id, value);
		else
			worker_refuse_call(w, c->wire_id, code, text);
	}
	free(c);
}

static void
invoke_done(struct invoke *v, const struct invoke_end *end)
{
	struct worker_call *c = container_of(v, struct worker_call, invoke);

	/* The texts of the end may lie in the invoke: it goes after them. */
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
			 outcome == OUTCOME_ACCEPTED ||
			 json_object_get(result, "pluginId") || /* a receipt */
			 json_object_get(result, "results");

	worker_call_answer(c, is_answer ? result : NULL, codes[outcome],
		text ? text : "failed");
}

static void
run_method(struct worker_call *c, const char *verb, const msgpack_object *args)
{
	struct error err = {{0}};
	json_t *value = args->type == MSGPACK_OBJECT_NIL
				? NULL
				: value_from(args, &err);

	if (!value && args->type != MSGPACK_OBJECT_NIL) {
		worker_call_answer(c, NULL, WIRE_BAD_MESSAGE, err.text);
		return;
	}
	c->call = (struct command_call){.gateway = c->gateway,
		.role = ROLE_OPERATOR,
		.door = "plugin",
		.worker = c->worker,
		.on_done = command_done};
	command_run(&c->call, verb, value);
	json_decref(value);
}

static void
run_invoke(struct worker_call *c, const struct worker *w, int kind,
	const struct message *m)
{
	msgpack_packer p;

	invoke_init(&c->invoke, c->gateway, invoke_done);
	c->invoke.request.caller = w->id;
	invoke_pack_caller(&c->invoke, "plugin", w->plugin_id);
	codec_packer(&p, &c->invoke.args);
	if (kind == REGISTRATION_COMMAND &&
		m->params[2].type != MSGPACK_OBJECT_STR)
		codec_text(&p, "");
	else
		msgpack_pack_object(&p, m->params[2]);
	invoke_begin(&c->invoke, (enum registration_kind)kind,
		codec_bytes(&m->params[1]), m->params[3].via.u64);
}

void
commands_worker_call(
	struct gateway *g, struct worker *w, const struct message *m)
{
	struct bytes name = codec_bytes(&m->params[1]);
	int kind = invoke_kind(codec_bytes(&m->params[0]));
	const char *verb = kind == REGISTRATION_METHOD
				   ? command_by_method(name.at, name.length)
				   : NULL;
	struct worker_call *c;

	if (kind < 0) {
		worker_refuse_call(w, m->id, WIRE_NOT_FOUND,
			"what can be called is a tool, command or method");
		return;
	}
	if (w->calls >= WORKER_CALLS_MAX) {
		worker_refuse_call(
			w, m->id, WIRE_BUSY, "too many calls at a time");
		return;
	}
	w->calls++;
	c = memory_alloc(sizeof(*c));
	c->gateway = g;
	c->plugin = w->plugin;
	c->worker = w->id;
	c->wire_id = m->id;
	if (verb)
		run_method(c, verb, &m->params[2]);
	else
		run_invoke(c, w, kind, m);
}
