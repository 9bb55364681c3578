/* Spans of every kind of work on the built programs: which there are, which is
 * the parent of which, and what of it plugins learn. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/collector.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/shell.h"
#include "tests/system/harness/ws.h"
#include "tests/system/session.h"

TestSuite(spans, .fini = run_fini, .timeout = 240);

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"
#define GIVEN "traceparent: 00-" TRACE "-" PARENT "-01\r\n"
#define KIND_SERVER 2
#define KIND_CLIENT 3
#define KIND_CONSUMER 5

/* The packages spans-*, each as a plugin of its own. */
static struct gateway_run *
start(struct collector *c, const char *sampling, const char *extra)
{
	static const char *const packages[] = {
		"spans-c", "spans-node", "spans-python"};
	struct gateway_run *g = run_create();
	char *text;

	collector_start(c);
	for (size_t i = 0; i < sizeof(packages) / sizeof(*packages); i++) {
		run_package(g, packages[i], packages[i]);
		run_plugin(g, packages[i], "use: %s", packages[i]);
	}
	text = memory_format("telemetry: {endpoint: \"http://%s\", sampling: "
			     "%s}\n%s",
		c->at.where, sampling, extra);
	plan_extra(g, text);
	free(text);
	run_start(g);
	return g;
}

static void
end(struct gateway_run *g, struct collector *c)
{
	collector_check(c);
	cr_expect_eq(collector_count(c, "doubles"), 0);
	run_end(g);
	collector_end(c);
}

/* GET with more header lines; the answer's body, which the caller frees. */
static char *
get(struct gateway_run *g, const char *path, const char *fields)
{
	struct answer a = http_get_with(g->http, path, fields);
	char *body = memory_copy_text(a.body);

	cr_expect_eq(a.status, 200, "%s: %d %s", path, a.status, a.body);
	answer_finish(&a);
	return body;
}

/* The text has the place of the span. */
static void
expect_place(const char *text, const json_t *span)
{
	char *place = memory_format("00-%s-%s-01", span_text(span, "trace"),
		span_text(span, "span"));

	cr_expect(strstr(text, place), "%s is not in %s", place, text);
	free(place);
}

static void
expect_kind(const json_t *span, int kind)
{
	cr_expect_eq(json_integer_value(json_object_get(span, "kind")), kind);
}

static void
expect_first(const json_t *span)
{
	cr_expect_str_eq(span_text(span, "parent"), "", "%s has a parent",
		span_text(span, "name"));
}

/* A child of that span, which the child replaces. */
static json_t *
step(struct collector *c, json_t *span, const char *name)
{
	json_t *child = collector_child(c, span, name);

	json_decref(span);
	return child;
}

/* ---- one trace over three languages ---- */

Test(spans, a_chain_over_three_languages_is_one_trace)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	char *body = get(g, "/chain", "");
	json_t *places = json_loads(body, 0, NULL);
	json_t *span = collector_span(&c, "GET /chain");

	cr_assert_not_null(places, "%s", body);
	expect_first(span);
	expect_kind(span, KIND_SERVER);
	span = step(&c, span, "worker GET /chain");
	expect_place(span_text(places, "python"), span);
	span = step(&c, span, "tool node-step");
	expect_kind(span, KIND_CLIENT);
	cr_expect_str_eq(span_attribute(span, "supd.plugin.id"), "spans-node");
	expect_place(span_text(places, "node"), span);
	span = step(&c, span, "tool c-step");
	cr_expect_str_eq(span_attribute(span, "supd.plugin.id"), "spans-c");
	expect_place(span_text(places, "c"), span);
	json_decref(span);
	json_decref(places);
	free(body);
	end(g, &c);
}

/* ---- each kind ---- */

Test(spans, an_event_takes_its_hooks_into_the_trace)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	char *body = get(g, "/emit", "");
	json_t *worker = collector_span(&c, "worker GET /emit"), *hook;
	struct ctl *events;

	expect_place(body, worker);
	hook = collector_child(&c, worker, "hook heard");
	cr_expect_str_eq(
		span_attribute(hook, "supd.plugin.id"), "spans-python");
	events = ctl_expect(g, 0, "events", NULL);
	expect_place(events->out, hook);
	ctl_destroy(events);
	json_decref(hook);
	json_decref(worker);
	free(body);
	end(g, &c);
}

Test(spans, a_filter_is_within_the_call_that_it_judges)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	struct ctl *call =
		ctl_expect(g, 0, "call", "tool", "judged", "{}", NULL);
	json_t *tool = collector_span(&c, "tool judged");

	expect_first(tool);
	expect_place(call->out, tool);
	json_decref(collector_child(&c, tool, "hook judge"));
	json_decref(tool);
	ctl_destroy(call);
	end(g, &c);
}

Test(spans, a_command_and_a_command_line_are_first_spans)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	struct ctl *call =
		ctl_expect(g, 0, "call", "command", "say", "x", NULL);
	json_t *span = collector_span(&c, "command say");
	char *out;

	expect_first(span);
	expect_place(call->out, span);
	json_decref(span);
	ctl_destroy(call);

	out = shell_expect(g, 0, "$SUPCTL x spans-python where");
	span = collector_span(&c, "cli where");
	expect_first(span);
	expect_place(out, span);
	json_decref(span);
	free(out);
	end(g, &c);
}

Test(spans, a_tick_is_a_first_span_with_its_calls_in_it)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	json_t *span;

	ctl_destroy(ctl_expect(g, 0, "schedule", "run", "daily", NULL));
	span = collector_span(&c, "tick daily");
	expect_first(span);
	span = step(&c, span, "tool node-step");
	span = step(&c, span, "tool c-step");
	json_decref(span);
	end(g, &c);
}

Test(spans, a_method_of_a_session_is_a_first_span)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", SESSION_ADMIN);
	struct session s;
	json_t *answer, *span;

	session_open(&s, g, SESSION_OPS);
	answer = session_call(&s, "span-method", "{}");
	span = collector_span(&c, "method span-method");
	expect_first(span);
	expect_place(
		span_text(json_object_get(answer, "result"), "python"), span);
	json_decref(span);
	json_decref(answer);
	session_close(&s);
	end(g, &c);
}

Test(spans, a_call_of_the_api_is_within_its_request)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", SESSION_ADMIN);
	struct client client;
	struct answer a;
	json_t *span;

	cr_assert(client_open(&client, g->http));
	cr_assert(client_say(&client,
		"POST /api/plugins/reload HTTP/1.1\r\nHost: t\r\n" GIVEN
		"Authorization: Bearer " SESSION_OPS "\r\n"
		"Content-Type: application/json\r\nContent-Length: 22\r\n\r\n"
		"{\"pluginId\":\"spans-c\"}"));
	cr_assert(client_read(&client, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200, "%s", a.body);
	answer_finish(&a);
	client_close(&client);
	span = collector_span(&c, "POST");
	cr_expect_str_eq(span_text(span, "trace"), TRACE);
	cr_expect_str_eq(span_text(span, "parent"), PARENT);
	span = step(&c, span, "reload spans-c");
	json_decref(span);
	end(g, &c);
}

Test(spans, a_message_has_its_command_and_the_reply_in_it)
{
	struct collector c;
	struct gateway_run *g = run_create();
	json_t *message, *command;

	collector_start(&c);
	chat_add(g, "a", "", "");
	chat_add_talk(g, "t", "a", "has: \"command,filter,observer\"");
	collector_configure(g, &c, "sampling: 1");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo hello\"");
	chat_await(g, "a", "outbox", "echo hello", 1);
	message = collector_span(&c, "message chat");
	expect_first(message);
	expect_kind(message, KIND_CONSUMER);
	cr_expect_str_eq(span_attribute(message, "supd.id"), "m1");
	command = collector_child(&c, message, "command echo");
	cr_expect_str_eq(span_attribute(command, "supd.plugin.id"), "t");
	json_decref(command);
	json_decref(collector_child(&c, message, "channel.send chat"));
	json_decref(message);
	end(g, &c);
}

/* ---- connections ---- */

/* What /talk says of its headers. */
static void
expect_headers(struct ws *w, const char *expected)
{
	cr_assert(ws_say(w, "81:where"));
	ws_expect(w, expected);
}

/* The place of the span as the only one. */
static void
expect_talk(struct ws *w, const json_t *span)
{
	char *frame = memory_format("T(1 00-%s-%s-01)",
		span_text(span, "trace"), span_text(span, "span"));

	expect_headers(w, frame);
	free(frame);
}

static void
reload_under(struct gateway_run *g, struct ws *w)
{
	ctl_destroy(ctl_expect(g, 0, "reload", "spans-python", NULL));
	ws_expect(w, "T(moved)");
}

Test(spans, a_connection_stays_in_the_trace_of_its_handshake)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	struct ws w;
	json_t *span;

	ws_ask(&w, g->http, "/talk", GIVEN);
	cr_assert_eq(w.status, 101);
	span = collector_span(&c, "GET /talk");
	cr_expect_str_eq(span_text(span, "trace"), TRACE);
	cr_expect_str_eq(span_text(span, "parent"), PARENT);
	cr_expect_eq(span_number(span, "http.response.status_code"), 101);
	span = step(&c, span, "worker GET /talk websocket");
	expect_talk(&w, span);
	for (int i = 0; i < 3; i++) {
		reload_under(g, &w);
		span = step(&c, span, "worker GET /talk websocket");
		cr_expect_eq(
			span_number(span, "supd.plugin.generation"), i + 2);
		expect_talk(&w, span);
	}
	json_decref(span);
	ws_close(&w);
	end(g, &c);
}

Test(spans, a_connection_that_is_not_traced_stays_so)
{
	struct collector c;
	struct gateway_run *g = start(&c, "0", "");
	char *config = memory_format(
		"telemetry: {endpoint: \"http://%s\", sampling: 1}\n",
		c.at.where);
	struct ws without, with;
	size_t mark;

	ws_open(&without, g->http, "/talk");
	ws_ask(&with, g->http, "/talk", GIVEN);
	cr_assert_eq(with.status, 101);
	expect_headers(&without, "T(0 none)");
	mark = capture_length(&g->log);
	plan_extra(g, config);
	run_write_config(g);
	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied");
	ctl_destroy(ctl_expect(g, 0, "reload", "spans-python", NULL));
	ws_expect(&without, "T(moved)");
	ws_expect(&with, "T(moved)");
	expect_headers(&without, "T(0 none)");
	expect_headers(&with, "T(1 00-" TRACE "-" PARENT "-00)");
	free(get(g, "/headers", ""));
	json_decref(collector_span(&c, "worker GET /headers"));
	ws_close(&without);
	ws_close(&with);
	free(config);
	end(g, &c);
}

/* ---- what clients send ---- */

/* Their headers of a trace are not believed: another trace begins, and nothing
 * of theirs reaches the plugin. */
static void
expect_other_trace(
	struct gateway_run *g, struct collector *c, const char *fields)
{
	char *body;
	json_t *span;

	collector_forget(c);
	body = get(g, "/headers", fields);
	span = collector_span(c, "GET /headers");
	expect_first(span);
	cr_expect_str_neq(span_text(span, "trace"), TRACE);
	span = step(c, span, "worker GET /headers");
	expect_place(body, span);
	cr_expect_eq(strlen(body), strlen("traceparent=\n") + 55, "%s of %.99s",
		body, fields);
	cr_expect_not(strstr(body, "tracestate"), "%s of %.99s", body, fields);
	json_decref(span);
	free(body);
}

Test(spans, a_malformed_traceparent_begins_another_trace)
{
	static const char *const wrong[] = {
		"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
		"00-" TRACE "-B7AD6B7169203331-01",
		"ff-" TRACE "-" PARENT "-01",
		"00-00000000000000000000000000000000-" PARENT "-01",
		"00-" TRACE "-0000000000000000-01",
		"00-" TRACE "-" PARENT "-01-more",
		"00-" TRACE "-" PARENT,
		"",
		"no",
	};
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	char *fields, *large = memory_alloc(7000);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		fields = memory_format(
			"traceparent: %s\r\ntracestate: a=1\r\n", wrong[i]);
		expect_other_trace(g, &c, fields);
		free(fields);
	}
	expect_other_trace(g, &c, GIVEN GIVEN "tracestate: a=1\r\n");
	memset(large, 'a', 6999);
	fields = memory_format("traceparent: %s\r\n", large);
	expect_other_trace(g, &c, fields);
	free(fields);
	free(large);
	end(g, &c);
}

Test(spans, a_later_version_and_a_large_tracestate_are_passed_on)
{
	struct collector c;
	struct gateway_run *g = start(&c, "1", "");
	char *fields, *body, *large = memory_alloc(7000), *state;
	json_t *span;

	memset(large, 'a', 6999);
	fields =
		memory_format("traceparent: cc-" TRACE "-" PARENT "-03-more\r\n"
			      "tracestate: a=%s\r\ntracestate: b=2\r\n",
			large);
	body = get(g, "/headers", fields);
	span = collector_span(&c, "GET /headers");
	cr_expect_str_eq(span_text(span, "trace"), TRACE);
	cr_expect_str_eq(span_text(span, "parent"), PARENT);
	span = step(&c, span, "worker GET /headers");
	expect_place(body, span);
	state = memory_format(
		"tracestate=a=%s\ntracestate=b=2\ntraceparent=00-", large);
	cr_expect_eq(strncmp(body, state, strlen(state)), 0, "%.80s", body);
	json_decref(span);
	free(state);
	free(large);
	free(fields);
	free(body);
	end(g, &c);
}

Test(spans, the_flag_of_a_stranger_counts_for_nothing)
{
	struct collector c;
	struct gateway_run *g = start(&c, "0", "");
	char *body;
	json_t *all;

	for (int i = 0; i < 20; i++) {
		body = get(g, "/headers", GIVEN "tracestate: a=1\r\n");
		cr_expect_str_eq(body, "tracestate=a=1\ntraceparent=00-" TRACE
				       "-" PARENT "-00\n");
		free(body);
		free(get(g, "/chain", GIVEN));
	}
	/* what is always traced comes after them */
	ctl_destroy(ctl_expect(g, 0, "reload", "spans-c", NULL));
	json_decref(collector_span(&c, "reload spans-c"));
	all = collector_get(&c, "spans");
	for (size_t i = 0; i < json_array_size(all); i++)
		cr_expect_str_neq(
			span_text(json_array_get(all, i), "trace"), TRACE);
	json_decref(all);
	end(g, &c);
}
