/* The admin API as a client of it finds it: for each call who may make it, what
 * is answered with which status, and that what is refused changes nothing. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"

TestSuite(api, .fini = run_fini, .timeout = 200);

#define ADMIN                                                                  \
	"admin: {tokens: ["                                                    \
	"{name: look, role: viewer, sha256: "                                  \
	"\"3c01eba119e00d79c82b6f65d70bc5f1044d568618bf41377e6d1432023fc2b8\"" \
	"}, {name: ops, role: operator, sha256: "                              \
	"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"" \
	"}, {name: root, role: admin, sha256: "                                \
	"\"4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2\"" \
	"}]}\n"

/* Tokens. */
#define NONE NULL
#define WRONG "wrong"
#define LOOK "look"
#define OPS "secret"
#define ROOT "root"

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();
	char *plugins;

	run_add_hello(g);
	run_add_fault(g);
	plugins = memory_format("%s  off: {use: hello, enabled: false, mount: "
				"/off, namespace: off}\n",
		g->plugins);
	free(g->plugins);
	g->plugins = plugins;
	free(g->extra);
	g->extra = memory_copy_text(ADMIN);
	run_start(g);
	return g;
}

/* fields: complete lines, or "". body NULL: none. */
static struct answer
ask(struct client *c, const char *method, const char *path, const char *token,
	const char *fields, const char *body)
{
	char length[60] = "";
	struct answer a;

	if (body)
		snprintf(length, sizeof(length), "Content-Length: %zu\r\n",
			strlen(body));
	cr_assert(client_say(c, "%s %s HTTP/1.1\r\nHost: x\r\n%s%s%s%s%s\r\n%s",
		method, path, token ? "Authorization: Bearer " : "",
		token ? token : "", token ? "\r\n" : "", fields, length,
		body ? body : ""));
	cr_assert(client_read(c, &a, !strcmp(method, "HEAD"), HTTP_DEADLINE_MS),
		"%s %s", method, path);
	return a;
}

/* Refused before it was anybody's, so not as JSON. */
static const char plain[] = "400 Bad Request: ";

struct row {
	const char *method, *path, *token, *fields, *body;
	int status;
	const char *says; /* in the head or the body; NULL: anything */
};

static void
check(struct gateway_run *g, const struct row *r)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	a = ask(&c, r->method, r->path, r->token, r->fields ? r->fields : "",
		r->body);
	cr_expect_eq(a.status, r->status, "%s %s (%s) %s: %d %s", r->method,
		r->path, r->token ? r->token : "-", r->body ? r->body : "",
		a.status, a.body);
	cr_expect(
		!r->says || strstr(a.body, r->says) || strstr(a.head, r->says),
		"%s %s: no '%s' in %s%s", r->method, r->path, r->says, a.head,
		a.body);
	if (a.body_bytes && r->says != plain) {
		json_t *document = json_loads(a.body, JSON_DECODE_ANY, NULL);

		cr_expect(document, "no JSON: %s", a.body);
		cr_expect(a.status < 400 ||
				  json_object_get(document, "error") ||
				  json_object_get(document, "results"),
			"%s", a.body);
		cr_expect_str_eq(
			answer_header(&a, "content-type"), "application/json");
		json_decref(document);
	}
	answer_finish(&a);
	client_close(&c);
}

#define CHECK(g, rows)                                                         \
	for (size_t i_ = 0; i_ < sizeof(rows) / sizeof(*(rows)); i_++)         \
	check(g, &(rows)[i_])

/* ---- who may ----*/

static const struct row who[] = {
	{"GET", "/api/plugins", NONE, 0, 0, 401, "WWW-Authenticate: Bearer"},
	{"GET", "/api/plugins", WRONG, 0, 0, 401, "token"},
	{"GET", "/api/plugins", "", 0, 0, 401, 0},
	{"GET", "/api/nothing", NONE, 0, 0, 401, 0},
	{"POST", "/api/plugins/reload", NONE, 0, "{\"pluginId\":\"hello\"}",
		401, 0},
	{"GET", "/api/plugins", NONE, "Authorization: Basic c2VjcmV0\r\n", 0,
		401, 0},
	{"GET", "/api/plugins", NONE, "Cookie: token=secret\r\n", 0, 401, 0},
	{"GET", "/api/plugins?token=secret", NONE, 0, 0, 401, 0},
	{"GET", "/api/plugins", NONE, "authorization: bearer   secret\r\n", 0,
		200, 0},
	{"GET", "/api/plugins", LOOK, 0, 0, 200, "\"plugins\":["},
	{"POST", "/api/plugins/reload", LOOK, 0, "{\"pluginId\":\"hello\"}",
		403, "permission denied: 'reload' needs the role operator"},
	{"POST", "/api/plugins/reload", LOOK, 0, "{malformed", 403, 0},
	{"POST", "/api/plugins/hello/stop", LOOK, 0, 0, 403, 0},
	{"POST", "/api/plugins/hello/restart", LOOK, 0, "{}", 403, 0},
	{"POST", "/api/plugins/hello/disable", LOOK, 0, 0, 403, 0},
	{"POST", "/api/plugins/off/enable", LOOK, 0, 0, 403, 0},
	{"POST", "/api/plugins/none/enable", LOOK, 0, 0, 403, 0},
	{"POST", "/api/plugins/scan", LOOK, 0, 0, 403, 0},
	{"POST", "/api/config/apply", LOOK, 0, "{}", 403, 0},
	{"GET", "/api/config/plan", NONE, 0, 0, 401, 0},
	{"POST", "/api/tools/hello", LOOK, 0, "{}", 403, 0},
	{"POST", "/api/commands/hello", LOOK, 0, "\"x\"", 403, 0},
	{"POST", "/api/events/x", LOOK, 0, "{}", 403, 0},
	{"GET", "/api/channels", LOOK, 0, 0, 200, "\"channels\":["},
	{"GET", "/api/messages", LOOK, 0, 0, 200, "\"messages\":["},
	{"GET", "/api/messages/1", LOOK, 0, 0, 403,
		"to show, retry or drop a message needs the role operator"},
	{"GET", "/api/messages/1", OPS, 0, 0, 404, 0},
	{"POST", "/api/messages/1/retry", LOOK, 0, "{}", 403, 0},
	{"POST", "/api/messages/1/drop", LOOK, 0, "{malformed", 403, 0},
	{"POST", "/api/channels/none/send", LOOK, 0,
		"{\"chat\":\"a\",\"text\":\"b\"}", 403, 0},
	{"POST", "/api/channels/none/send", OPS, 0,
		"{\"chat\":\"a\",\"text\":\"b\"}", 404,
		"no plugin has the channel 'none'"},
	{"POST", "/api/plugins/hello/restart", ROOT, 0, "{}", 200, "\"done\""},
};

Test(api, a_call_needs_a_token_and_its_role)
{
	struct gateway_run *g = start();

	CHECK(g, who);
	run_end(g);
}

/* ---- what there is ---- */

static const struct row looks[] = {
	{"GET", "/api/plugins", LOOK, 0, 0, 200, "\"canReload\":true"},
	{"HEAD", "/api/plugins", LOOK, 0, 0, 200, "Content-Length: "},
	{"GET", "/api/plugins/hello", LOOK, 0, 0, 200, "\"registrations\":["},
	{"GET", "/api/plugins/hello/can-reload", LOOK, 0, 0, 200,
		"\"safe\":true"},
	{"GET", "/api/plugins/off/can-reload", LOOK, 0, 0, 200,
		"\"reason\":\"disabled\""},
	{"GET", "/api/routes?kind=tool&plugin=hello", LOOK, 0, 0, 200,
		"\"kind\":\"tool\""},
	{"GET", "/api/status", LOOK, 0, 0, 200, "\"ready\":true"},
	{"GET", "/api/status?id=hello", LOOK, 0, 0, 200, "\"id\":\"hello\""},
	{"GET", "/api/version", LOOK, 0, 0, 200, "\"protocol\":1"},
	{"GET", "/api/history", LOOK, 0, 0, 200, "\"trigger\":\"start\""},
	{"GET", "/api/history?id=fault&lines=1", LOOK, 0, 0, 200,
		"\"pluginId\":\"fault\""},
	{"GET", "/api/events?follow=false&lines=5", LOOK, 0, 0, 200,
		"\"events\":["},
	{"GET", "/api/metrics", LOOK, 0, 0, 200, "\"supd_build_info\""},
	{"GET", "/api/plugins/none", LOOK, 0, 0, 404, "no such plugin"},
	{"GET", "/api/plugins/none/can-reload", LOOK, 0, 0, 404, 0},
	{"GET", "/api/", LOOK, 0, 0, 404, "unknown call"},
	{"GET", "/api/nothing", LOOK, 0, 0, 404, 0},
	{"GET", "/api/plugins/", LOOK, 0, 0, 404, 0},
	{"GET", "/api/plugins/hello/none", LOOK, 0, 0, 404, 0},
	{"GET", "/api/plugins/hello/can-reload/x", LOOK, 0, 0, 404, 0},
	{"GET", "/api/plugins/reload", LOOK, 0, 0, 405, "Allow: POST\r\n"},
	{"GET", "/api/plugins/scan", LOOK, 0, 0, 405, "Allow: POST\r\n"},
	{"GET", "/api/config/apply", LOOK, 0, 0, 405, "Allow: POST\r\n"},
	{"PUT", "/api/plugins/hello", LOOK, 0, 0, 405, "Allow: GET, HEAD\r\n"},
	{"DELETE", "/api/plugins", OPS, 0, 0, 405, "Allow: GET, HEAD\r\n"},
	{"GET", "/api/plugins/hello/start", OPS, 0, 0, 405, "Allow: POST\r\n"},
	{"OPTIONS", "/api/tools/hello", OPS, 0, 0, 405, "Allow: POST\r\n"},
	{"GET", "/api/events/x", OPS, 0, 0, 405, "Allow: POST\r\n"},
	{"POST", "/api/events", OPS, 0, "{}", 405, "Allow: GET, HEAD\r\n"},
	{"GET", "/api/plugins?frob=1", LOOK, 0, 0, 400,
		"unknown argument 'frob'"},
	{"GET", "/api/history?lines=x", LOOK, 0, 0, 400, "'lines'"},
	{"GET", "/api", LOOK, 0, 0, 200, "\"/api/plugins/{id}/logs\""},
	{"GET", "/api/plugins/hello/logs", LOOK, 0, 0, 200, "\"lines\":["},
	{"GET", "/api/plugins/hello/logs?lines=x", LOOK, 0, 0, 400, "'lines'"},
	{"GET", "/api/plugins/hello/logs?follow=true", LOOK, 0, 0, 400,
		"'follow'"},
	{"GET", "/api/plugins/none/logs", LOOK, 0, 0, 404, "no such plugin"},
	{"GET", "/api/events?follow=maybe", LOOK, 0, 0, 400, "'follow'"},
	{"GET", "/api/plugins", LOOK, 0, "{}", 400, "takes no body"},
	{"GET", "/api/events", LOOK, "Last-Event-ID: x\r\n", 0, 400, 0},
};

Test(api, tells_what_there_is)
{
	struct gateway_run *g = start();

	CHECK(g, looks);
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 1);
	run_end(g);
}

/* ---- bodies ---- */

#define RELOAD "/api/plugins/reload"

static const struct row bodies[] = {
	{"POST", RELOAD, OPS, 0, "{\"pluginId\": hello}", 400,
		"malformed JSON at line 1, column 18"},
	{"POST", RELOAD, OPS, 0, "{\n \"pluginId\":\n", 400, "\"line\":3"},
	{"POST", RELOAD, OPS, 0, "[]", 400, "not a JSON object"},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":\"a\",\"pluginId\":\"b\"}", 400,
		"duplicate"},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":7}", 400, "must be a string"},
	{"POST", RELOAD, OPS, 0, "{\"frob\":7}", 400,
		"unknown argument 'frob'"},
	{"POST", RELOAD, OPS, 0, "{}", 400, "give one of"},
	{"POST", RELOAD, OPS, 0, 0, 400, "give one of"},
	{"POST", RELOAD, OPS, "Content-Type: text/html\r\n",
		"{\"pluginId\":\"hello\"}", 415, "application/json"},
	{"POST", RELOAD, OPS,
		"Content-Type: application/json; charset=utf-16"
		"\r\n",
		"{\"pluginId\":\"hello\"}", 415, 0},
	{"POST", RELOAD, OPS, "Content-Encoding: gzip\r\n",
		"{\"pluginId\":\"hello\"}", 415, 0},
	{"POST", RELOAD, OPS,
		"Transfer-Encoding: chunked\r\nContent-Length: 3"
		"\r\n",
		0, 400, plain},
	{"POST", RELOAD, OPS, "Content-Length: 65537\r\n", 0, 413, "too large"},
	{"POST", RELOAD, OPS, "Content-Length: x\r\n", 0, 400, plain},
};

Test(api, a_body_that_is_not_as_it_should_be_changes_nothing)
{
	struct gateway_run *g = start();

	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct row row = bodies[i];

		check(g, &row);
	}
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 1);
	run_end(g);
}

/* ---- reload ---- */

static const struct row reloads[] = {
	{"POST", "/api/plugins/hello/reload", OPS, 0, 0, 200,
		"\"trigger\":\"http\""},
	{"POST", "/api/plugins/hello/reload", OPS, 0, "{\"wait\":\"verdict\"}",
		200, "\"success\":true"},
	{"POST", RELOAD, OPS, "Content-Type: application/json\r\n",
		"{\"pluginId\":\"hello\"}", 200, "\"trigger\":\"http\""},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":\"hello\",\"wait\":false}", 202,
		"\"state\":\"queued\""},
	{"POST", RELOAD, OPS, 0, "{\"pluginIds\":[\"fault\"]}", 200,
		"\"results\":[{"},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":\"none\"}", 404,
		"no such plugin"},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":\"off\"}", 409, "disabled"},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":\"off\",\"ifSafe\":true}", 409,
		"not safe now"},
	{"POST", "/api/plugins/none/reload", OPS, 0, 0, 404, "no such plugin"},
	{"POST", "/api/plugins/hello/reload", LOOK, 0, 0, 403, "operator"},
	{"POST", "/api/plugins/off/enable", OPS, 0, 0, 200, "\"done\""},
	{"POST", RELOAD "?pluginId=off", OPS, 0, 0, 200, "\"done\""},
	{"POST", "/api/plugins/off/disable", OPS, 0, "{}", 200, "\"done\""},
	{"POST", "/api/plugins/off/start", OPS, 0, 0, 409, "disabled"},
	{"POST", "/api/plugins/hello/stop", OPS, 0, 0, 200, "\"done\""},
	{"POST", RELOAD, OPS, 0, "{\"pluginId\":\"hello\"}", 409, "stopped"},
	{"POST", "/api/plugins/hello/start", OPS, 0, 0, 200, "\"done\""},
	{"POST", "/api/plugins/hello/restart", OPS, 0, 0, 200, "\"done\""},
	{"POST", "/api/plugins/none/restart", OPS, 0, 0, 404, 0},
	{"GET", "/api/config/plan", LOOK, 0, 0, 200, 0},
	{"POST", "/api/config/apply", OPS, 0, "{}", 200, "\"results\":["},
	{"POST", "/api/config/apply", OPS, 0, "{\"atomic\":true}", 200, 0},
	{"POST", "/api/config/apply", OPS, 0, "{\"atomic\":1}", 400, 0},
	{"POST", "/api/plugins/scan", OPS, 0, 0, 200, 0},
	{"GET", "/api/config", LOOK, 0, 0, 200, 0},
};

Test(api, reloads_starts_and_stops_as_supctl_does)
{
	struct gateway_run *g = start();
	struct row failing = {"POST", RELOAD, OPS, 0,
		"{\"pluginId\":\"fault\"}", 422, "\"state\":\"rolled_back\""};
	long pid;

	CHECK(g, reloads);
	pid = ctl_status_number(g, "fault", "pid");
	run_fault(g, "fault", "exit_at_start", "");
	check(g, &failing);
	failing.body = "{\"pluginIds\":[\"fault\",\"hello\"]}";
	failing.says = "\"success\":false";
	check(g, &failing);
	cr_expect_eq(ctl_status_number(g, "fault", "pid"), pid);
	run_end(g);
}

/* ---- names ---- */

static const char *const odd_names[] = {"..", "%2e%2e", "%2E%2E%2Fhello",
	"a%2Fb", "hel%00lo", "%00", "hello%0a", "%0d%0aX:%20y", "%1b[31m",
	"%7f", "HELLO", "hel%20lo", "%ff%fe", "hello.", "-hello", "%c3%b6",
	"hello%3b", "%25s%25n"};

Test(api, a_name_that_is_none_is_refused)
{
	static const char *const paths[] = {"GET /api/plugins/%s",
		"GET /api/plugins/%s/can-reload", "POST /api/plugins/%s/stop",
		"POST /api/plugins/%s/disable", "POST /api/tools/%s",
		"POST /api/commands/%s"};
	struct gateway_run *g = start();
	struct client c;
	struct answer a;
	char *state;

	for (size_t i = 0; i < sizeof(odd_names) / sizeof(*odd_names); i++)
		for (size_t k = 0; k < sizeof(paths) / sizeof(*paths); k++) {
			const char *at = strchr(paths[k], ' ');
			const char *slot = strstr(paths[k], "%s");
			char method[8], path[200];

			snprintf(method, sizeof(method), "%.*s",
				(int)(at - paths[k]), paths[k]);
			snprintf(path, sizeof(path), "%.*s%s%s",
				(int)(slot - at - 1), at + 1, odd_names[i],
				slot + 2);
			cr_assert(client_open(&c, g->http));
			a = ask(&c, method, path, OPS, "",
				*method == 'P' ? "" : NULL);
			/* Dots are resolved first: then it is another path. */
			cr_expect(a.status == 404 || a.status == 400 ||
					  a.status == 405,
				"%s %s: %d %s", method, path, a.status, a.body);
			cr_expect(!strchr(a.body, '\033') &&
				  !strstr(a.head, "X: y"));
			answer_finish(&a);
			client_close(&c);
		}
	cr_expect_eq(ctl_status_number(g, "hello", "generation"), 1);
	state = ctl_status_text(g, "hello", "state");
	cr_expect_str_eq(state, "serving");
	free(state);
	run_end(g);
}

/* ---- a denied call changes nothing, every time ---- */

static char *
everything(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "list", NULL);
	json_t *rows = ctl_at(c, "plugins"), *row;
	char *text;
	size_t i;

	json_array_foreach(rows, i, row) json_object_del(row, "uptimeSeconds");
	text = json_dumps(rows, JSON_SORT_KEYS);
	ctl_destroy(c);
	return text;
}

Test(api, a_denied_call_changes_nothing_a_hundred_times)
{
	static const struct {
		const char *method, *path, *body;
	} calls[] = {
		{"POST", RELOAD, "{\"pluginId\":\"hello\"}"},
		{"POST", RELOAD, "{\"all\":true,\"wait\":false}"},
		{"POST", "/api/plugins/hello/stop", ""},
		{"POST", "/api/plugins/hello/disable", "{}"},
		{"POST", "/api/plugins/off/enable", ""},
		{"POST", "/api/tools/fault", "{\"a\":1}"},
		{"POST", "/api/events/x", "1"},
	};
	static const char *const tokens[] = {NONE, WRONG, LOOK};
	struct gateway_run *g = start();
	char *before = everything(g), *after, *path;
	struct client c;

	cr_assert(client_open(&c, g->http));
	for (int round = 0; round < 100; round++)
		for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
			const char *token = tokens[(round + i) % 3];
			struct answer a = ask(&c, calls[i].method,
				calls[i].path, token, "", calls[i].body);

			cr_assert_eq(a.status, token == tokens[2] ? 403 : 401,
				"%s: %d", calls[i].path, a.status);
			answer_finish(&a);
		}
	client_close(&c);
	after = everything(g);
	cr_expect_str_eq(before, after);
	free(before);
	free(after);
	path = memory_format("%s/state/history.jsonl", g->dir);
	after = files_read(path);
	free(path);
	cr_expect(!strstr(after, "\"trigger\":\"http\""));
	free(after);
	run_end(g);
}

/* Until that many follow the events, with short pauses in between. */
static void
await_followers(struct gateway_run *g, int count)
{
	char *line = memory_format("\nsupd_event_followers %d\n", count);
	uint64_t deadline = clock_ms() + HTTP_DEADLINE_MS;
	bool there = false;

	while (!there && clock_ms() < deadline) {
		struct client c;
		struct answer a;

		cr_assert(client_open(&c, g->http));
		cr_assert(client_get(&c, "/metrics", &a));
		there = strstr(a.body, line);
		answer_finish(&a);
		client_close(&c);
	}
	cr_assert(there, "not %d followers", count);
	free(line);
}

/* ---- tokens that go while they are in use ---- */

Test(api, an_event_stream_ends_with_its_token)
{
	struct gateway_run *g = start();
	struct client look, ops;
	struct answer a;
	char *gone;

	cr_assert(client_open(&look, g->http) && client_open(&ops, g->http));
	client_say(&look, "GET /api/events HTTP/1.1\r\nHost: x\r\n"
			  "Authorization: Bearer " LOOK "\r\n\r\n");
	client_say(&ops, "GET /api/events HTTP/1.1\r\nHost: x\r\n"
			 "Authorization: Bearer " OPS "\r\n\r\n");
	await_followers(g, 2);
	gone = strstr(g->extra, "3c01eba1");
	cr_assert(gone);
	memcpy(gone, "00000000", 8);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	ctl_destroy(ctl_expect(g, 0, "emit", "after.that", "1", NULL));
	cr_assert(client_read(&look, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200);
	cr_expect(!strstr(a.body, "after.that"), "%s", a.body);
	answer_finish(&a);
	client_close(&look);
	await_followers(g, 1);
	client_close(&ops);
	run_end(g);
}

/* ---- tools, commands, events ---- */

static const struct row calls[] = {
	{"POST", "/api/tools/hello", OPS, "Content-Type: application/json\r\n",
		"{}", 200, "{\"plugin\":\"hello\""},
	{"POST", "/api/tools/hello", OPS, 0, 0, 200, "{\"plugin\":\"hello\""},
	{"POST", "/api/tools/fault", OPS, 0, "{\"a\":[1,\"x\",null]}", 200,
		"\"{\\\"a\\\":[1,\\\"x\\\",null]}\""},
	{"POST", "/api/tools/fault?timeoutMs=100", OPS, 0, "{\"sleep\":100000}",
		504, "\"code\":\"timeout\""},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":0}", 400,
		"told to fail"},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":2}", 403,
		"\"code\":\"denied\""},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":3}", 404,
		"\"code\":\"not_found\""},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":4}", 409, 0},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":5}", 503,
		"Retry-After: 1"},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":6}", 504, 0},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":8}", 413, 0},
	{"POST", "/api/tools/fault", OPS, 0, "{\"fail\":9}", 502,
		"\"code\":\"failed\""},
	{"POST", "/api/tools/none", OPS, 0, "{}", 404,
		"no plugin has the tool 'none'"},
	{"POST", "/api/tools/fault", OPS, 0, "{\"a\":", 400, "\"line\":1"},
	{"POST", "/api/tools/fault", OPS, 0, "{\"a\":\"\\u0000\"}", 200,
		"\\u0000"},
	{"POST", "/api/tools/fault", OPS, 0, "{\"a\\u0000\":1}", 400, 0},
	{"POST", "/api/commands/fault", OPS, 0, "\"a\\u0000\"", 400,
		"string without NUL"},
	{"POST", "/api/tools/fault?name=hello", OPS, 0, "{}", 400, 0},
	{"POST", "/api/tools/fault/x", OPS, 0, "{}", 404, 0},
	{"POST", "/api/commands/fault", OPS, 0, "\"a  b\"", 200, "\"a  b\""},
	{"POST", "/api/commands/fault", OPS, 0, "{\"text\":\"a b\"}", 200,
		"\"a b\""},
	{"POST", "/api/commands/fault", OPS,
		"Content-Type: text/plain; charset=UTF-8\r\n", "a \"b\"", 200,
		"\"a \\\"b\\\"\""},
	{"POST", "/api/commands/fault", OPS, 0, 0, 200, "\"\""},
	{"POST", "/api/commands/fault", OPS, 0, "[1]", 400, 0},
	{"POST", "/api/commands/none", OPS, 0, "\"\"", 404, "the command"},
	{"POST", "/api/events/a.b", OPS, 0, "{\"x\":1}", 200, "\"seq\":"},
	{"POST", "/api/events/a.b", OPS, 0, 0, 200, "\"event\":\"a.b\""},
	{"POST", "/api/events/gateway.ready", OPS, 0, 0, 400, "supd's own"},
	{"POST", "/api/events/a%20b", OPS, 0, 0, 400, "the name of an event"},
	{"POST", "/api/events/a%0ab", OPS, 0, 0, 400, plain},
	{"GET", "/api/events?follow=false&lines=1", OPS, 0, 0, 200,
		"\"event\":\"a.b\",\"pluginId\":null,\"data\":null"},
};

Test(api, calls_what_plugins_registered_and_takes_events)
{
	struct gateway_run *g = start();
	char *deep = memory_alloc(20001), *big = memory_alloc(70 * 1024);
	struct row row = {"POST", "/api/tools/fault", OPS, 0, deep, 400,
		"nested too deeply"};

	CHECK(g, calls);
	memset(deep, '[', 1000);
	memset(deep + 1000, ']', 1000);
	check(g, &row);
	/* More than an administrator's call may be, not than a tool's. */
	memset(big, 'x', 70 * 1024 - 1);
	big[0] = big[70 * 1024 - 2] = '"';
	row = (struct row){
		"POST", "/api/tools/fault", OPS, 0, big, 200, "xxxx"};
	check(g, &row);
	row = (struct row){"POST", "/api/events/a", OPS, 0, big, 413, 0};
	check(g, &row);
	cr_expect_eq(ctl_status_number(g, "fault", "restarts"), 0);
	free(deep);
	free(big);
	run_end(g);
}

Test(api, is_not_there_if_it_is_switched_off)
{
	struct gateway_run *g = run_create();
	struct row row = {"GET", "/api/plugins", OPS, 0, 0, 404, "disabled"};

	run_add_hello(g);
	free(g->extra);
	g->extra = memory_copy_text("admin: {http: false}\n");
	run_start(g);
	check(g, &row);
	run_end(g);
}
