/* Calls of tools, commands and methods: what is packed for the worker, how the
 * answer comes back, and workers as callers. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/value.h"
#include "supervisor/control/commands.h"
#include "supervisor/gateway/dispatch.h"
#include "tests/unit/fake_gateway.h"

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
	struct registration_set set = {.items = items, .count = 2};
	struct plugin *p;
	struct route_edit *edit;
	struct error err;

	fake_open("plugins:\n  bot: {namespace: bot}\n", NULL);
	p = fake_plugin("bot");
	edit = route_edit_prepare(fake.gateway.routes, p->number, &set, "",
		"bot", NULL, NULL, &err);
	cr_assert(edit, "%s", err.text);
	route_edit_commit(edit, 7);
	worker = (struct worker){.id = 7, .owner = p, .plugin_id = bot};
	list_init(&worker.in_flight);
	p->active = &worker;
	codec = codec_create();
	call = (struct command_call){.gateway = &fake.gateway,
		.role = ROLE_ADMIN,
		.door = "test",
		.on_done = on_done};
}

static void
close_place(void)
{
	fake_plugin("bot")->active = NULL;
	json_decref(result);
	codec_destroy(codec);
	buffer_finish(&bytes);
	fake_close();
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

	cr_assert(fake.request);
	buffer_clear(&bytes);
	codec_packer(&p, &bytes);
	fake.request->ops->encode(fake.request, &p, 5);
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
	struct request *r = fake.request;
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
	cr_expect(fake.request->replayable);
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
	cr_expect_not(fake.request->replayable);
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
	fake.request->id = 0;
	fake.request->ops->fail(fake.request, REQUEST_LATE, NULL);
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
	cr_expect_eq(fake.cancelled, 1);
	cr_expect_eq(done, 0);
}

Test(invoke, supds_own_methods_are_answered_by_supd)
{
	run("{\"kind\":\"method\",\"name\":\"plugins.list\",\"args\":{}}");
	cr_expect_eq(outcome, OUTCOME_DONE);
	cr_expect(json_object_get(result, "plugins"));
	cr_expect_null(fake.request);
}

/* ---- a worker as caller ---- */

static struct json_schema *
schema_of(const char *text)
{
	json_t *from = text ? json_loads(text, 0, NULL) : NULL;
	struct error err = {.text = ""};
	struct json_schema *s = from ? json_schema_compile(from, &err) : NULL;

	cr_assert_eq(!s, !text, "%s", err.text);
	json_decref(from);
	return s;
}

/* The route table's copy of bot.say. */
static const struct registration *
declared_tool(void)
{
	struct route_match match;

	cr_assert_eq(dispatch_find_name(&fake.gateway, REGISTRATION_TOOL,
			     BYTES("bot.say"), &match),
		ROUTE_FOUND);
	return match.row->declared;
}

static uint32_t timeout_ms; /* of the calls of the worker */

static void
worker_calls_packed(const char *kind, const char *name, struct bytes args)
{
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
	buffer_append(&b, args.at, args.length);
	msgpack_pack_uint32(&p, timeout_ms);
	cr_assert_eq(codec_decode(c, buffer_bytes(&b), buffer_length(&b),
			     &offset, &m, &err),
		1, "%s", err.text);
	commands_worker_call(&fake.gateway, &worker, &m);
	codec_destroy(c);
	buffer_finish(&b);
}

static void
worker_calls(const char *kind, const char *name, const char *args)
{
	json_t *value = json_loads(args, JSON_DECODE_ANY, NULL);
	struct buffer b = {0};
	msgpack_packer p;

	codec_packer(&p, &b);
	value_pack(&p, value);
	worker_calls_packed(kind, name,
		(struct bytes){
			(const char *)buffer_bytes(&b), buffer_length(&b)});
	json_decref(value);
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
	cr_expect_eq(fake.answers, 1);
	cr_expect_eq(json_array_size(fake.answer), 1);
	cr_expect_eq(worker.calls, 0);
}

Test(invoke, no_arguments_are_an_empty_object_unless_the_schema_differs)
{
	static const struct {
		const char *schema; /* NULL: none */
		enum { EMPTY, NIL, REFUSED } gets;
	} rows[] = {
		{NULL, EMPTY},
		{"{}", EMPTY},
		{"{\"type\": \"object\"}", EMPTY},
		{"{\"type\": [\"object\", \"null\"]}", NIL},
		{"{\"enum\": [null, 1]}", NIL},
		{"{\"type\": \"string\"}", REFUSED},
	};
	const struct registration *say_tool = declared_tool();

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct json_schema *s = schema_of(rows[i].schema);
		struct registration *r =
			(struct registration *)(uintptr_t)say_tool;
		struct message m;

		r->call.schema = s;
		fake.request = NULL;
		worker_calls("tool", "bot.say", "null");
		cr_expect_eq(!fake.request, rows[i].gets == REFUSED, "%zu", i);
		if (fake.request) {
			m = encoded();
			cr_expect_eq(m.params[1].type,
				rows[i].gets == NIL ? MSGPACK_OBJECT_NIL
						    : MSGPACK_OBJECT_MAP,
				"%zu", i);
			answer("1", false);
		}
		r->call.schema = NULL;
		json_schema_unref(s);
	}
	cr_expect_eq(fake.refusal, WIRE_BAD_MESSAGE);
}

/* `depth` arrays in each other. */
static void
worker_calls_nested(unsigned depth)
{
	char text[64] = "";

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	worker_calls("tool", "bot.say", text);
}

Test(invoke, arguments_of_a_worker_have_as_many_levels_as_those_of_others)
{
	worker_calls_nested(24);
	cr_assert(fake.request);
	answer("1", false);
	fake.request = NULL;
	worker_calls_nested(25);
	cr_expect_null(fake.request);
	cr_expect_eq(fake.refusal, WIRE_BAD_MESSAGE);
	cr_expect_eq(worker.calls, 0);
}

Test(invoke, bin_in_the_arguments_of_a_worker_is_refused)
{
	static const struct bytes rows[] = {
		BYTES_INIT("\xc4\x01x"),
		BYTES_INIT("\x81\xa1k\x92\x01\xc4\x01x"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		fake.refusal = 0;
		worker_calls_packed("tool", "bot.say", rows[i]);
		cr_expect_null(fake.request);
		cr_expect_eq(fake.refusal, WIRE_BAD_MESSAGE);
		cr_expect_eq(worker.calls, 0);
	}
	worker_calls_packed("tool", "bot.say", BYTES("\x81\xa1k\xa1x"));
	cr_expect(fake.request);
}

Test(invoke, a_worker_that_is_gone_hears_nothing)
{
	worker_calls("tool", "bot.say", "null");
	fake_plugin("bot")->active = NULL;
	answer("[3]", false);
	cr_expect_eq(fake.answers + fake.refusals, 0);
}

Test(invoke, a_worker_asks_for_its_own_reload)
{
	worker_calls("method", "plugins.reload", "{\"pluginId\":\"bot\"}");
	cr_assert_eq(fake.begun_count, 1);
	cr_expect_str_eq(fake.begun[0].options.trigger, "plugin");
	fake_verdict(0, RECEIPT_ROLLED_BACK);
	cr_expect_eq(fake.answers, 1); /* the receipt says how it went */
	cr_expect_str_eq(
		json_string_value(json_object_get(fake.answer, "state")),
		"rolled_back");
}

Test(invoke, a_method_of_supd_is_late_for_a_worker_and_goes_on)
{
	timeout_ms = 1000;
	worker_calls("method", "plugins.list", "null");
	cr_expect_eq(fake.answers, 1);
	worker_calls("method", "plugins.reload", "{\"pluginId\":\"bot\"}");
	cr_assert_eq(fake.begun_count, 1);
	wheel_turn(&fake.gateway.wheel, clock_ms() + 500);
	cr_expect_eq(fake.refusals, 0);
	wheel_turn(&fake.gateway.wheel, clock_ms() + 1500);
	cr_expect_eq(fake.refusals, 1);
	cr_expect_eq(fake.refusal, WIRE_TIMEOUT);
	cr_expect_eq(worker.calls, 0);
	fake_verdict(0, RECEIPT_DONE);
	cr_expect_eq(fake.answers, 1);
	timeout_ms = 0;
}

Test(invoke, a_worker_is_refused_what_is_not_there)
{
	worker_calls("http", "GET /", "null");
	cr_expect_eq(fake.refusal, WIRE_NOT_FOUND);
	worker_calls("tool", "nosuch", "null");
	cr_expect_eq(fake.refusal, WIRE_NOT_FOUND);
	worker_calls("method", "plugins.reload", "{\"pluginId\":\"nosuch\"}");
	cr_expect_eq(fake.refusal, WIRE_NOT_FOUND);
	worker_calls("method", "plugins.reload", "{\"frob\":1}");
	cr_expect_eq(fake.refusal, WIRE_BAD_MESSAGE);
	cr_expect_eq(worker.calls, 0);
	worker.calls = 1024;
	worker_calls("tool", "bot.say", "null");
	cr_expect_eq(fake.refusal, WIRE_BUSY);
}

Test(invoke, the_bytes_kept_of_a_workers_calls_are_bounded)
{
	worker_calls("tool", "bot.say", "\"0123456789\"");
	cr_expect_eq(worker.call_bytes, 11);
	answer("[3]", false);
	cr_expect_eq(worker.call_bytes, 0);
	worker.call_bytes = 8 * 1024 * 1024;
	worker_calls("tool", "bot.say", "null");
	cr_expect_eq(fake.refusal, WIRE_BUSY);
}
