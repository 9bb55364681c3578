/* http api: who may ask, what is asked, and how it is answered. */
#include <criterion/criterion.h>

#include "tests/unit/http_door.h"

#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/http/event_stream.h"
#include "supervisor/ops/journal.h"

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
		{"GET /api/history?id=hello HTTP/1.1", "history",
			"{\"id\":\"hello\"}"},
		{"POST /api/plugins/scan HTTP/1.1", "scan", "{}"},
		{"POST /api/plugins/a/enable HTTP/1.1", "enable",
			"{\"id\":\"a\"}"},
		{"POST /api/plugins/a/disable HTTP/1.1", "disable",
			"{\"id\":\"a\"}"},
		{"GET /api/plugins/a/logs?lines=5 HTTP/1.1", "logs",
			"{\"id\":\"a\",\"lines\":\"5\"}"},
		{"GET /api/config/plan HTTP/1.1", "plan", "{}"},
		{"POST /api/config/apply HTTP/1.1", "apply", "{}"},
		{"POST /api/events/a.b HTTP/1.1", "emit", "{\"name\":\"a.b\"}"},
		{"GET /api/events?follow=false HTTP/1.1", "events",
			"{\"follow\":\"false\"}"},
		{"HEAD /api/events HTTP/1.1", "events", "{\"follow\":false}"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char ask[200], end[60];

		snprintf(ask, sizeof(ask), "%s\r\nHost: x\r\n" TOKEN "\r\n",
			rows[i].ask);
		snprintf(end, sizeof(end), "\r\n\r\n{\"verb\":\"%s\"}\n",
			rows[i].verb);
		if (!strncmp(rows[i].ask, "HEAD", 4))
			strcpy(end, "\r\n\r\n");
		expect_answer(ask, "HTTP/1.1 200 OK\r\n", end);
		cr_expect_str_eq(door.verb, rows[i].verb);
		cr_expect_str_eq(door.args, rows[i].args);
		cr_expect_eq(door.role, ROLE_OPERATOR);
	}
}

/* With a token, as every call. */
Test(http_api, lists_its_calls)
{
	char *text = door_ask(
		client, "GET /api HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", NULL);

	cr_expect(!strncmp(text, "HTTP/1.1 200 OK\r\n", 17), "%s", text);
	cr_expect(strstr(text, "{\"method\":\"POST\",\"path\":"
			       "\"/api/plugins/{pluginId}/reload\","
			       "\"verb\":\"reload\",\"role\":\"operator\","),
		"%s", text);
	cr_expect(strstr(text, "{\"calls\":[{\"method\":\"GET\",\"path\":"
			       "\"/api\",\"verb\":null,\"role\":\"viewer\","),
		"%s", text);
	free(text);
	expect_answer(
		"GET /api HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 401 ", "}\n");
	expect_answer("POST /api HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n",
		"HTTP/1.1 405 ", "}\n");
	cr_expect_str_eq(door.verb, "");
}

Test(http_api, tells_what_there_is_not)
{
	static const char *const asks[] = {
		"GET /api/ HTTP/1.1",
		"GET /api/nothing HTTP/1.1",
		"GET /api/plugins/ HTTP/1.1",
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
	expect_answer("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 426 ",
		"this path is a WebSocket\n");
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
		"{\"error\":\"the body is not a JSON object\"}\n");
	cr_expect_str_eq(door.verb, "");
}

Test(http_api, a_literal_path_is_no_id)
{
	static const struct {
		const char *ask, *allow;
	} rows[] = {
		{"GET /api/plugins/reload HTTP/1.1", "POST"},
		{"GET /api/plugins/scan HTTP/1.1", "POST"},
		{"DELETE /api/plugins/reload HTTP/1.1", "POST"},
		{"POST /api/plugins/a HTTP/1.1", "GET, HEAD"},
		{"GET /api/tools/a HTTP/1.1", "POST"},
		{"POST /api/events HTTP/1.1", "GET, HEAD"},
		{"GET /api/events/a HTTP/1.1", "POST"},
		{"OPTIONS /api/config/apply HTTP/1.1", "POST"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char ask[200], begin[200];

		snprintf(ask, sizeof(ask), "%s\r\nHost: x\r\n" TOKEN "\r\n",
			rows[i].ask);
		snprintf(begin, sizeof(begin),
			"HTTP/1.1 405 Method Not Allowed\r\nContent-Type: "
			"application/json\r\nAllow: %s\r\n",
			rows[i].allow);
		expect_answer(ask, begin, "}\n");
	}
	cr_expect_str_eq(door.verb, "");
}

static void
post(const char *path, const char *fields, const char *body)
{
	char ask[500];

	door.verb[0] = 0;
	snprintf(ask, sizeof(ask),
		"POST %s HTTP/1.1\r\nHost: x\r\n" TOKEN
		"%sContent-Length: %zu\r\n\r\n%s",
		path, fields, strlen(body), body);
	door_send(client, ask);
	door_turn();
}

Test(http_api, a_call_of_a_plugin_takes_the_body_as_it_stands)
{
	static const struct {
		const char *path, *fields, *body, *args;
	} rows[] = {
		{"/api/tools/t", "", "", "{\"kind\":\"tool\",\"name\":\"t\"}"},
		{"/api/tools/t", "", "[1,\"a\"]",
			"{\"kind\":\"tool\",\"name\":\"t\",\"args\":[1,\"a\"]"
			"}"},
		{"/api/tools/a.b", "", "null",
			"{\"kind\":\"tool\",\"name\":\"a.b\",\"args\":null}"},
		{"/api/commands/c", "", "\"x y\"",
			"{\"kind\":\"command\",\"name\":\"c\",\"args\":\"x "
			"y\"}"},
		{"/api/commands/c", "", "{\"text\":\"x\"}",
			"{\"kind\":\"command\",\"name\":\"c\",\"args\":\"x\"}"},
		{"/api/commands/c", "Content-Type: text/plain\r\n", "x y",
			"{\"kind\":\"command\",\"name\":\"c\",\"args\":\"x "
			"y\"}"},
		{"/api/commands/c", "", "",
			"{\"kind\":\"command\",\"name\":\"c\"}"},
		{"/api/events/e", "Content-Type: application/json\r\n", "7",
			"{\"name\":\"e\",\"data\":7}"},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		post(rows[i].path, rows[i].fields, rows[i].body);
		cr_expect_str_eq(door.args, rows[i].args, "%s", door.args);
		free(door_read(client, NULL));
	}
}

Test(http_api, a_body_is_what_it_is_said_to_be)
{
	static const struct {
		const char *path, *fields, *body;
		int status;
	} rows[] = {
		{"/api/tools/t", "Content-Type: application/json\r\n", "{}",
			200},
		{"/api/tools/t",
			"Content-Type: Application/JSON ; "
			"charset=\"UTF-8\"\r\n",
			"{}", 200},
		{"/api/tools/t", "Content-Type: application/ld+json\r\n", "{}",
			200},
		{"/api/tools/t",
			"Content-Type: application/x-www-form-urlencoded\r\n",
			"{}", 200},
		{"/api/tools/t", "Content-Type: text/plain\r\n", "{}", 415},
		{"/api/tools/t", "Content-Type: text/html\r\n", "{}", 415},
		{"/api/tools/t", "Content-Type: application/jsonx\r\n", "{}",
			415},
		{"/api/tools/t", "Content-Type: +json\r\n", "{}", 415},
		{"/api/tools/t",
			"Content-Type: application/json; charset=latin1\r\n",
			"{}", 415},
		{"/api/tools/t", "Content-Encoding: gzip\r\n", "{}", 415},
		{"/api/tools/t", "Content-Encoding: identity\r\n", "{}", 200},
		{"/api/commands/c", "", "7", 400},
		{"/api/commands/c", "", "{\"text\":1}", 400},
		{"/api/commands/c", "", "{\"text\":\"a\",\"b\":1}", 400},
		{"/api/tools/t", "", "{\"a\":1,\"a\":2}", 400},
		{"/api/tools/t?args=x", "", "{}", 400},
		{"/api/tools/t?kind=x", "", "{}", 400},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text;

		post(rows[i].path, rows[i].fields, rows[i].body);
		text = door_read(client, NULL);
		cr_expect_eq(atoi(text + 9), rows[i].status, "%u %s%s: %s", i,
			rows[i].fields, rows[i].body, text);
		cr_expect_eq(!*door.verb, rows[i].status != 200);
		free(text);
	}
}

static void
post_deep(unsigned depth, const char *expected)
{
	char body[200] = "";
	char *text;

	for (unsigned i = 0; i < depth; i++)
		body[i] = '[';
	for (unsigned i = 0; i < depth; i++)
		body[depth + i] = ']';
	post("/api/tools/t", "", body);
	text = door_read(client, NULL);
	cr_expect(!strncmp(text, expected, strlen(expected)), "%u: %s", depth,
		text);
	free(text);
}

Test(http_api, what_no_worker_could_read_is_refused)
{
	post_deep(24, "HTTP/1.1 200 ");
	post_deep(25, "HTTP/1.1 400 ");
}

Test(http_api, counts_what_it_refuses)
{
	free(door_ask(
		client, "GET /api/plugins HTTP/1.1\r\nHost: x\r\n\r\n", NULL));
	free(door_ask(client,
		"GET /api/none HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n", NULL));
	post("/api/tools/t", "", "{");
	cr_expect_eq(
		door.gateway.edge.refused[GATEWAY_REFUSED_UNAUTHORIZED], 1);
	cr_expect_eq(door.gateway.edge.refused[GATEWAY_REFUSED_NO_ROUTE], 1);
	cr_expect_eq(door.gateway.edge.refused[GATEWAY_REFUSED_MALFORMED], 1);
	cr_expect_eq(door.gateway.edge.requests, 3);
	cr_expect_eq(door.gateway.edge.connections, 1);
}

/* ---- /metrics ---- */

Test(http_api, metrics_are_open_or_for_a_token)
{
	expect_answer("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain; "
		"version=0.0.4; charset=utf-8\r\n",
		"\r\n\r\n# HELP supd_door A door.\n# TYPE supd_door gauge\n"
		"supd_door 1\n");
	door.config.admin.metrics = METRICS_TOKEN;
	expect_answer("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 401 ", "\n");
	expect_answer("GET /metrics HTTP/1.1\r\nHost: x\r\n"
		      "Authorization: Bearer wrong\r\n\r\n",
		"HTTP/1.1 401 ", "\n");
	expect_answer("GET /metrics HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n",
		"HTTP/1.1 200 ", "supd_door 1\n");
	expect_answer("POST /metrics HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n",
		"HTTP/1.1 405 ", "\n");
}

/* ---- streams of events ---- */

#define HEAD                                                                   \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"               \
	"Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n"
#define ASK_EVENTS "GET /api/events HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n"

static void
tell(const char *key, json_t *value)
{
	json_t *progress = json_pack("{s:o}", key, value);

	cr_assert(door.pending);
	door.pending->on_progress(door.pending, progress);
	json_decref(progress);
	door_turn();
}

/* As the follower behind the call does. */
static void
tell_event(const char *name, const char *data)
{
	struct journal *journal = door.gateway.journal;

	journal_note(journal, name, NULL, json_string(data));
	tell("event", json_pack("{s:I,s:s}", "seq",
			      (json_int_t)journal_seq(journal), "event", name));
}

static void
expect_text(const char *end)
{
	char *text = door_read(client, NULL);
	size_t length = strlen(text), tail = strlen(end);

	cr_expect(length >= tail && !strcmp(text + length - tail, end),
		"got %s\nnot %s", text, end);
	free(text);
}

Test(http_api, head_of_a_stream_has_the_head_of_get_and_ends)
{
	expect_answer("HEAD /api/events HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n",
		HEAD "X-Content-Type-Options: nosniff\r\n"
		     "Transfer-Encoding: chunked\r\n",
		"\r\n\r\n");
	cr_expect_eq(door.gateway.edge.streams, 0);
	expect_answer(
		"HEAD /api/events?follow=false HTTP/1.1\r\nHost: x\r\n" TOKEN
		"\r\n",
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
		"\r\n\r\n");
}

Test(http_api, events_come_as_they_happen)
{
	char id[80], *text;

	expect_answer(ASK_EVENTS, HEAD, "\r\n\r\na\r\n: events\n\n\r\n");
	cr_expect_str_eq(door.args, "{\"follow\":true,\"lines\":0}");
	tell_event("a.b", "x\ny");
	text = door_read(client, NULL);
	snprintf(id, sizeof(id), "\r\nid: %llu\nevent: a.b\ndata: {\"seq\":",
		(unsigned long long)journal_seq(door.gateway.journal));
	cr_expect(strstr(text, id), "%s", text);
	cr_expect(strstr(text, "\"data\":\"x\\ny\"}\n\n\r\n"), "%s", text);
	free(text);
	tell("dropped", json_integer(3));
	tell_event("a.c", "");
	text = door_read(client, NULL);
	cr_expect(strstr(text, "\r\nevent: gateway.missed\n"
			       "data: {\"missed\":3}\n\n\r\n"),
		"%s", text);
	cr_expect(strstr(text, "event: a.c\n"));
	free(text);
	door_pass_ms(15000);
	expect_text("\r\n: keep-alive\n\n\r\n");
	cr_expect_eq(door.gateway.edge.streams, 1);
}

Test(http_api, a_client_that_comes_back_says_what_it_had)
{
	expect_answer("GET /api/events?lines=5&after=3 HTTP/1.1\r\nHost: x\r\n"
		      "Last-Event-ID: 41\r\n" TOKEN "\r\n",
		HEAD, ": events\n\n\r\n");
	cr_expect_str_eq(
		door.args, "{\"lines\":\"5\",\"after\":41,\"follow\":true}");
	close(client);
	client = door_client();
	expect_answer("GET /api/events HTTP/1.1\r\nHost: x\r\n"
		      "Last-Event-ID: x41\r\n" TOKEN "\r\n",
		"HTTP/1.1 400 ", "}\n");
}

/* Reads until the event of that name has come, and counts those before. */
static unsigned
read_until(const char *name, char **all_out)
{
	struct buffer all = {0};
	unsigned count = 0;

	for (int i = 0; i < 1000; i++) {
		char *text = door_read(client, NULL);

		buffer_append_text(&all, text);
		free(text);
		buffer_append(&all, "", 1);
		all.end--;
		if (strstr((char *)buffer_bytes(&all), name))
			break;
		door_turn();
	}
	for (char *at = (char *)buffer_bytes(&all);
		(at = strstr(at, "\nevent: big\n")); at++)
		count++;
	*all_out = (char *)buffer_bytes(&all);
	return count;
}

Test(http_api, a_slow_client_reads_from_the_journal)
{
	char *big = memory_alloc(32 * 1024), *all;

	memset(big, 'x', 32 * 1024 - 1);
	free(door_ask(client, ASK_EVENTS, NULL));
	for (int i = 0; i < 100; i++) /* 3.2 MiB */
		tell_event("big", big);
	tell_event("last", "");
	cr_expect_eq(read_until("event: last\n", &all), 100);
	cr_expect(!strstr(all, "gateway.missed"));
	cr_expect_eq(door.gateway.edge.events_missed, 0);
	free(all);
	free(big);
}

Test(http_api, what_the_journal_keeps_no_more_is_told_as_missed)
{
	char *big = memory_alloc(32 * 1024), *all, missed[60];
	unsigned count;

	memset(big, 'x', 32 * 1024 - 1);
	free(door_ask(client, ASK_EVENTS, NULL));
	for (int i = 0; i < 400; i++) /* 12.8 MiB */
		tell_event("big", big);
	tell_event("last", "");
	count = read_until("event: last\n", &all);
	cr_expect_lt(count, 200);
	cr_expect_gt(count, 100);
	snprintf(missed, sizeof(missed),
		"event: gateway.missed\ndata: {\"missed\":%u}\n", 400 - count);
	cr_expect(strstr(all, missed), "no %s", missed);
	cr_expect_eq(door.gateway.edge.events_missed, 400 - count);
	free(all);
	free(big);
}

Test(http_api, a_stream_ends_with_supd_and_with_its_client)
{
	bool eof;
	char *text;

	free(door_ask(client, ASK_EVENTS, NULL));
	close(client);
	door_turn();
	door_pass_ms(2000);
	cr_expect_null(door.pending, "abandoned");
	cr_expect_eq(door.gateway.edge.streams, 0);
	client = door_client();
	free(door_ask(client, ASK_EVENTS, NULL));
	http_server_drain(door.server, NULL, NULL);
	door_turn();
	text = door_read(client, &eof);
	cr_expect_str_eq(text, "0\r\n\r\n");
	cr_expect(eof);
	free(text);
	cr_expect_eq(door.gateway.edge.streams, 0);
}

Test(http_api, followers_are_bounded)
{
	char *text;

	door.gateway.edge.streams = EVENT_STREAMS_MAX;
	text = door_ask(client, ASK_EVENTS, NULL);
	cr_expect(!strncmp(text, "HTTP/1.1 503 ", 13), "%s", text);
	free(text);
	door.gateway.edge.streams = EVENT_STREAMS_MAX - 1;
	text = door_ask(client, ASK_EVENTS, NULL);
	cr_expect(!strncmp(text, "HTTP/1.1 200 ", 13), "%s", text);
	cr_expect_eq(door.gateway.edge.streams, EVENT_STREAMS_MAX);
	free(text);
}

/* ---- bounds ---- */

#define CALL "GET /api/plugins HTTP/1.1\r\nHost: x\r\n" TOKEN "\r\n"
#define POST_CALL                                                              \
	"POST /api/tools/t HTTP/1.1\r\nHost: x\r\n" TOKEN                      \
	"Content-Length: 2\r\n\r\n{}"

static void
turn_once(void)
{
	ev_run(door.gateway.loop, EVRUN_NOWAIT);
}

Test(http_api, calls_get_a_slice_of_each_turn)
{
	enum { CLIENTS = 20 };
	int clients[CLIENTS], hello = door_client();
	unsigned turns = 0;

	door.command_ms = 3;
	for (int i = 0; i < CLIENTS; i++)
		clients[i] = door_client();
	for (int i = 0; i < CLIENTS; i++)
		door_send(clients[i], i % 2 ? POST_CALL : CALL CALL);
	door_send(hello, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	for (; door.commands < CLIENTS * 3 / 2 && turns < 1000; turns++) {
		unsigned before = door.commands;

		turn_once();
		/* One that began the turn, one that came in it. */
		cr_assert_leq(door.commands, before + 2);
		if (turns == 1)
			cr_expect_eq(door.count, 1, "the others wait");
	}
	cr_expect_eq(door.commands, CLIENTS * 3 / 2);
	door_turn();
	for (int i = 0; i < CLIENTS; i++) {
		char *text = door_read(clients[i], NULL);

		cr_expect(
			strstr(text, "HTTP/1.1 200 OK\r\n"), "%d: %s", i, text);
		free(text);
		close(clients[i]);
	}
	close(hello);
}

Test(http_api, a_call_that_waits_for_its_turn_ends_with_its_client)
{
	int clients[3];

	door.command_ms = 3;
	for (int i = 0; i < 3; i++)
		clients[i] = door_client();
	for (int i = 0; i < 3; i++) {
		door_send(clients[i], POST_CALL);
		if (i)
			close(clients[i]);
	}
	turn_once();
	turn_once();
	cr_expect_leq(door.commands, 3);
	door_turn();
	close(clients[0]);
}

static void
post_values(unsigned count, const char *expected)
{
	struct buffer body = {0};
	char head[200], *text;

	buffer_append_text(&body, "[0");
	for (unsigned i = 2; i < count; i++)
		buffer_append_text(&body, ",0");
	buffer_append_byte(&body, ']');
	snprintf(head, sizeof(head),
		"POST /api/tools/t HTTP/1.1\r\nHost: x\r\n" TOKEN
		"Content-Length: %zu\r\n\r\n",
		buffer_length(&body));
	door_send(client, head);
	door_send_bytes(client, buffer_bytes(&body), buffer_length(&body));
	door_turn();
	text = door_read(client, NULL);
	cr_expect(!strncmp(text, expected, strlen(expected)), "%u: %s", count,
		text);
	free(text);
	buffer_finish(&body);
}

Test(http_api, a_body_of_too_many_values_is_refused)
{
	post_values(WIRE_VALUES_MAX, "HTTP/1.1 200 ");
	post_values(WIRE_VALUES_MAX + 1, "HTTP/1.1 413 ");
}

Test(http_api, a_follower_begins_where_it_is_told)
{
	char *text;

	journal_note(door.gateway.journal, "early", NULL, NULL);
	journal_note(door.gateway.journal, "late", NULL, NULL);
	door_send(client, ASK_EVENTS);
	turn_once();
	cr_assert(door.pending);
	tell("after",
		json_integer(
			(json_int_t)journal_seq(door.gateway.journal) - 1));
	tell_event("later", "");
	text = door_read(client, NULL);
	cr_expect(!strstr(text, "event: early\n"), "%s", text);
	cr_expect(strstr(text, "event: late\n"), "%s", text);
	free(text);
}
