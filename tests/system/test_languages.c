/* The same plugin in every language that has an SDK (tests/plugins/scenario-*)
 * behind the built programs: each must give the answers of one table. Another
 * language is another line of LANGUAGES. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/run.h"
#include "tests/system/harness/shell.h"
#include "tests/system/harness/ws.h"

TestSuite(languages, .fini = run_fini, .timeout = 120);

#define LANGUAGES(X, behaviour)                                                \
	X(c, behaviour)                                                        \
	X(python, behaviour)                                                   \
	X(node, behaviour)

#define AS_TEST(language, behaviour)                                           \
	Test(languages, language##_##behaviour)                                \
	{                                                                      \
		struct gateway_run *g = start("scenario-" #language);          \
                                                                               \
		behaviour(g);                                                  \
		run_end(g);                                                    \
	}
#define IN_EVERY_LANGUAGE(behaviour) LANGUAGES(AS_TEST, behaviour)

#define BIG_BYTES 1000000
#define BODY_BYTES (700 * 1024) /* more than the credit of both directions */

static struct gateway_run *
start(const char *package)
{
	struct gateway_run *g = run_create();

	run_package(g, package, "scenario");
	run_plugin(g, "it", "use: scenario");
	run_start(g);
	return g;
}

/* ---- http ---- */

struct call {
	const char *request; /* "GET /path" */
	const char *headers; /* more lines, or NULL */
	int status;
	const char *has; /* a line of the answer's head, or NULL */
	const char *body;
};

static const struct call calls[] = {
	{"GET /hello/W%C3%B6rld%22", NULL, 200,
		"Content-Type: application/json\r\n",
		"{\"hello\":\"W\303\266rld\\\"\"}"},
	{"GET /text", NULL, 200, "Content-Type: text/plain; charset=utf-8\r\n",
		"text\n"},
	{"GET /nothing", NULL, 204, NULL, ""},
	{"GET /teapot", NULL, 418, "X-Kind: tea\r\n", "short and stout\n"},
	{"GET /teapot", NULL, 418, "Content-Type: text/x-tea\r\n",
		"short and stout\n"},
	{"GET /fail/bad_message", NULL, 400, NULL,
		"400 Bad Request: as asked\n"},
	{"GET /fail/denied", NULL, 403, NULL, "403 Forbidden: as asked\n"},
	{"GET /fail/not_found", NULL, 404, NULL, "404 Not Found: as asked\n"},
	{"GET /fail/conflict", NULL, 409, NULL, "409 Conflict: as asked\n"},
	{"GET /fail/busy", NULL, 503, NULL,
		"503 Service Unavailable: as asked\n"},
	{"GET /fail/failed", NULL, 502, NULL, "502 Bad Gateway: as asked\n"},
	{"GET /fail/too_large", NULL, 502, NULL, "502 Bad Gateway: as asked\n"},
	{"GET /heavy", NULL, 502, NULL, NULL},
	{"POST /heavy", NULL, 502, NULL, NULL},
	{"GET /request?a=1&b=%20", "X-One: 1\r\nx-TWO: \tw o \r\n", 200, NULL,
		"GET /request a=1&b=%20 1 w o\n"},
	{"GET /request", NULL, 200, NULL, "GET /request  - -\n"},
	{"GET /late", NULL, 200, NULL, "late\n"},
	{"GET /pieces", NULL, 200, "Transfer-Encoding: chunked\r\n",
		"piece 0\npiece 1\npiece 2\n"},
	{"GET /events", NULL, 200, "Content-Type: text/event-stream\r\n",
		"event: tick\nid: 0\ndata: {\"n\":0}\n\n"
		"event: tick\nid: 1\ndata: {\"n\":1}\n\n"
		"event: tick\nid: 2\ndata: {\"n\":2}\n\n"},
	{"GET /events", NULL, 200, "Cache-Control: no-cache\r\n", NULL},
	{"GET /me", NULL, 200, NULL,
		"{\"id\":\"it\",\"version\":\"1.0.0\",\"generation\":1,"
		"\"greeting\":\"Hello\",\"port\":7,\"absent\":\"absent\","
		"\"other\":\"no text\"}"},
	{"GET /call", NULL, 200, NULL, "{\"answer\":42}"},
	{"GET /call-none", NULL, 200, NULL, "{\"answer\":null}"},
	{"POST /length", NULL, 200, NULL, "{\"length\":0}"},
	{"POST /sum", NULL, 200, NULL, "{\"sum\":0}"},
	{"POST /echo", NULL, 200, NULL, ""},
	{"HEAD /text", NULL, 200, "Content-Length: 5\r\n", ""},
};

static void
one_table_of_calls(struct gateway_run *g)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *call = &calls[i];
		bool post = !strncmp(call->request, "POST", 4);

		cr_assert(client_say(&c, "%s HTTP/1.1\r\nHost: x\r\n%s%s\r\n",
			call->request, call->headers ? call->headers : "",
			post ? "Content-Length: 0\r\n" : ""));
		cr_assert(
			client_read(&c, &a, !strncmp(call->request, "HEAD", 4),
				HTTP_DEADLINE_MS),
			"%s", call->request);
		cr_expect_eq(a.status, call->status, "%s: %d %s", call->request,
			a.status, a.body);
		if (call->body)
			cr_expect_str_eq(
				a.body, call->body, "%s", call->request);
		if (call->has)
			cr_expect(strstr(a.head, call->has), "%s: %s",
				call->request, a.head);
		answer_finish(&a);
	}
	client_close(&c);
}
IN_EVERY_LANGUAGE(one_table_of_calls)

/* ---- bodies ---- */

static char *
long_body(void)
{
	char *body = memory_alloc(BODY_BYTES + 1);

	for (size_t i = 0; i < BODY_BYTES; i++)
		body[i] = (char)('a' + i / 7 % 26);
	return body;
}

static void
bodies_beyond_the_credit(struct gateway_run *g)
{
	char *body = long_body(), text[64];
	unsigned long long sum = 0;
	struct answer a;

	for (size_t i = 0; i < BODY_BYTES; i++)
		sum += (unsigned char)body[i];
	a = http_post(g->http, "/echo", body);
	cr_assert_eq(a.status, 200);
	cr_assert_str_eq(a.body, body);
	answer_finish(&a);

	a = http_post(g->http, "/sum", body);
	snprintf(text, sizeof(text), "{\"sum\":%llu}", sum);
	cr_expect_str_eq(a.body, text);
	answer_finish(&a);

	a = http_post(g->http, "/length", body);
	snprintf(text, sizeof(text), "{\"length\":%d}", BODY_BYTES);
	cr_expect_str_eq(a.body, text);
	answer_finish(&a);
	free(body);

	a = http_get(g->http, "/big");
	cr_expect_eq(a.body_bytes, BIG_BYTES);
	cr_expect_eq(strspn(a.body, "x"), BIG_BYTES);
	answer_finish(&a);
}
IN_EVERY_LANGUAGE(bodies_beyond_the_credit)

static void
a_body_beyond_its_limit_is_413(struct gateway_run *g)
{
	char body[2001] = "";
	struct answer a;

	memset(body, 'x', 2000);
	a = http_post(g->http, "/small", body);
	cr_expect_eq(a.status, 413);
	answer_finish(&a);
	body[1000] = '\0';
	a = http_post(g->http, "/small", body);
	cr_expect_str_eq(a.body, "{\"length\":1000}");
	answer_finish(&a);
}
IN_EVERY_LANGUAGE(a_body_beyond_its_limit_is_413)

static void
a_stream_that_is_given_up_is_cut(struct gateway_run *g)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /cut HTTP/1.1\r\nHost: x\r\n\r\n"));
	cr_expect_not(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	client_close(&c);
	cr_expect_eq(http_status(g->http, "/text"), 200);
}
IN_EVERY_LANGUAGE(a_stream_that_is_given_up_is_cut)

static void
a_client_that_leaves_cancels(struct gateway_run *g)
{
	struct client c;
	struct answer a;
	bool told;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "it", "inFlight", 1);
	client_close(&c);
	ctl_await_number(g, "it", "inFlight", 0);
	a = http_get(g->http, "/cancelled");
	told = !strcmp(a.body, "{\"cancelled\":1}");
	cr_expect(told, "%s", a.body);
	answer_finish(&a);
}
IN_EVERY_LANGUAGE(a_client_that_leaves_cancels)

/* ---- WebSocket connections ---- */

static void
a_connection_is_accepted_or_refused(struct gateway_run *g)
{
	struct ws w;
	struct answer a;

	ws_ask(&w, g->http, "/talk/a%20b",
		"Sec-WebSocket-Protocol: other, scenario\r\n");
	cr_expect_eq(w.status, 101);
	cr_expect(strstr(w.head, "Sec-WebSocket-Protocol: scenario\r\n"), "%s",
		w.head);
	cr_expect(strstr(w.head, "X-Room: a b\r\n"), "%s", w.head);
	ws_close(&w);
	ws_ask(&w, g->http, "/talk/a", "X-Refuse: 418\r\n");
	cr_expect_eq(w.status, 418);
	ws_leave(&w);
	ws_ask(&w, g->http, "/talk/a", "X-Fail: denied\r\n");
	cr_expect_eq(w.status, 403);
	ws_leave(&w);
	a = http_get(g->http, "/talk/a");
	cr_expect_str_eq(a.body, "the room a\n");
	answer_finish(&a);
	cr_expect_eq(http_status(g->http, "/pinned"), 426);
}
IN_EVERY_LANGUAGE(a_connection_is_accepted_or_refused)

static void
messages_go_both_ways(struct gateway_run *g)
{
	struct ws w;

	ws_open(&w, g->http, "/talk/a");
	ws_say(&w, "81:hello 82:%01%02");
	ws_expect(&w, "T(hello) B(\x01\x02)");
	ws_say(&w, "01:one 89:ping 80:two 81: 82*90000");
	ws_expect(&w, "pong(ping) T(onetwo) T() B+[65536] C[24464]");
	ws_say(&w, "81:big 81:close");
	ws_expect(&w, "B+[65536] C[24464] close(4000 as asked)");
	ws_leave(&w);
}
IN_EVERY_LANGUAGE(messages_go_both_ways)

static void
messages_have_a_limit_both_ways(struct gateway_run *g)
{
	struct ws w;

	ws_open(&w, g->http, "/talk/a");
	ws_say(&w, "82*100001");
	ws_expect(&w, "close(1009 the message is too large)");
	ws_leave(&w);
	ws_open(&w, g->http, "/talk/a");
	ws_say(&w, "81:large");
	ws_expect(
		&w, "B+[65536] close(1009 the plugin's message is too large)");
	ws_leave(&w);
}
IN_EVERY_LANGUAGE(messages_have_a_limit_both_ways)

static void
a_connection_outlives_reloads_and_crashes(struct gateway_run *g)
{
	struct ws w;

	ws_open(&w, g->http, "/talk/a");
	ws_say(&w, "81:a 81:count");
	ws_expect(&w, "T(a) T(2 in 1)");
	ctl_destroy(
		ctl_expect(g, 0, "reload", "it", "--wait", "settled", NULL));
	ws_expect(&w, "T(moved move 2)");
	ws_say(&w, "81:count");
	ws_expect(&w, "T(3 in 2)");
	cr_assert(!kill((pid_t)ctl_status_number(g, "it", "pid"), SIGKILL));
	ws_expect(&w, "T(moved crash -)");
	ws_say(&w, "81:count");
	ws_expect(&w, "T(1 in 3)");
	ws_close(&w);
}
IN_EVERY_LANGUAGE(a_connection_outlives_reloads_and_crashes)

static void
a_pinned_connection_stays_with_its_worker(struct gateway_run *g)
{
	struct ws old, new;

	ws_open(&old, g->http, "/pinned");
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
	ws_open(&new, g->http, "/pinned");
	ws_say(&old, "81:a");
	ws_expect(&old, "T(in 1)");
	ws_say(&new, "81:a");
	ws_expect(&new, "T(in 2)");
	ws_close(&old);
	ws_close(&new);
}
IN_EVERY_LANGUAGE(a_pinned_connection_stays_with_its_worker)

/* ---- tools, methods, commands ---- */

struct named {
	const char *kind, *name, *args;
	int exit_code;
	const char *output; /* of supctl --json, or part of its error */
};

static const struct named named[] = {
	{"tool", "add", "{\"a\": 1, \"b\": -3}", 0, "-2"},
	{"tool", "fails", "{}", 1, "as asked"},
	{"method", "double", "{\"n\": 4}", 0, "{\"n\": 8}"},
	{"command", "shout", "h\303\266 there", 0, "TH"},
	{"tool", "none", "{}", 5, "none"},
};

static void
what_has_a_name_is_called(struct gateway_run *g)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		const struct named *n = &named[i];
		struct ctl *c =
			ctl_run(g, "call", n->kind, n->name, n->args, NULL);

		cr_expect_eq(c->exit_code, n->exit_code, "%s: %d %s%s", n->name,
			c->exit_code, c->out, c->err);
		cr_expect(
			strstr(c->out, n->output) || strstr(c->err, n->output),
			"%s: %s%s", n->name, c->out, c->err);
		ctl_destroy(c);
	}
}
IN_EVERY_LANGUAGE(what_has_a_name_is_called)

/* Of eight links, and the call that was refused. */
static void
calls_in_a_circle_end_and_name_their_chain(struct gateway_run *g)
{
	struct ctl *c = ctl_run(g, "call", "tool", "again", NULL);

	cr_expect_eq(c->exit_code, 1);
	cr_expect(strstr(c->err, "more than 8 deep: it:again > it:around > "
				 "it:about > it:again > it:around > it:about > "
				 "it:again > it:around > about"),
		"%s", c->err);
	ctl_destroy(c);
}
IN_EVERY_LANGUAGE(calls_in_a_circle_end_and_name_their_chain)

#define LENT_MS 25000 /* what supctl asks for, and less than the default */

static void
a_call_has_no_longer_time_than_what_it_is_made_for(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(
		g, 0, "call", "tool", "lend", "--timeout", "20s", NULL);

	cr_expect_leq(strtol(c->out, NULL, 10), LENT_MS, "%s", c->out);
	cr_expect_gt(strtol(c->out, NULL, 10), 0);
	ctl_destroy(c);
}
IN_EVERY_LANGUAGE(a_call_has_no_longer_time_than_what_it_is_made_for)

static void
what_is_registered_is_the_same(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "reload", "it", NULL);

	cr_expect_eq(ctl_number(c, "registered.httpRoutes"), 32);
	cr_expect_str_eq(ctl_text(c, "registered.tools.0"), "add");
	cr_expect_str_eq(ctl_text(c, "registered.tools.1"), "fails");
	cr_expect_str_eq(ctl_text(c, "registered.wsMethods.0"), "double");
	cr_expect_str_eq(ctl_text(c, "registered.commands.0"), "shout");
	cr_expect_str_eq(ctl_text(c, "registered.schedules.0"), "hourly");
	cr_expect_str_eq(ctl_text(c, "registered.schedules.1"), "cross");
	cr_expect_eq(ctl_number(c, "registered.hooks"), 2);
	cr_expect_str_eq(ctl_text(c, "version"), "1.0.0");
	ctl_destroy(c);
}
IN_EVERY_LANGUAGE(what_is_registered_is_the_same)

/* ---- hooks ---- */

static void
await_event(struct gateway_run *g, const char *what)
{
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;
	bool found = false;

	while (!found && clock_ms() < deadline) {
		struct ctl *c = ctl_expect(g, 0, "events", NULL);

		found = strstr(c->out, what);
		ctl_destroy(c);
	}
	cr_expect(found, "no event %s", what);
}

static void
an_observer_hears_what_it_matches(struct gateway_run *g)
{
	for (int n = 0; n < 3; n++) {
		char data[16];

		snprintf(data, sizeof(data), "{\"n\":%d}", n);
		ctl_destroy(
			ctl_expect(g, 0, "emit", "scenario.heard", data, NULL));
	}
	await_event(g, "{\"n\": 1, \"hook\": \"heard\", \"event\": "
		       "\"scenario.heard\", \"by\": null}");
	await_event(g, "{\"n\": 2, \"hook\": \"heard\"");
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "take", "{}", NULL));
	await_event(g, "\"event\": \"scenario.taken\"");
}
IN_EVERY_LANGUAGE(an_observer_hears_what_it_matches)

static void
a_filter_has_four_verdicts(struct gateway_run *g)
{
	static const struct {
		const char *verdict;
		int exit_code;
		const char *says;
	} rows[] = {
		{"pass", 0, "\"verdict\": \"pass\""},
		{"change", 0, "\"changed\": true"},
		{"claim", 0, "\"claimed\": true"},
		{"stop", 1,
			"stopped by the hook judge of plugin 'it': as asked"},
		{"fail", 1, "the filter failed: no idea"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *args =
			memory_format("{\"verdict\":\"%s\"}", rows[i].verdict);
		struct ctl *c = ctl_expect(g, rows[i].exit_code, "call", "tool",
			"judged", args, NULL);

		cr_expect(strstr(c->out, rows[i].says) ||
				  strstr(ctl_text(c, "error"), rows[i].says),
			"%s: %s%s", rows[i].verdict, c->out, c->err);
		ctl_destroy(c);
		free(args);
	}
}
IN_EVERY_LANGUAGE(a_filter_has_four_verdicts)

/* ---- command lines ---- */

static void
command_lines_have_streams_and_an_exit_status(struct gateway_run *g)
{
	char *out = shell_expect(g, 7,
		"cd %s\n$SUPCTL x it args 7 a '' --json 'b c' -x 2>err\n"
		"status=$?; cat err; exit $status",
		g->dir);

	cr_expect_str_eq(out, "[a][][--json][b c][-x]to args\n");
	free(out);
	free(shell_expect(g, 0, "$SUPCTL x it args </dev/null"));
	out = shell_expect(g, 1, "$SUPCTL x it cross");
	cr_expect_str_eq(out, "supctl: as asked\n");
	free(out);
	out = shell_expect(g, 0,
		"cd %s\nhead -c 3000000 /dev/urandom >in\n"
		"$SUPCTL x it cat <in | cmp - in && $SUPCTL x it pour 3000000 "
		"| wc -c",
		g->dir);
	cr_expect_eq(atoi(out), 3000000, "%s", out);
	free(out);
}
IN_EVERY_LANGUAGE(command_lines_have_streams_and_an_exit_status)

static void
interrupt_cancels_a_command_line(struct gateway_run *g)
{
	struct answer a;

	free(shell_expect(g, 130,
		"cd %s\n$SUPCTL x it wait >out & pid=$!\n"
		"until grep -q waiting out; do read -t 0.02 <> <(:); done\n"
		"kill -INT $pid; wait $pid",
		g->dir));
	ctl_await_number(g, "it", "inFlight", 0);
	a = http_get(g->http, "/cancelled");
	cr_expect_str_eq(a.body, "{\"cancelled\":1}");
	answer_finish(&a);
}
IN_EVERY_LANGUAGE(interrupt_cancels_a_command_line)

/* ---- schedules ---- */

static void
what_is_due_is_a_tick(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "schedule", "run", "hourly", NULL);
	char *said = memory_format("\"id\": \"%s\", \"due\": %s, "
				   "\"missed\": 0",
		ctl_text(c, "tickId"), strchr(ctl_text(c, "tickId"), '@') + 1);

	ctl_destroy(c);
	c = ctl_expect(g, 0, "events", NULL);
	cr_expect(strstr(c->out, said), "%s is not in %s", said, c->out);
	ctl_destroy(c);
	free(said);
	c = ctl_expect(g, 1, "schedule", "run", "cross", NULL);
	cr_expect(strstr(c->err, "as asked"), "%s", c->err);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "show", "it", NULL);
	cr_expect_str_eq(ctl_text(c, "schedules.0.when"), "@hourly");
	cr_expect_str_eq(ctl_text(c, "schedules.0.zone"), "UTC");
	cr_expect_str_eq(ctl_text(c, "schedules.0.catchUp"), "none");
	cr_expect_str_eq(ctl_text(c, "schedules.0.lastEnd"), "done");
	cr_expect_str_eq(ctl_text(c, "schedules.1.lastEnd"), "failed");
	ctl_destroy(c);
}
IN_EVERY_LANGUAGE(what_is_due_is_a_tick)

/* ---- log and events ---- */

static void
lines_keep_their_level(struct gateway_run *g)
{
	static const char *const levels[] = {"warn", "info"};
	char path[32], *line;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		snprintf(path, sizeof(path), "/log/%s", levels[i]);
		cr_expect_eq(http_status(g->http, path), 204);
		line = memory_format("%s plugin=it gen=1 pid=%ld stream=log a "
				     "line of the scenario",
			levels[i], ctl_status_number(g, "it", "pid"));
		run_await_log(g, 0, line);
		free(line);
	}
}
IN_EVERY_LANGUAGE(lines_keep_their_level)

static void
what_it_emits_is_an_event(struct gateway_run *g)
{
	struct ctl *c;

	cr_expect_eq(http_status(g->http, "/emit"), 204);
	cr_expect_eq(http_status(g->http, "/text"), 200);
	c = ctl_expect(g, 0, "events", NULL);
	cr_expect(strstr(c->out, "scenario.said"), "%s", c->out);
	cr_expect(strstr(c->out, "\"it:GET /emit\""), "%s", c->out);
	ctl_destroy(c);
}
IN_EVERY_LANGUAGE(what_it_emits_is_an_event)

/* The old worker passes the receipt on while it drains, and its own request,
 * which waits for it, holds nothing up: neither the hand-over of state nor the
 * end of the drain. */
static void
its_own_reload_answers_with_the_receipt(struct gateway_run *g)
{
	struct answer a = http_post(g->http, "/reload-self", "");
	struct ctl *c;

	cr_expect_eq(a.status, 200, "%d %s", a.status, a.body);
	cr_expect(strstr(a.body, "\"generation\":2"), "%s", a.body);
	cr_expect(strstr(a.body, "\"trigger\":\"plugin\""), "%s", a.body);
	answer_finish(&a);
	c = ctl_expect(g, 0, "call", "tool", "reload-self", "{}", NULL);
	cr_expect_eq(ctl_number(c, "generation"), 3, "%s", c->out);
	cr_expect_eq(ctl_number(c, "aborted"), -1, "%s", c->out);
	ctl_destroy(c);
	cr_expect_eq(ctl_status_number(g, "it", "generation"), 3);
	ctl_await_number(g, "it", "inFlight", 0);
	c = ctl_expect(g, 0, "reload", "it", "--wait", "settled", NULL);
	ctl_destroy(c);
}
IN_EVERY_LANGUAGE(its_own_reload_answers_with_the_receipt)

/* ---- other registrations while it serves ---- */

static void
other_registrations_take_effect_in_one_step(struct gateway_run *g)
{
	struct client c;
	struct answer a;
	struct ctl *call;

	/* a request that was sent before is answered by what it was sent to */
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "it", "inFlight", 1);
	a = http_post(g->http, "/offer/wrong", "");
	cr_expect_eq(a.status, 409, "%d %s", a.status, a.body);
	answer_finish(&a);
	a = http_post(g->http, "/offer/right", "");
	cr_expect_str_eq(a.body, "changed\n");
	answer_finish(&a);
	a = http_get(g->http, "/new");
	cr_expect_str_eq(a.body, "new\n");
	answer_finish(&a);
	a = http_get(g->http, "/text");
	cr_expect_str_eq(a.body, "text\n");
	answer_finish(&a);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "late\n");
	answer_finish(&a);
	client_close(&c);
	call = ctl_expect(g, 0, "call", "tool", "fresh", "{\"a\": 1}", NULL);
	ctl_destroy(call);
	ctl_destroy(ctl_expect(g, 5, "call", "tool", "fails", NULL));

	/* what comes next has what its ready says */
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
	cr_expect_eq(http_status(g->http, "/new"), 404);
	ctl_destroy(ctl_expect(g, 1, "call", "tool", "fails", NULL));
}
IN_EVERY_LANGUAGE(other_registrations_take_effect_in_one_step)

/* ---- reloads ---- */

static void
the_old_worker_answers_what_it_has(struct gateway_run *g)
{
	struct client c;
	struct answer a;
	struct ctl *reload;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n"));
	ctl_await_number(g, "it", "inFlight", 1);
	reload = ctl_expect(g, 0, "reload", "it", "--wait", "settled", NULL);
	cr_expect_eq(ctl_number(reload, "aborted"), 0);
	ctl_destroy(reload);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_str_eq(a.body, "late\n");
	answer_finish(&a);
	client_close(&c);
}
IN_EVERY_LANGUAGE(the_old_worker_answers_what_it_has)

/* Puts a greeting into the configuration and has it applied. */
static void
configure(struct gateway_run *g, const char *greeting)
{
	size_t from = capture_length(&g->log);

	run_no_plugins(g);
	run_plugin(
		g, "it", "use: scenario, settings: {greeting: %s}", greeting);
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, from, "configuration applied");
}

static void
new_settings_are_told_or_refused(struct gateway_run *g)
{
	long pid = ctl_status_number(g, "it", "pid");
	struct answer a;

	configure(g, "Moin");
	a = http_get(g->http, "/me");
	cr_expect(strstr(a.body, "\"greeting\":\"Moin\",\"port\":7"), "%s",
		a.body);
	answer_finish(&a);
	cr_expect_eq(ctl_status_number(g, "it", "pid"), pid);

	/* then a new worker has them from its start */
	configure(g, "refused");
	a = http_get(g->http, "/me");
	cr_expect(strstr(a.body, "\"greeting\":\"refused\""), "%s", a.body);
	answer_finish(&a);
	cr_expect_neq(ctl_status_number(g, "it", "pid"), pid);
}
IN_EVERY_LANGUAGE(new_settings_are_told_or_refused)

static void
what_it_counted_outlives_a_reload(struct gateway_run *g)
{
	struct answer a;

	for (int i = 0; i < 3; i++) {
		a = http_post(g->http, "/count", "");
		answer_finish(&a);
	}
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
	a = http_post(g->http, "/count", "");
	cr_expect_str_eq(a.body, "{\"count\":4}");
	answer_finish(&a);
}
IN_EVERY_LANGUAGE(what_it_counted_outlives_a_reload)

static void
a_sick_worker_does_not_take_over(struct gateway_run *g)
{
	char *path = run_package_file(g, "scenario", "plugin.yaml");
	char *manifest = files_read(path), *settings;
	struct ctl *c;

	settings = strstr(manifest, "settings:");
	cr_assert(settings);
	*settings = '\0';
	files_write(path, "%ssettings: {sick: true}\n", manifest);
	run_announce(g, "not well");
	c = ctl_expect(g, 1, "reload", "it", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "not well"), "%s", c->out);
	ctl_destroy(c);
	free(manifest);
	free(path);
}
IN_EVERY_LANGUAGE(a_sick_worker_does_not_take_over)

/* ---- services, quiesce and take ---- */

/* Starts it anew as a plugin with services, and more settings. */
static void
serve(struct gateway_run *g, const char *settings)
{
	char *path = run_package_file(g, "scenario", "plugin.yaml");
	char *manifest = files_read(path);
	char *at = strstr(manifest, "settings:");

	cr_assert(at);
	*at = '\0';
	files_write(
		path, "%ssettings: {exclusive: true%s}\n", manifest, settings);
	free(manifest);
	free(path);
}

static char *
notes(struct gateway_run *g)
{
	char *path = memory_format("%s/state/data/it/notes", g->dir);
	char *text =
		files_exist(path) ? files_read(path) : memory_copy_text("");

	free(path);
	return text;
}

/* Waits for a line, and returns all after the first one of `from`. */
static char *
await_notes(struct gateway_run *g, const char *from, const char *line)
{
	for (int left = RUN_DEADLINE_MS / 5; left; left--) {
		char *all = notes(g), *at = strstr(all, from);
		char *after =
			at && strstr(at, line) ? memory_copy_text(at) : NULL;

		free(all);
		if (after)
			return after;
		poll(NULL, 0, 5);
	}
	cr_assert(false, "no %s", line);
	return NULL;
}

static void
expect_notes(struct gateway_run *g, const char *from, const char *line,
	const char *expected)
{
	char *noted = await_notes(g, from, line);

	cr_expect_str_eq(noted, expected);
	free(noted);
}

static void
services_go_from_worker_to_worker(struct gateway_run *g)
{
	struct ctl *c;

	serve(g, "");
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
	expect_notes(
		g, "2 side", "2 start\n", "2 side starts\n2 take 1\n2 start\n");
	c = ctl_expect(g, 0, "reload", "it", "--wait", "settled", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(ctl_text(c, "registered.services.0"), "ticker");
	ctl_destroy(c);
	expect_notes(g, "3 side starts", "2 side stops",
		"3 side starts\n2 stop\n2 quiesce\n3 take 2\n3 start\n"
		"2 side stops\n");

	cr_expect_eq(http_status(g->http, "/rain"), 204);
	cr_expect_eq(http_status(g->http, "/text"), 200);
	c = ctl_expect(g, 0, "show", "it", NULL);
	cr_expect_str_eq(ctl_text(c, "services.0.state"), "waiting");
	cr_expect_str_eq(ctl_text(c, "services.0.text"), "for rain");
	cr_expect_eq(ctl_number(c, "take.epoch"), 2);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "stop", "it", NULL));
	expect_notes(
		g, "3 stop", "3 quiesce", "3 stop\n3 side stops\n3 quiesce\n");
}
IN_EVERY_LANGUAGE(services_go_from_worker_to_worker)

static void
services_go_back(struct gateway_run *g)
{
	struct ctl *c;

	serve(g, "");
	ctl_destroy(ctl_expect(g, 0, "reload", "it", NULL));
	free(await_notes(g, "2 take", "2 start\n"));
	serve(g, ", broken: true");
	c = ctl_expect(g, 1, "reload", "it", NULL);
	cr_expect(strstr(ctl_text(c, "error"),
			  "service 'ticker' did not start: broken"),
		"%s", c->out);
	ctl_destroy(c);
	expect_notes(g, "3 take", "2 take",
		"3 take 2\n3 start\n3 start\n3 start\n3 quiesce\n2 take 3\n"
		"2 start\n");
}
IN_EVERY_LANGUAGE(services_go_back)
