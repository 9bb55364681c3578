/* worker_call: what a worker asks of the gateway with `call`: supd's methods
 * as operator, or another plugin's tool, command or method. Calls hang on their
 * worker and end with it; what they began in the gateway goes on. */
#include <stdlib.h>

#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/invoke.h"

#define WORKER_CALLS_MAX 1024 /* of one worker at a time */

struct worker_call {
	struct list node; /* of the worker's calls */
	struct worker *worker;
	uint32_t wire_id;
	bool is_own;		  /* one of supd's own methods */
	struct command_call call; /* if so, */
	struct invoke invoke;	  /* else this */
};

static struct gateway *
gateway_of(const struct worker *w)
{
	return ((struct plugin *)w->owner)->gateway;
}

static void
worker_call_destroy(struct worker_call *c)
{
	c->worker->call_count--;
	list_remove(&c->node);
	free(c);
}

static void
worker_call_answer(struct worker_call *c, const json_t *value,
	enum wire_error code, const char *text)
{
	if (value)
		worker_answer_call(c->worker, c->wire_id, value);
	else
		worker_refuse_call(c->worker, c->wire_id, code, text);
	worker_call_destroy(c);
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
	c->is_own = true;
	c->call = (struct command_call){.gateway = gateway_of(c->worker),
		.role = ROLE_OPERATOR,
		.door = "plugin",
		.on_done = command_done};
	command_run(&c->call, verb, value);
	json_decref(value);
}

static void
run_invoke(struct worker_call *c, int kind, const struct message *m)
{
	msgpack_packer p;

	invoke_init(&c->invoke, gateway_of(c->worker), invoke_done);
	invoke_pack_caller(&c->invoke, "plugin", c->worker->plugin_id);
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
commands_worker_call(struct worker *w, const struct message *m, void *user)
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
	if (w->call_count >= WORKER_CALLS_MAX) {
		worker_refuse_call(
			w, m->id, WIRE_BUSY, "too many calls at a time");
		return;
	}
	c = memory_alloc(sizeof(*c));
	c->worker = w;
	c->wire_id = m->id;
	if (!w->calls.next)
		list_init(&w->calls);
	list_append(&w->calls, &c->node);
	w->call_count++;
	if (verb)
		run_method(c, verb, &m->params[2]);
	else
		run_invoke(c, kind, m);
}

void
commands_worker_gone(struct worker *w, void *user)
{
	while (w->call_count) {
		struct worker_call *c =
			container_of(w->calls.next, struct worker_call, node);

		if (c->is_own)
			command_abandon(&c->call);
		else
			invoke_finish(&c->invoke);
		worker_call_destroy(c);
	}
}
