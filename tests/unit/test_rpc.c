/* rpc: sessions at /ws over a socket pair, with commands that answer when the
 * test says so: who gets in, JSON-RPC, limits, events. */
#include <criterion/criterion.h>

#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/event/event.h"
#include "supervisor/http/rpc_session.h"
#include "supervisor/ops/journal.h"
#include "tests/unit/frames.h"
#include "tests/unit/http_door.h"

#define ASK                                                                    \
	"GET /ws HTTP/1.1\r\nHost: gate.example\r\nUpgrade: websocket\r\n"     \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                 \
	"Sec-WebSocket-Key: " FRAMES_KEY "\r\n"
#define BEARER "Authorization: Bearer secret\r\n"

static int client;
static struct buffer input;

static void
open_door(void)
{
	input = (struct buffer){0};
	door_open();
	client = door_client();
}

static void
shut_door(void)
{
	if (client >= 0)
		close(client);
	door_close();
	buffer_finish(&input);
}

TestSuite(rpc, .init = open_door, .fini = shut_door, .timeout = 30);

/* ---- the client ---- */

static bool
receive(void)
{
	ssize_t n;

	do {
		n = recv(client, buffer_reserve(&input, 65536), 65536, 0);
		if (n > 0)
			buffer_commit(&input, (size_t)n);
		door_turn();
	} while (n > 0);
	return n == 0;
}

/* Sends the request for a session with these fields and returns the status; the
 * rest of a 101 stays in the input. */
static int
ask(const char *fields)
{
	char *text = memory_format("%s%s\r\n", ASK, fields);
	uint8_t *end;
	int status;

	door_send(client, text);
	free(text);
	door_turn();
	receive();
	buffer_append_byte(&input, '\0');
	input.end--;
	if (buffer_length(&input) < 12)
		return 0;
	status = atoi((char *)buffer_bytes(&input) + 9);
	end = memmem(
		buffer_bytes(&input), buffer_length(&input), "\r\n\r\n", 4);
	if (status == 101)
		buffer_consume(
			&input, (size_t)(end + 4 - buffer_bytes(&input)));
	return status;
}

static void
join(void)
{
	cr_assert_eq(ask(BEARER), 101);
}

static void
say(const char *text)
{
	struct buffer out = {0}, notation = {0};

	buffer_append_text(&notation, "81:");
	for (const char *at = text; *at; at++)
		buffer_format(&notation,
			*at == ' ' || *at == '%' ? "%%%02x" : "%c", *at);
	buffer_append_byte(&notation, '\0');
	frames_write(&out, (char *)buffer_bytes(&notation));
	door_send_bytes(client, buffer_bytes(&out), buffer_length(&out));
	buffer_finish(&notation);
	buffer_finish(&out);
	door_turn();
}

/* What has come, described, and " EOF"; valid until the next call. */
static const char *
hear(void)
{
	static struct buffer text;
	bool ended = receive();

	buffer_clear(&text);
	frames_describe(&text, &input);
	if (ended)
		buffer_append_text(&text, " EOF");
	buffer_append_byte(&text, '\0');
	return (char *)buffer_bytes(&text);
}

static void
expect(const char *said, const char *wanted)
{
	const char *heard;

	if (said)
		say(said);
	heard = hear();
	cr_expect_str_eq(heard, wanted, "said   %s\nheard  %s\nwanted %s",
		said ? said : "nothing", heard, wanted);
}

#define CALL(method, more)                                                     \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\"" more "}"
#define ANSWER(result) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" result "}"
#define ERROR(id, error)                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":" error "}"
/* ---- who gets in ---- */

Test(rpc, three_ways_to_show_a_token)
{
	join();
	expect(CALL("ping", ""), "T(" ANSWER("\"pong\"") ")");
	close(client);
	buffer_clear(&input);

	client = door_client();
	door_send(client, ASK "Sec-WebSocket-Protocol: supd.v1, "
			      "bearer.secret\r\n\r\n");
	door_turn();
	receive();
	cr_assert(memmem(buffer_bytes(&input), buffer_length(&input),
		"\r\nSec-WebSocket-Protocol: supd.v1\r\n", 35));
	close(client);
	buffer_clear(&input);

	client = door_client();
	cr_assert_eq(ask(""), 101);
	expect(CALL("session.open", ",\"params\":{\"token\":\"secret\"}"),
		"T(" ANSWER("{\"role\":\"operator\"}") ")");
	expect(CALL("ping", ""), "T(" ANSWER("\"pong\"") ")");
	door_pass_ms(RPC_OPEN_MS);
	expect(CALL("ping", ""), "T(" ANSWER("\"pong\"") ")");
	expect(CALL("session.open", ",\"params\":{\"token\":\"secret\"}"),
		"T(" ERROR("1", "{\"code\":-32600,\"message\":\"the session "
				"is open already\"}") ")");
}

Test(rpc, requests_that_are_refused)
{
	static const struct {
		const char *fields;
		int status;
	} cases[] = {
		{"Authorization: Bearer wrong\r\n", 401},
		{"Authorization: Basic secret\r\n", 401},
		{"Sec-WebSocket-Protocol: supd.v1, bearer.wrong\r\n", 401},
		{BEARER "Sec-WebSocket-Protocol: supd.v1, bearer.secret\r\n",
			400},
		{"Sec-WebSocket-Protocol: supd.v1, bearer.secret, "
		 "bearer.other\r\n",
			400},
		{BEARER "Sec-WebSocket-Protocol: supd.v1\r\n", 101},
		{BEARER "Origin: https://gate.example\r\n", 101},
		{BEARER "Origin: http://GATE.example\r\n", 101},
		{BEARER "Origin: https://dash.example:8443\r\n", 101},
		{BEARER "Origin: https://dash.example\r\n", 403},
		{BEARER "Origin: https://gate.example.evil\r\n", 403},
		{BEARER "Origin: https://evil/gate.example\r\n", 403},
		{BEARER "Origin: null\r\n", 403},
		{BEARER "Origin: gate.example\r\n", 403},
		{BEARER "Origin: \r\n", 403},
	};
	static char listed[] = "https://dash.example:8443";
	char *origins = listed;

	door.config.admin.origins = (struct text_list){&origins, 1};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status;

		client = door_client();
		status = ask(cases[i].fields);
		cr_expect_eq(status, cases[i].status, "%s: %d", cases[i].fields,
			status);
		close(client);
		door_turn();
		buffer_clear(&input);
	}
	client = door_client();
	door.config.admin.http = false;
	cr_expect_eq(ask(BEARER), 404);
	close(client);
	client = door_client();
	buffer_clear(&input);
	door.config.admin.http = true;
	door_send(client, "GET /ws HTTP/1.1\r\nHost: x\r\n\r\n");
	door_turn();
	receive();
	cr_expect(!memcmp(buffer_bytes(&input), "HTTP/1.1 426 ", 13));
}

Test(rpc, without_a_token_nothing_is_done)
{
	static const char *const first[] = {
		CALL("plugins.reload", ",\"params\":{\"id\":\"a\"}"),
		CALL("session.open", ",\"params\":{\"token\":\"wrong\"}"),
		CALL("session.open", ",\"params\":{\"token\":7}"),
		CALL("session.open", ""),
		CALL("events.subscribe", ",\"params\":{\"patterns\":[\"*\"]}"),
		"[" CALL("plugins.list", "") "," CALL("plugins.stop", "") "]",
	};

	for (unsigned i = 0; i < 100; i++) {
		const char *text;

		buffer_clear(&input);
		close(client);
		client = door_client();
		cr_assert_eq(ask(""), 101);
		say(first[i % (sizeof(first) / sizeof(*first))]);
		say(CALL("plugins.stop", ",\"params\":{\"id\":\"a\"}"));
		text = hear();
		cr_expect(strstr(text, "close(1008 permission denied)"), "%s",
			text);
	}
	cr_expect_eq(door.commands, 0);
}

Test(rpc, a_token_must_come_in_time)
{
	cr_assert_eq(ask(""), 101);
	door_pass_ms(RPC_OPEN_MS);
	expect(NULL, "close(1008 no session.open came in time)");
}

Test(rpc, before_its_token_a_client_may_send_little)
{
	char *large = memory_alloc(RPC_FIRST_MESSAGE_MAX + 2);

	memset(large, ' ', RPC_FIRST_MESSAGE_MAX + 1);
	cr_assert_eq(ask(""), 101);
	say(large);
	expect(NULL, "close(1009 the message is too large) EOF");
	free(large);
}

/* Who keeps the places must have shown a token. */
Test(rpc, without_a_token_a_session_gives_its_place_to_others)
{
	int nobody, others[2];

	door.config.limits.connections = 6; /* 3 of one address */
	nobody = client;
	cr_assert_eq(ask(""), 101);
	client = others[0] = door_client();
	buffer_clear(&input);
	join();
	client = others[1] = door_client();
	buffer_clear(&input);
	cr_assert_eq(ask(""), 101);
	say(CALL("session.open", ",\"params\":{\"token\":\"secret\"}"));
	client = door_client();
	buffer_clear(&input);
	cr_expect_eq(ask("Authorization: Bearer wrong\r\n"), 401);
	cr_expect_eq(door.gateway.edge.sessions, 2);
	cr_expect_eq(door.gateway.edge.evicted, 1);
	close(nobody);
	close(others[0]);
	close(others[1]);
}

Test(rpc, a_token_that_is_taken_away_ends_the_session)
{
	join();
	door.config.admin.tokens.count = 0;
	http_server_configure(door.server, &door.config);
	door_turn();
	expect(NULL, "close(1008 the token is no longer valid)");
}

Test(rpc, the_role_is_read_at_each_call)
{
	join();
	say(CALL("plugins.list", ""));
	cr_expect_eq(door.role, ROLE_OPERATOR);
	door.config.admin.tokens.items[0].role = ROLE_VIEWER;
	say(CALL("plugins.list", ""));
	cr_expect_eq(door.role, ROLE_VIEWER);
	door.config.admin.tokens.items[0].role = ROLE_OPERATOR;
	door.config.admin.tokens.count = 0;
	hear();
	say(CALL("plugins.list", ""));
	cr_expect(strstr(hear(), "close(1008"));
	cr_expect_eq(door.commands, 2);
	door.config.admin.tokens.count = 1;
}

/* ---- JSON-RPC ---- */

Test(rpc, the_forms_of_json_rpc)
{
	static const struct {
		const char *say, *hear;
	} cases[] = {
		{"{", "T(" ERROR("null",
			      "{\"code\":-32700,\"message\":\"line "
			      "1, column 1: string or '}' expected near end "
			      "of file\"}") ")"},
		{"", "T(" ERROR("null", "{\"code\":-32700,\"message\":\"the "
					"message is empty\"}") ")"},
		{"7", "T(" ERROR("null", "{\"code\":-32600,\"message\":\"a "
					 "request must be an object\"}") ")"},
		{"[]", "T(" ERROR("null", "{\"code\":-32600,\"message\":\"the "
					  "batch is empty\"}") ")"},
		{"{\"id\":1,\"method\":\"ping\"}", NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"ping\"}", NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", NULL},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\","
		 "\"params\":7}",
			NULL},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}", ""},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"unknown\"}", ""},
		{"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
			"T({\"jsonrpc\":\"2.0\",\"id\":null,\"result\":"
			"\"pong\"})"},
		{"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}",
			"T({\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":"
			"\"pong\"})"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
			"T({\"jsonrpc\":\"2.0\",\"id\":1.5,\"result\":"
			"\"pong\"})"},
		{CALL("unknown", ""),
			"T(" ERROR("1",
				"{\"code\":-32601,"
				"\"message\":\"no method 'unknown'\"}") ")"},
		{"[" CALL("ping", "") ",{\"jsonrpc\":\"2.0\",\"method\":"
				      "\"ping\"}," CALL("ping", "") "]",
			"T([" ANSWER("\"pong\"") "," ANSWER("\"pong\"") "])"},
		{"[{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}]", ""},
		{"[[]]", "T([" ERROR("null",
				 "{\"code\":-32600,\"message\":\"a "
				 "request must be an object\"}") "])"},
	};

	join();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *text;

		say(cases[i].say);
		text = hear();
		if (cases[i].hear && *cases[i].hear == 'T' &&
			strlen(cases[i].hear) > 103)
			cr_expect(!strncmp(text, "T[", 2), "said %s\nheard %s",
				cases[i].say, text);
		else if (cases[i].hear)
			cr_expect_str_eq(text, cases[i].hear,
				"said %s\nheard %s", cases[i].say, text);
		else
			cr_expect_eq(*text, 'T', "said %s\nheard %s",
				cases[i].say, text);
	}
}

/* Every method of the table reaches its verb, with its arguments. */
Test(rpc, methods_are_verbs)
{
	static const struct {
		const char *method, *params, *verb, *args;
	} cases[] = {
		{"plugins.list", "{}", "list", "{}"},
		{"plugins.show", "{\"id\":\"a\"}", "show", "{\"id\":\"a\"}"},
		{"plugins.show", "[\"a\"]", "show", "{\"id\":\"a\"}"},
		{"plugins.can-reload", "[\"a\"]", "can-reload",
			"{\"id\":\"a\"}"},
		{"plugins.scan", "{}", "scan", "{}"},
		{"plugins.start", "{\"id\":\"a\"}", "start", "{\"id\":\"a\"}"},
		{"plugins.stop", "{\"id\":\"a\"}", "stop", "{\"id\":\"a\"}"},
		{"plugins.restart", "[\"a\"]", "restart", "{\"id\":\"a\"}"},
		{"plugins.enable", "[\"a\"]", "enable", "{\"id\":\"a\"}"},
		{"plugins.disable", "[\"a\"]", "disable", "{\"id\":\"a\"}"},
		{"routes.list", "{}", "routes", "{}"},
		{"tools.list", "{}", "routes", "{\"kind\":\"tool\"}"},
		{"tools.call", "{\"name\":\"t\",\"args\":{\"x\":1}}", "call",
			"{\"name\":\"t\",\"args\":{\"x\":1},\"kind\":"
			"\"tool\"}"},
		{"tools.call", "[\"t\",{\"x\":1}]", "call",
			"{\"name\":\"t\",\"args\":{\"x\":1},\"kind\":"
			"\"tool\"}"},
		{"tools.call", "{\"name\":\"t\",\"arguments\":1}", "call",
			"{\"name\":\"t\",\"args\":1,\"kind\":\"tool\"}"},
		{"commands.list", "{}", "routes", "{\"kind\":\"command\"}"},
		{"commands.run", "{\"name\":\"c\",\"text\":\"x\"}", "call",
			"{\"name\":\"c\",\"args\":\"x\",\"kind\":"
			"\"command\"}"},
		{"config.plan", "{}", "plan", "{}"},
		{"config.apply", "{\"atomic\":true}", "apply",
			"{\"atomic\":true}"},
		{"door.method", "{\"x\":1}", "call",
			"{\"kind\":\"method\",\"name\":\"door.method\","
			"\"args\":{\"x\":1}}"},
		{"plugins.reload", "{\"id\":\"a\",\"force\":true}", "reload",
			"{\"force\":true,\"pluginId\":\"a\"}"},
	};

	join();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = memory_format("{\"jsonrpc\":\"2.0\",\"id\":1,"
					   "\"method\":\"%s\",\"params\":%s}",
			cases[i].method, cases[i].params);

		say(text);
		cr_expect_str_eq(door.verb, cases[i].verb, "%s", text);
		cr_expect_str_eq(
			door.args, cases[i].args, "%s: %s", text, door.args);
		free(text);
	}
}

#define PARAMS(method, params) CALL(method, ",\"params\":" params)
#define SUBSCRIBED(params) PARAMS("events.subscribe", params)

Test(rpc, what_is_wrong_is_said)
{
	static const struct {
		const char *say, *part;
	} cases[] = {
		{CALL("ping\\u0000", ""), "'method' must not contain NUL"},
		{SUBSCRIBED("{}"), "'patterns' must be a list of strings"},
		{SUBSCRIBED("{\"patterns\":[]}"),
			"'patterns' must not be empty"},
		{SUBSCRIBED("{\"patterns\":[\"a\",7]}"),
			"patterns[1]: must be a string"},
		{SUBSCRIBED("{\"patterns\":[\"a\",\"b\",\"c\",\"*d\"]}"),
			"patterns[3]: must be a name of words"},
		{SUBSCRIBED("{\"patterns\":[\"a\"],\"sinc\":1}"),
			"unknown argument 'sinc'"},
		{SUBSCRIBED("[[\"a\"],0,0]"),
			"too many arguments, at most 2 are taken"},
		{SUBSCRIBED("[[\"a\"],-1]"),
			"'since' must be the seq of an event"},
		{PARAMS("plugins.show", "[\"a\",\"b\"]"),
			"too many arguments, at most 1 are taken"},
		{PARAMS("tools.call", "[\"a\",{},1,2]"),
			"too many arguments, at most 3 are taken"},
		{PARAMS("events.unsubscribe", "{\"pattern\":[\"a\"]}"),
			"unknown argument 'pattern'"},
		{PARAMS("events.unsubscribe", "{\"patterns\":[7]}"),
			"patterns[0]: must be a string"},
		{PARAMS("plugins.reload", "{\"id\":\"a\",\"pluginId\":\"b\"}"),
			"only one of 'id' and 'pluginId' may be given"},
		{PARAMS("tools.call",
			 "{\"name\":\"a\",\"args\":1,\"arguments\":1}"),
			"only one of 'arguments' and 'args' may be given"},
	};

	join();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		say(cases[i].say);
		receive();
		cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
				  cases[i].part, strlen(cases[i].part)),
			"said %s\nheard %.*s", cases[i].say,
			(int)buffer_length(&input), buffer_bytes(&input));
		buffer_clear(&input);
	}
	cr_expect_eq(door.commands, 0);
	cr_expect_eq(journal_followers(door.gateway.journal), 0);
}

Test(rpc, phases_are_notified_before_the_receipt)
{
	json_t *phase =
		json_pack("{s:s,s:s}", "pluginId", "a", "phase", "staging");
	json_t *other = json_pack("{s:i}", "receipt", 1);
	json_t *receipt = json_pack("{s:s}", "error", "no");
	struct command_call *call;
	const char *text;

	join();
	say(CALL("plugins.reload", ",\"params\":{\"id\":\"a\"}"));
	call = door.pending;
	call->on_progress(call, phase);
	call->on_progress(call, other);
	door_turn();
	text = hear();
	cr_expect_str_eq(text,
		"T({\"jsonrpc\":\"2.0\",\"method\":\"reload.phase\","
		"\"params\":{\"pluginId\":\"a\",\"phase\":\"staging\","
		"\"call\":1}})");
	call->has_receipts = true;
	call->job = NULL;
	call->on_done(call, OUTCOME_FAILED, receipt);
	door_turn();
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"\"error\":{\"code\":-32000,\"message\":\"no\",\"data\":"
		"{\"code\":\"failed\",\"receipt\":{\"error\":\"no\"}}}",
		83));
	json_decref(phase);
	json_decref(other);
	json_decref(receipt);
}

/* ---- limits ---- */

Test(rpc, calls_in_progress_are_bounded)
{
	join();
	door.holds_calls = true;
	for (int i = 0; i < RPC_CALLS_MAX; i++)
		say(CALL("plugins.list", ""));
	expect(NULL, "");
	say(CALL("plugins.list", ""));
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"\"data\":{\"code\":\"busy\"}", 22));
	cr_expect_eq(door.commands, RPC_CALLS_MAX);
	buffer_clear(&input);
	expect(CALL("ping", ""), "T(" ANSWER("\"pong\"") ")");
	close(client);
	client = -1;
	door_turn();
	cr_expect_eq(door.gateway.edge.sessions, 0);
}

Test(rpc, a_batch_is_bounded)
{
	struct buffer text = {0};

	join();
	buffer_append_byte(&text, '[');
	for (int i = 0; i <= RPC_BATCH_MAX; i++)
		buffer_format(
			&text, "%s%s", i ? "," : "", CALL("plugins.list", ""));
	buffer_append(&text, "]", 2);
	expect((char *)buffer_bytes(&text),
		"T(" ERROR("null", "{\"code\":-32600,\"message\":\"a batch has "
				   "at most 64 requests\"}") ")");
	cr_expect_eq(door.commands, 0);
	buffer_finish(&text);
}

Test(rpc, answers_of_a_batch_are_bounded)
{
	char *large = memory_alloc(RPC_BATCH_BYTES + 1);
	json_t *result;

	memset(large, 'x', RPC_BATCH_BYTES);
	result = json_pack("{s:s}", "text", large);
	join();
	door.holds_calls = true;
	say("[" CALL("plugins.list", "") "]");
	door.pending->job = NULL;
	door.pending->on_done(door.pending, OUTCOME_DONE, result);
	door_turn();
	receive();
	cr_expect_lt(buffer_length(&input), 1000);
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"\"too_large\"", 11));
	json_decref(result);
	free(large);
}

Test(rpc, a_message_is_bounded_and_text)
{
	join();
	cr_expect_eq(door.gateway.edge.sessions, 1);
	door_send_bytes(client,
		"\x81\xff\0\0\0\0\0\x10\0\x01"
		"abcd"
		"x",
		15);
	door_turn();
	expect(NULL, "close(1009 the message is too large) EOF");
	close(client);
	client = door_client();
	join();
	door_send_bytes(client,
		"\x82\x81"
		"abcd"
		"x",
		7);
	door_turn();
	expect(NULL, "close(1003 a message must be text)");
}

Test(rpc, values_and_depth_of_a_message_are_bounded)
{
	struct buffer text = {0};

	join();
	buffer_append_byte(&text, '[');
	for (int i = 0; i < 70000; i++)
		buffer_append(&text, "1,", 2);
	buffer_append(&text, "1]", 3);
	say((char *)buffer_bytes(&text));
	cr_expect(!strncmp(hear(), "T[", 2));
	buffer_clear(&text);
	for (int i = 0; i < 100; i++)
		buffer_append_byte(&text, '[');
	for (int i = 0; i < 100; i++)
		buffer_append_byte(&text, ']');
	buffer_append_byte(&text, '\0');
	say((char *)buffer_bytes(&text));
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"nested too deeply", 17));
	buffer_finish(&text);
}

Test(rpc, who_does_not_read_its_answers_is_not_read)
{
	unsigned before = 0;

	join();
	door.holds_calls = false;
	do {
		before = door.commands;
		for (int i = 0; i < 100; i++)
			say(CALL("plugins.list", ""));
	} while (door.commands - before == 100 && door.commands < 100000);
	cr_expect_lt(door.commands, 100000);
	receive();
	door_turn();
	receive();
	cr_expect_gt(door.commands, before);
}

/* ---- events ---- */

static void
emit(const char *name, size_t size)
{
	char *text = memory_alloc(size + 1);

	memset(text, 'd', size);
	journal_note(door.gateway.journal, name, NULL, json_string(text));
	free(text);
	door_turn();
}

#define SUBSCRIBE(params) CALL("events.subscribe", ",\"params\":{" params "}")

static void
subscribe(const char *text)
{
	say(text);
	cr_expect(!strncmp(hear(), "T", 1));
}

/* The names of the events that have come, with a space behind each. */
static const char *
heard_events(void)
{
	static char names[1000];
	const char *at, *end;
	size_t used = 0; /* of names, which may be cut */

	receive();
	buffer_append_byte(&input, '\0');
	names[0] = '\0';
	end = (char *)buffer_bytes(&input) + buffer_length(&input);
	for (at = (char *)buffer_bytes(&input);
		(at = memmem(at, (size_t)(end - at), "\"event\":\"", 9));) {
		int length = (int)strcspn(at + 9, "\"");

		at += 9;
		if (sizeof(names) - used < JOURNAL_NAME_MAX + 2)
			break;
		used += (size_t)snprintf(names + used, sizeof(names) - used,
			"%.*s ", length, at);
	}
	buffer_clear(&input);
	return names;
}

Test(rpc, events_go_to_those_whose_patterns_match)
{
	join();
	emit("a.b", 1);
	subscribe(SUBSCRIBE("\"patterns\":[\"a.*\",\"b\",\"a.b\"]"));
	emit("a.b", 1);
	emit("a", 1);
	emit("ab.c", 1);
	emit("a.b.c", 1);
	emit("b", 1);
	emit("b.c", 1);
	cr_expect_str_eq(heard_events(), "a.b a.b.c b ");
	subscribe(CALL("events.unsubscribe",
		",\"params\":{\"patterns\":[\"a.*\",\"zzz\"]}"));
	emit("a.b", 1);
	emit("a.b.c", 1);
	emit("b", 1);
	cr_expect_str_eq(heard_events(), "a.b b ");
	subscribe(SUBSCRIBE("\"patterns\":[\"*\"]"));
	emit("x", 1);
	cr_expect_str_eq(heard_events(), "x ");
	subscribe(CALL("events.unsubscribe", ""));
	emit("x", 1);
	cr_expect_str_eq(heard_events(), "");
	cr_expect_eq(journal_followers(door.gateway.journal), 0);
}

Test(rpc, arguments_of_a_subscription_may_be_a_list)
{
	join();
	emit("a", 1);
	subscribe(SUBSCRIBED("[[\"a\",\"b\"],0]"));
	buffer_clear(&input);
	subscribe(PARAMS("events.unsubscribe", "[[\"b\"]]"));
	emit("b", 1);
	emit("a", 1);
	cr_expect_str_eq(heard_events(), "a ");
	subscribe(PARAMS("events.unsubscribe", "[]"));
	emit("a", 1);
	cr_expect_str_eq(heard_events(), "");
}

Test(rpc, patterns_are_checked_and_bounded)
{
	static const char *const wrong[] = {"", "a.*.b", "a*", "*.a", "**",
		"a..b", ".a", "a.", "a.**", "a b", "*a", ".*"};
	struct buffer text = {0};

	join();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char *call = memory_format(
			SUBSCRIBE("\"patterns\":[\"ok\",\"%s\"]"), wrong[i]);

		say(call);
		receive();
		cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
				  "-32602", 6),
			"%s", wrong[i]);
		buffer_clear(&input);
		free(call);
	}
	cr_expect_eq(journal_followers(door.gateway.journal), 0);
	buffer_append_text(&text,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\","
		"\"params\":{\"patterns\":[");
	for (int i = 0; i <= RPC_PATTERNS_MAX; i++)
		buffer_format(&text, "%s\"p%d\"", i ? "," : "", i);
	buffer_append(&text, "]}}", 4);
	say((char *)buffer_bytes(&text));
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"at most 64 patterns", 19));
	buffer_finish(&text);
}

Test(rpc, since_brings_the_past_in_order_and_then_the_present)
{
	uint64_t first = journal_seq(door.gateway.journal);
	char *call;

	for (int i = 0; i < 3; i++)
		emit("a.b", 1);
	emit("c", 1);
	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"c\"]"));
	emit("c", 1);
	cr_expect_str_eq(heard_events(), "c ");
	call = memory_format(SUBSCRIBE("\"patterns\":[\"a.*\"],\"since\":%llu"),
		(unsigned long long)first + 1);
	say(call);
	emit("a.z", 1);
	cr_expect_str_eq(heard_events(), "a.b a.b a.z ", "nothing comes twice");
	free(call);
}

static void
subscribe_since(const char *patterns, uint64_t since)
{
	char *call = memory_format(SUBSCRIBE("\"patterns\":%s,\"since\":%llu"),
		patterns, (unsigned long long)since);

	say(call);
	free(call);
}

/* Also what the session has had already: its client asks for it. */
Test(rpc, since_brings_the_past_of_patterns_that_are_there)
{
	uint64_t first = journal_seq(door.gateway.journal);

	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"*\"]"));
	emit("a.b", 1);
	emit("c", 1);
	emit("a.c", 1);
	cr_expect_str_eq(heard_events(), "a.b c a.c ");
	subscribe_since("[\"a.*\"]", first);
	emit("a.z", 1);
	emit("c", 1);
	cr_expect_str_eq(heard_events(), "a.b a.c a.z c ");
	subscribe_since("[\"a.*\",\"a.c\"]", first + 1);
	cr_expect_str_eq(heard_events(), "a.c a.z ");
	subscribe_since("[\"*\"]", first + 3);
	emit("d", 1);
	cr_expect_str_eq(heard_events(), "a.z c d ");
	subscribe_since("[\"*\"]", 0);
	cr_expect_str_eq(heard_events(), "gateway.missed a.b c a.c a.z c d ");
}

/* Asked for in one turn, so that one replay serves all calls. */
Test(rpc, each_call_has_its_own_past)
{
	uint64_t first = journal_seq(door.gateway.journal);
	json_t *calls[] = {
		json_pack("{s:[s],s:I}", "patterns", "a", "since",
			(json_int_t)first + 2),
		json_pack("{s:[s],s:I}", "patterns", "b", "since",
			(json_int_t)first),
		json_pack("{s:[s]}", "patterns", "c"),
	};
	struct rpc_session *s;
	struct error err;

	for (int i = 0; i < 2; i++) {
		emit("a", 1);
		emit("b", 1);
		emit("c", 1);
	}
	join();
	s = container_of(
		door.server->sessions.sessions.next, struct rpc_session, node);
	for (size_t i = 0; i < 3; i++) {
		json_decref(rpc_subscribe(s, calls[i], &err));
		json_decref(calls[i]);
	}
	journal_note(door.gateway.journal, "c", NULL, NULL);
	rpc_catch_up(s);
	door_turn();
	cr_expect_str_eq(heard_events(), "b a b c ");
}

/* What a subscription missed ends with it. */
Test(rpc, a_new_subscription_has_missed_nothing)
{
	json_t *all = json_pack("{s:[s],s:i}", "patterns", "a", "since", 0);
	json_t *new = json_pack("{s:[s]}", "patterns", "a");
	struct rpc_session *s;
	struct error err;

	for (int i = 0; i < JOURNAL_EVENTS_MAX + 10; i++)
		journal_note(door.gateway.journal, "b", NULL, NULL);
	join();
	s = container_of(
		door.server->sessions.sessions.next, struct rpc_session, node);
	json_decref(rpc_subscribe(s, all, &err));
	json_decref(rpc_unsubscribe(s, NULL, &err));
	json_object_set_new(new, "since",
		json_integer((json_int_t)journal_seq(door.gateway.journal)));
	json_decref(rpc_subscribe(s, new, &err));
	rpc_catch_up(s);
	emit("a", 1);
	cr_expect_str_eq(heard_events(), "a ");
	json_decref(all);
	json_decref(new);
}

/* Patterns that are there already do not count twice. */
Test(rpc, all_patterns_may_ask_for_their_past)
{
	uint64_t first = journal_seq(door.gateway.journal);
	struct buffer list = {0};

	emit("p7", 1);
	buffer_append_byte(&list, '[');
	for (int i = 0; i < RPC_PATTERNS_MAX; i++)
		buffer_format(&list, "%s\"p%d\"", i ? "," : "", i);
	buffer_append(&list, "]", 2);
	join();
	for (int i = 0; i < 2; i++) {
		subscribe_since((char *)buffer_bytes(&list), first);
		cr_expect_str_eq(heard_events(), "p7 ");
	}
	buffer_finish(&list);
}

Test(rpc, what_the_journal_no_longer_has_is_reported)
{
	join();
	for (int i = 0; i < JOURNAL_EVENTS_MAX + 10; i++)
		journal_note(door.gateway.journal, "a", NULL, NULL);
	say(SUBSCRIBE("\"patterns\":[\"b\"],\"since\":0"));
	cr_expect_str_eq(heard_events(), "gateway.missed ");
}

Test(rpc, a_subscriber_that_does_not_read_is_closed_with_1013)
{
	uint64_t sent = 0;
	const char *text;

	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"*\"]"));
	while (door.gateway.edge.sessions && sent++ < 1000)
		emit("storm", 60000);
	cr_expect_geq(sent * 60000, RPC_QUEUE_MAX);
	cr_expect_lt(sent * 60000, RPC_QUEUE_MAX + 1024 * 1024,
		"the socket's buffer takes a part");
	cr_expect_eq(journal_followers(door.gateway.journal), 0);
	cr_expect_eq(
		door.gateway.edge.sessions_ended[GATEWAY_SESSION_UNREAD], 1);
	text = hear();
	cr_expect(strstr(text, "close(1013 "), "%s", text);
}

#define MANY 40

/* Bytes that the clients have received since the last call. */
static size_t
count_received(const int clients[MANY])
{
	static char bytes[256 * 1024];
	size_t count = 0;

	for (int i = 0; i < MANY; i++) {
		ssize_t n = recv(clients[i], bytes, sizeof(bytes), 0);

		count += n > 0 ? (size_t)n : 0;
	}
	return count;
}

/* The work of one turn does not grow with the number of sessions, so others are
 * served meanwhile. */
Test(rpc, an_event_for_many_is_written_over_several_turns)
{
	int clients[MANY], other = door_client();
	char *text = memory_alloc(60001);
	size_t all = 0, most = 0;
	char first;

	door.config.limits.connections = 4 * MANY;
	for (int i = 0; i < MANY; i++) {
		client = clients[i] = door_client();
		buffer_clear(&input);
		join();
		subscribe(SUBSCRIBE("\"patterns\":[\"*\"]"));
	}
	memset(text, 'd', 60000);
	journal_note(door.gateway.journal, "large", NULL, json_string(text));
	free(text);
	door_send(other, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int turns = 0; turns < 10 * MANY && all < MANY * 60000; turns++) {
		size_t received;

		ev_run(door.gateway.loop, EVRUN_NOWAIT);
		received = count_received(clients);
		all += received;
		most = received > most ? received : most;
		if (turns == 1)
			cr_expect_gt(recv(other, &first, 1, MSG_PEEK), 0);
	}
	cr_expect_geq(all, MANY * 60000);
	/* a slice when the event comes, and one at the end of the turn */
	cr_expect_lt(most, 3 * RPC_FANOUT_BYTES, "%zu", most);
	for (int i = 1; i < MANY; i++)
		close(clients[i - 1]);
	close(other);
}

Test(rpc, a_storm_is_missed_and_not_kept)
{
	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"wanted\"]"));
	for (int i = 0; i < 20000; i++)
		journal_note(door.gateway.journal, "storm", NULL, NULL);
	journal_note(door.gateway.journal, "wanted", NULL, NULL);
	for (int i = 0; i < 20; i++)
		door_turn();
	cr_expect(strstr(heard_events(), "wanted "));
}

/* ---- calls as events ---- */

static void
tell_call(const char *name, size_t size)
{
	char *text = memory_alloc(size + 1);
	json_t *data;
	struct event_source source = {
		.id = 7, .at = "now", .name = name, .plugin_id = "p"};

	memset(text, 'd', size);
	source.data = data = json_string(text);
	door.listener->take(door.listener, &source);
	json_decref(data);
	free(text);
	door_turn();
}

static bool
is_wanted(const char *name)
{
	return door.listener &&
	       door.listener->wants(door.listener, bytes_of(name));
}

Test(rpc, calls_are_events_only_while_a_session_wants_them)
{
	door.gateway.events = (struct events *)(void *)&door;
	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"a.*\",\"toolbox\"]"));
	cr_expect_not(is_wanted("tool.before"));
	subscribe(SUBSCRIBE("\"patterns\":[\"tool.*\",\"tool.after\"]"));
	cr_expect(is_wanted("tool.before"));
	cr_expect(is_wanted("tool.after"));
	cr_expect_not(is_wanted("command.before"));
	cr_expect_not(is_wanted("tool.other"));
	tell_call("tool.after", 1);
	expect(NULL, "T[114]");
	subscribe(CALL("events.unsubscribe",
		",\"params\":{\"patterns\":[\"tool.*\"]}"));
	cr_expect_not(is_wanted("tool.before"));
	cr_expect(is_wanted("tool.after"));
	close(client);
	client = -1;
	door_turn();
	cr_expect_not(is_wanted("tool.after"));
}

Test(rpc, calls_are_events_for_operators)
{
	door.gateway.events = (struct events *)(void *)&door;
	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"*\"]"));
	tell_call("tool.before", 1);
	cr_expect_str_eq(heard_events(), "tool.before ");
	door.config.admin.tokens.items[0].role = ROLE_VIEWER;
	tell_call("tool.before", 1);
	cr_expect_str_eq(heard_events(), "");
	door.config.admin.tokens.items[0].role = ROLE_OPERATOR;
}

static bool
take_long(struct slice *s)
{
	door.now_ms += 10;
	return false;
}

Test(rpc, calls_that_wait_as_events_are_bounded_and_counted)
{
	struct event_source source = {
		.id = 7, .at = "now", .name = "tool.before"};
	struct slice other;

	door.gateway.events = (struct events *)(void *)&door;
	join();
	subscribe(SUBSCRIBE("\"patterns\":[\"tool.before\"]"));
	tell_call("tool.before", JOURNAL_DATA_MAX);
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"\"data\":null,\"omittedBytes\":65538}", 33));
	buffer_clear(&input);
	/* this turn's time is used up, so none of these is sent at once */
	slice_init(&other, take_long);
	slice_take(door.gateway.slices, &other);
	for (int i = 0; i < 100000; i++)
		door.listener->take(door.listener, &source);
	cr_expect_eq(door.server->sessions.fanout.transients.count,
		RPC_TRANSIENTS_MAX);
	for (int i = 0; i < 50; i++)
		door_turn();
	tell_call("tool.before", 1);
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"{\"missed\":99744}", 16));
}

Test(rpc, a_session_lives_through_pings_and_ends_with_a_stop)
{
	join();
	door_pass_ms(WEBSOCKET_PING_MS);
	expect(NULL, "ping()");
	door_send_bytes(client,
		"\x8a\x80"
		"abcd",
		6);
	door.holds_calls = true;
	say(CALL("plugins.list", ""));
	http_server_drain(door.server, NULL, NULL);
	door_turn();
	expect(NULL, "");
	say(CALL("plugins.list", ""));
	receive();
	cr_expect(memmem(buffer_bytes(&input), buffer_length(&input),
		"supd is stopping", 16));
	buffer_clear(&input);
	door.pending->job = NULL;
	door.pending->on_done(door.pending, OUTCOME_DONE, json_null());
	door_turn();
	expect(NULL, "T(" ANSWER("null") ") close(1001 supd stops)");
}

static void
stop_server(struct api_waiter *w)
{
	(void)w;
	door.now_ms += 10; /* no time is left for others in this turn */
	http_server_drain(door.server, NULL, NULL);
}

static void
use_up_turn(struct api_waiter *w)
{
	door.now_ms += 10;
	w->run = stop_server;
	list_append(&door.server->api_turn.waiting, &w->node);
}

/* The message is read in one turn, supd stops in the next, and the message is
 * run in the one after. */
static void
expect_end_after(const char *said, const char *wanted)
{
	struct api_waiter other = {.run = use_up_turn};

	join();
	list_append(&door.server->api_turn.waiting, &other.node);
	expect(said, wanted);
}

Test(rpc, a_stop_ends_a_session_behind_its_last_message)
{
	expect_end_after(CALL("ping", ""),
		"T(" ERROR("1", "{\"code\":-32000,\"message\":\"supd "
				"is "
				"stopping\",\"data\":{\"code\":"
				"\"busy\"}}") ") close(1001 supd "
					      "stops)");
}

Test(rpc, a_stop_ends_a_session_behind_a_malformed_message)
{
	expect_end_after(
		"", "T(" ERROR("null",
			    "{\"code\":-32700,\"message\":\"the "
			    "message is empty\"}") ") close(1001 supd stops)");
}
