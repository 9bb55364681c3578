/* http api: who may ask, what is asked, and how it is answered. */
#include <criterion/criterion.h>

#include "tests/unit/http_door.h"

#include <unistd.h>

#include "supervisor/control/commands.h"

static int client;

static void
open_door(void)
{
	door_open();
	client = door_client();
}

static void
shut_door(void)
{
	close(client);
	door_close();
}

TestSuite(http_api, .init = open_door, .fini = shut_door, .timeout = 20);

#define TOKEN "Authorization: Bearer secret\r\n"

static void
expect_answer(const char *ask, const char *begin, const char *end)
{
	char *text = door_ask(client, ask, NULL);
	size_t length = strlen(text), tail = strlen(end);

	cr_expect(!strncmp(text, begin, strlen(begin)), "asked %s\ngot %s", ask,
		text);
	cr_expect(length >= tail && !strcmp(text + length - tail, end),
		"asked %s\ngot %s", ask, text);
	free(text);
}

Test(http_api, asks_for_a_token)
{
	expect_answer("GET /api/plugins HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 401 Unauthorized\r\n"
		"Content-Type: application/json\r\n"
		"WWW-Authenticate: Bearer\r\n",
		"{\"error\":\"a valid token is needed\"}\n");
	expect_answer("GET /api/plugins HTTP/1.1\r\nHost: x\r\n"
		      "Authorization: Bearer wrong\r\n\r\n",
		"HTTP/1.1 401 ", "}\n");
	expect_answer("GET /api/plugins HTTP/1.1\r\nHost: x\r\n"
		      "Authorization: Basic secret\r\n\r\n",
		"HTTP/1.1 401 ", "}\n");
	cr_expect_str_eq(door.verb, "");
	door.config.admin.http = false;
	expect_answer("GET /api/plugins HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n",
		"HTTP/1.1 404 ", "}\n");
}

Test(http_api, calls_what_supctl_calls)
{
	static const struct {
		const char *ask, *verb, *args;
	} rows[] = {
		{"GET /api/plugins HTTP/1.1", "list", "{}"},
		{"GET /api/plugins/hello HTTP/1.1", "show",
			"{\"id\":\"hello\"}"},
		{"GET /api/plugins/a%20b/can-reload HTTP/1.1", "can-reload",
			"{\"id\":\"a b\"}"},
		{"POST /api/plugins/hello/restart HTTP/1.1", "restart",
			"{\"id\":\"hello\"}"},
		{"GET /api/routes HTTP/1.1", "routes", "{}"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char ask[200], end[60];

		snprintf(ask, sizeof(ask), "%s\r\nHost: x\r\n" TOKEN "\r\n",
			rows[i].ask);
		snprintf(end, sizeof(end), "\r\n\r\n{\"verb\":\"%s\"}\n",
			rows[i].verb);
		expect_answer(ask, "HTTP/1.1 200 OK\r\n", end);
		cr_expect_str_eq(door.verb, rows[i].verb);
		cr_expect_str_eq(door.args, rows[i].args);
		cr_expect_eq(door.role, ROLE_OPERATOR);
	}
}

Test(http_api, tells_what_there_is_not)
{
	static const char *const asks[] = {
		"GET /api HTTP/1.1",
		"GET /api/ HTTP/1.1",
		"GET /api/nothing HTTP/1.1",
		"GET /api/plugins/ HTTP/1.1",
		"POST /api/plugins/scan HTTP/1.1",
		"GET /api/events HTTP/1.1",
		"GET /api/plugins/a/b HTTP/1.1",
	};

	for (unsigned i = 0; i < sizeof(asks) / sizeof(*asks); i++) {
		char ask[200];

		snprintf(ask, sizeof(ask), "%s\r\nHost: x\r\n" TOKEN "\r\n",
			asks[i]);
		expect_answer(ask, "HTTP/1.1 404 ", "}\n");
	}
	expect_answer("DELETE /api/plugins HTTP/1.1\r\nHost: x\r\n" TOKEN
		      "\r\n",
		"HTTP/1.1 405 Method Not Allowed\r\n"
		"Content-Type: application/json\r\nAllow: GET, HEAD\r\n",
		"}\n");
	expect_answer("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 ",
		"not supported yet\n");
	expect_answer("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 404 ", "not supported yet\n");
	cr_expect_str_eq(door.verb, "");
}

static void
post_reload(const char *body)
{
	char ask[500];

	snprintf(ask, sizeof(ask),
		"POST /api/plugins/reload HTTP/1.1\r\nHost: x\r\n" TOKEN
		"Content-Length: %zu\r\n\r\n%s",
		strlen(body), body);
	door_send(client, ask);
	door_turn();
}

Test(http_api, answers_a_reload_when_its_verdict_comes)
{
	static const struct {
		enum outcome outcome;
		const char *begin;
	} rows[] = {
		{OUTCOME_DONE, "HTTP/1.1 200 "},
		{OUTCOME_ACCEPTED, "HTTP/1.1 202 "},
		{OUTCOME_FAILED, "HTTP/1.1 422 "},
		{OUTCOME_REFUSED, "HTTP/1.1 409 "},
		{OUTCOME_NOT_FOUND, "HTTP/1.1 404 "},
		{OUTCOME_DENIED, "HTTP/1.1 403 "},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct command_call *call;
		json_t *result = json_pack("{s:s}", "id", "r-1");

		post_reload("{\"pluginId\":\"hello\"}");
		expect_answer("", "", "");
		cr_expect_str_eq(door.args, "{\"pluginId\":\"hello\"}");
		call = door.pending;
		cr_assert(call);
		call->job = NULL;
		call->on_done(call, rows[i].outcome, result);
		json_decref(result);
		door_turn();
		expect_answer("", rows[i].begin, "\r\n\r\n{\"id\":\"r-1\"}\n");
	}
}

Test(http_api, forgets_a_client_that_left_but_not_what_it_began)
{
	post_reload("{\"pluginId\":\"hello\"}");
	cr_assert(door.pending);
	close(client);
	door_turn();
	door_pass_ms(2000);
	cr_expect_null(door.pending, "abandoned");
	client = door_client();
}

Test(http_api, says_where_json_is_malformed)
{
	post_reload("{\"pluginId\":\n  hello}");
	expect_answer("", "HTTP/1.1 400 ", "\"line\":2,\"column\":7}\n");
	post_reload("[1]");
	expect_answer("", "HTTP/1.1 400 ",
		"{\"error\":\"the body is no JSON object\"}\n");
	cr_expect_str_eq(door.verb, "");
}
