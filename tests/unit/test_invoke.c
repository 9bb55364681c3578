/* Calls of tools, commands and methods: what is packed for the worker, how the
 * answer comes back, and workers as callers. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/value.h"
#include "supervisor/control/commands.h"
#include "tests/unit/gateway_place.h"

static char say[] = "say", greet[] = "greet", bot[] = "bot";
static struct registration items[] = {
	{.kind = REGISTRATION_TOOL, .name = say, .idempotent = 1},
	{.kind = REGISTRATION_COMMAND, .name = greet, .idempotent = -1},
};
static struct worker worker;
static struct codec *codec;
static struct buffer bytes;
static unsigned done;
static enum outcome outcome;
static json_t *result;

static void
on_done(struct command_call *call, enum outcome how, json_t *what)
{
	done++;
	outcome = how;
	json_decref(result);
	result = json_incref(what);
}

static struct command_call call;

static void
open_place(void)
{
	struct registration_set set = {items, 2};
	struct plugin *p;
	struct route_edit *edit;
	struct error err;

	place_open("plugins:\n  bot: {namespace: bot}\n", NULL);
	p = place_plugin("bot");
	edit = route_edit_prepare(place.gateway.routes, p->number, &set, "",
		"bot", NULL, NULL, &err);
	cr_assert(edit, "%s", err.text);
	route_edit_commit(edit, 7);
	worker = (struct worker){.id = 7, .owner = p, .plugin_id = bot};
	list_init(&worker.in_flight);
	p->active = &worker;
	codec = codec_create();
	call = (struct command_call){.gateway = &place.gateway,
		.role = ROLE_ADMIN,
		.door = "test",
		.on_done = on_done};
}

static void
close_place(void)
{
	place_plugin("bot")->active = NULL;
	json_decref(result);
	codec_destroy(codec);
	buffer_finish(&bytes);
	place_close();
}

TestSuite(invoke, .init = open_place, .fini = close_place);

static void
run(const char *args_text)
{
	json_t *args = json_loads(args_text, 0, NULL);

	command_run(&call, "call", args);
	json_decref(args);
}

/* What the worker would read. */
static struct message
encoded(void)
{
	struct message m;
	struct error err;
	msgpack_packer p;
	size_t offset = 0;

	cr_assert(place.request);
	buffer_clear(&bytes);
	codec_packer(&p, &bytes);
	place.request->ops->encode(place.request, &p, 5);
	cr_assert_eq(codec_decode(codec, buffer_bytes(&bytes),
			     buffer_length(&bytes), &offset, &m, &err),
		1, "%s", err.text);
	return m;
}

/* Answers the request as the worker would: [1, 5, error, result]. */
static void
answer(const char *text, bool is_error)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
	struct request *r = place.request;
	struct message m;
	struct error err;
	msgpack_packer p;
	size_t offset = 0;

	buffer_clear(&bytes);
	codec_packer(&p, &bytes);
	if (is_error)
		codec_error(&p, 5, WIRE_FAILED, text);
	else
		codec_result(&p, 5);
	if (!is_error)
		value_pack(&p, value);
	json_decref(value);
	cr_assert_eq(codec_decode(codec, buffer_bytes(&bytes),
			     buffer_length(&bytes), &offset, &m, &err),
		1);
	r->id = 0;
	cr_expect_not(r->ops->answer(r, &m));
}

Test(invoke, a_tool_hears_its_own_name_and_who_calls)
{
	struct message m;
	json_t *args;

	run("{\"kind\":\"tool\",\"name\":\"bot.say\",\"args\":{\"x\":[1]}}");
	m = encoded();
	cr_expect_eq(m.name, MESSAGE_TOOL);
	cr_expect(bytes_equal(codec_bytes(&m.params[0]), BYTES("say")));
	args = value_from(&m.params[1], NULL);
	cr_expect_eq(json_array_size(json_object_get(args, "x")), 1);
	json_decref(args);
	cr_expect_eq(m.params[2].via.u64, 1234);
	cr_expect(bytes_equal(
		codec_bytes(codec_field(&m.params[3], "door")), BYTES("test")));
	cr_expect(place.request->replayable);
	answer("{\"said\":true}", false);
	cr_expect_eq(outcome, OUTCOME_DONE);
	cr_expect(json_is_true(
		json_object_get(json_object_get(result, "result"), "said")));
}

Test(invoke, a_command_gets_one_text)
{
	struct message m;

	run("{\"kind\":\"command\",\"name\":\"bot.greet\",\"args\":\"you\"}");
	m = encoded();
	cr_expect_eq(m.name, MESSAGE_COMMAND);
	cr_expect(bytes_equal(codec_bytes(&m.params[1]), BYTES("you")));
	cr_expect_not(place.request->replayable);
	answer("\"hello you\"", false);
	cr_expect_str_eq(json_string_value(json_object_get(result, "result")),
		"hello you");
}

Test(invoke, failures_say_why)
{
	run("{\"kind\":\"tool\",\"name\":\"bot.say\"}");
	answer("it broke", true);
	cr_expect_eq(outcome, OUTCOME_FAILED);
	cr_expect_str_eq(json_string_value(json_object_get(result, "error")),
		"it broke");
	run("{\"kind\":\"tool\",\"name\":\"bot.say\"}");
	place.request->id = 0;
	place.request->ops->fail(place.request, REQUEST_LATE, NULL);
	cr_expect_eq(outcome, OUTCOME_FAILED);
	cr_expect_str_eq(
		json_string_value(json_object_get(result, "code")), "timeout");
	run("{\"kind\":\"tool\",\"name\":\"say\"}");
	cr_expect_eq(outcome, OUTCOME_NOT_FOUND);
	cr_expect_eq(done, 3);
}

Test(invoke, a_caller_that_leaves_cancels)
{
	run("{\"kind\":\"tool\",\"name\":\"bot.say\"}");
	command_abandon(&call);
	cr_expect_eq(place.cancelled, 1);
	cr_expect_eq(done, 0);
}

Test(invoke, supds_own_methods_are_answered_by_supd)
{
	run("{\"kind\":\"method\",\"name\":\"plugins.list\",\"args\":{}}");
	cr_expect_eq(outcome, OUTCOME_DONE);
	cr_expect(json_object_get(result, "plugins"));
	cr_expect_null(place.request);
}

/* ---- a worker as caller ---- */

static void
worker_calls(const char *kind, const char *name, const char *args)
{
	json_t *value = json_loads(args, JSON_DECODE_ANY, NULL);
	struct buffer b = {0};
	struct codec *c = codec_create();
	struct message m;
	struct error err;
	msgpack_packer p;
	size_t offset = 0;

	codec_packer(&p, &b);
	codec_request(&p, 9, MESSAGE_CALL, 4);
	codec_text(&p, kind);
	codec_text(&p, name);
	value_pack(&p, value);
	msgpack_pack_uint32(&p, 0);
	cr_assert_eq(codec_decode(c, buffer_bytes(&b), buffer_length(&b),
			     &offset, &m, &err),
		1, "%s", err.text);
	commands_worker_call(&place.gateway, &worker, &m);
	json_decref(value);
	codec_destroy(c);
	buffer_finish(&b);
}

Test(invoke, a_worker_calls_a_tool_of_another)
{
	struct message m;

	worker_calls("tool", "bot.say", "[1,2]");
	cr_expect_eq(worker.calls, 1);
	m = encoded();
	cr_expect(bytes_equal(codec_bytes(codec_field(&m.params[3], "plugin")),
		BYTES("bot")));
	answer("[3]", false);
	cr_expect_eq(place.answers, 1);
	cr_expect_eq(json_array_size(place.answer), 1);
	cr_expect_eq(worker.calls, 0);
}

Test(invoke, a_worker_that_is_gone_hears_nothing)
{
	worker_calls("tool", "bot.say", "null");
	place_plugin("bot")->active = NULL;
	answer("[3]", false);
	cr_expect_eq(place.answers + place.refusals, 0);
}

Test(invoke, a_worker_asks_for_its_own_reload)
{
	worker_calls("method", "plugins.reload", "{\"pluginId\":\"bot\"}");
	cr_assert_eq(place.begun_count, 1);
	cr_expect_str_eq(place.begun[0].options.trigger, "plugin");
	place_verdict(0, "rolled_back");
	cr_expect_eq(place.answers, 1); /* the receipt says how it went */
	cr_expect_str_eq(
		json_string_value(json_object_get(place.answer, "state")),
		"rolled_back");
}

Test(invoke, a_worker_is_refused_what_is_not_there)
{
	worker_calls("http", "GET /", "null");
	cr_expect_eq(place.refusal, WIRE_NOT_FOUND);
	worker_calls("tool", "nosuch", "null");
	cr_expect_eq(place.refusal, WIRE_NOT_FOUND);
	worker_calls("method", "plugins.reload", "{\"pluginId\":\"nosuch\"}");
	cr_expect_eq(place.refusal, WIRE_NOT_FOUND);
	worker_calls("method", "plugins.reload", "{\"frob\":1}");
	cr_expect_eq(place.refusal, WIRE_BAD_MESSAGE);
	cr_expect_eq(worker.calls, 0);
	worker.calls = 1024;
	worker_calls("tool", "bot.say", "null");
	cr_expect_eq(place.refusal, WIRE_BUSY);
}
