/* observe: events, history and metrics of the built binaries: what happened is
 * told once, in order, to all who ask, and nothing of it keeps back a verdict.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/buffer.h"
#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/plan.h"
#include "tests/system/harness/run.h"

TestSuite(observe, .fini = run_fini, .timeout = 200);

#define ADMIN                                                                  \
	"admin: {metrics: token, tokens: [{name: ops, role: operator, "        \
	"sha256: "                                                             \
	"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"" \
	"}]}\n"
#define TOKEN "Authorization: Bearer secret\r\n"

/* ---- figures ---- */

/* The value of a sample of the text, -1 if it is not there. */
static double
sample(const char *text, const char *series)
{
	char *line = memory_format("\n%s ", series);
	const char *at = strstr(text, line);
	double value = at ? strtod(at + strlen(line), NULL) : -1;

	free(line);
	return value;
}

static struct answer
scrape(struct gateway_run *g, const char *fields)
{
	struct client c;
	struct answer a;

	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(
		&c, "GET /metrics HTTP/1.1\r\nHost: x\r\n%s\r\n", fields));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	client_close(&c);
	return a;
}

static double
figure(struct gateway_run *g, const char *series)
{
	struct answer a = scrape(g, TOKEN);
	double value;

	cr_assert_eq(a.status, 200);
	value = sample(a.body, series);
	answer_finish(&a);
	return value;
}

/* ---- events as supctl shows them ---- */

/* "reload.verdict hello" for each event with the plugin, one a line. */
static char *
event_names(const struct ctl *c)
{
	json_t *events = ctl_at(c, "events"), *event;
	struct buffer text = {0};
	size_t i;

	json_array_foreach(events, i, event)
	{
		const char *id =
			json_string_value(json_object_get(event, "pluginId"));

		buffer_format(&text, "%s%s%s\n",
			json_string_value(json_object_get(event, "event")),
			id ? " " : "", id ? id : "");
	}
	buffer_append(&text, "", 1);
	return (char *)buffer_bytes(&text);
}

static void
expect_in_order(const char *text, const char *const *parts)
{
	const char *at = text;

	for (; *parts; parts++) {
		at = strstr(at, *parts);
		cr_assert(at, "no '%s' (in this order) in:\n%s", *parts, text);
		at += strlen(*parts);
	}
}

Test(observe, what_happens_is_told_in_order)
{
	static const char *const parts[] = {"reload.phase fault\n",
		"reload.verdict fault\n", "reload.settled fault\n",
		"gateway.ready\n", "reload.phase fault\n",
		"reload.verdict fault\n", "reload.settled fault\n",
		"worker.crashed fault\n", "reload.verdict fault\n",
		"plugin.disabled fault\n", "reload.verdict fault\n",
		"plugin.enabled fault\n", "reload.verdict fault\n", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c;
	char *names;

	run_add_fault(g);
	run_defaults(g, "probation: 100ms");
	run_start(g);
	ctl_destroy(
		ctl_expect(g, 0, "reload", "fault", "--wait", "settled", NULL));
	http_status(g->http, "/fault/crash");
	run_announce(g, "killed by signal");
	ctl_await_number(g, "fault", "restarts", 2);
	ctl_await_state(g, "fault", "serving");
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "disable", "fault", NULL));
	ctl_destroy(ctl_expect(g, 0, "enable", "fault", NULL));
	c = ctl_expect(g, 0, "events", "-n", "1000", NULL);
	names = event_names(c);
	expect_in_order(names, parts);
	cr_expect_eq(ctl_number(c, "missed"), 0);
	for (size_t i = 1; i < json_array_size(ctl_at(c, "events")); i++) {
		char before[40], after[40];

		snprintf(before, sizeof(before), "events.%zu.seq", i - 1);
		snprintf(after, sizeof(after), "events.%zu.seq", i);
		cr_assert_eq(ctl_number(c, before) + 1, ctl_number(c, after));
	}
	ctl_destroy(c);
	c = ctl_expect(g, 0, "events", "-n", "2", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "events")), 2);
	ctl_destroy(c);
	free(names);
	run_end(g);
}

Test(observe, the_receipt_is_the_same_everywhere)
{
	struct gateway_run *g = run_create();
	struct ctl *call, *events, *history;
	json_t *event, *past, *receipt;

	run_add_hello(g);
	run_defaults(g, "probation: 50ms");
	run_start(g);
	call = ctl_expect(g, 0, "reload", "hello", "--wait", "settled", NULL);
	events = ctl_expect(g, 0, "events", "-n", "1", NULL);
	history = ctl_expect(g, 0, "history", "-n", "1", "hello", NULL);
	event = ctl_at(events, "events.0.data");
	past = ctl_at(history, "receipts.0");
	receipt = json_deep_copy(call->json);
	cr_expect_str_eq(ctl_text(events, "events.0.event"), "reload.settled");
	cr_expect(json_equal(event, receipt), "%s\n%s", events->out, call->out);
	cr_expect(json_is_string(json_object_get(past, "at")));
	json_object_del(past, "at");
	cr_expect(json_equal(past, receipt), "%s\n%s", history->out, call->out);
	json_decref(receipt);
	ctl_destroy(call);
	ctl_destroy(events);
	ctl_destroy(history);
	run_end(g);
}

/* supctl through the shell, without --json; what it prints. */
static char *
person(struct gateway_run *g, const char *words, int *exit_code_out)
{
	char *command = memory_format("%s/tools/supctl/supctl -s %s %s 2>&1",
		run_build_root(), g->control, words);
	char *out = memory_alloc(512 * 1024);
	FILE *pipe = popen(command, "r");
	size_t size;

	cr_assert(pipe);
	size = fread(out, 1, 512 * 1024 - 1, pipe);
	out[size] = 0;
	*exit_code_out = WEXITSTATUS(pclose(pipe));
	free(command);
	return out;
}

static void
expect_person(struct gateway_run *g, const char *words, int exit_code,
	const char *says)
{
	int got;
	char *text = person(g, words, &got);

	cr_expect_eq(got, exit_code, "%s: %d %s", words, got, text);
	cr_expect(strstr(text, says), "%s: no '%s' in %s", words, says, text);
	free(text);
}

Test(observe, people_read_lines_and_follow_them)
{
	struct gateway_run *g = run_create();
	char *command, line[4096], *text;
	FILE *pipe;
	int code;

	run_add_hello(g);
	run_start(g);
	expect_person(g, "events", 0, " reload.verdict hello ");
	expect_person(g, "emit a.b '{\"x\": \"\\u001b[31m\"}'", 0, "a.b");
	expect_person(g, "events -n 1", 0, "\\u001b[31m");
	expect_person(g, "emit a.b", 0, "a.b");
	expect_person(g, "emit a.b '{'", 2, "malformed JSON");
	expect_person(g, "emit gateway.x", 2, "supd's own");
	expect_person(g, "events --plugin hello", 0, " reload.verdict hello ");
	expect_person(g, "events --plugin helo", 5, "did you mean 'hello'?");
	expect_person(g, "emit", 2, "usage: supctl emit");
	expect_person(g, "events x", 2, "usage: supctl events");
	expect_person(g, "history hello", 0, "settled");
	expect_person(g, "history none", 5, "no such plugin");
	expect_person(g, "history -n x", 2, "-n needs a number");
	text = person(g, "history -n 0", &code);
	cr_expect(!strstr(text, "r-1"), "%s", text);
	free(text);
	command = memory_format("exec %s/tools/supctl/supctl -s %s events -f "
				"-n 1 2>&1",
		run_build_root(), g->control);
	pipe = popen(command, "r");
	cr_assert(pipe && fgets(line, sizeof(line), pipe));
	cr_expect(strstr(line, " a.b"), "%s", line);
	expect_person(g, "emit followed", 0, "followed emitted");
	cr_assert(fgets(line, sizeof(line), pipe));
	cr_expect(strstr(line, " followed"), "%s", line);
	run_signal(g, SIGTERM);
	cr_assert(fgets(line, sizeof(line), pipe));
	cr_expect(strstr(line, " gateway.stopping "), "%s", line);
	while (fgets(line, sizeof(line), pipe))
		continue;
	cr_expect(strstr(line, "supd has stopped"), "%s", line);
	cr_expect_eq(pclose(pipe), 0);
	cr_expect_eq(run_wait(g), 0);
	free(command);
	run_forget(g);
}

/* ---- events as a stream ---- */

struct stream {
	struct client client;
	struct buffer text;
};

static void
stream_open(struct stream *s, struct gateway_run *g, const char *query,
	const char *fields)
{
	*s = (struct stream){0};
	cr_assert(client_open(&s->client, g->http));
	cr_assert(client_say(&s->client,
		"GET /api/events%s HTTP/1.1\r\nHost: x\r\n" TOKEN "%s\r\n",
		query, fields));
}

/* Reads until `text` has come; false if the stream ends without it. */
static bool
stream_await(struct stream *s, const char *text)
{
	uint64_t deadline = clock_ms() + HTTP_DEADLINE_MS;
	struct pollfd wait = {.fd = s->client.fd, .events = POLLIN};

	for (;;) {
		ssize_t got;

		buffer_append(&s->text, "", 1);
		s->text.end--;
		if (strstr((char *)buffer_bytes(&s->text), text))
			return true;
		cr_assert_lt(clock_ms(), deadline, "no '%s' in %s", text,
			(char *)buffer_bytes(&s->text));
		if (poll(&wait, 1, 100) <= 0)
			continue;
		got = recv(s->client.fd, buffer_reserve(&s->text, 65536), 65535,
			0);
		if (got <= 0)
			return false;
		buffer_commit(&s->text, (size_t)got);
	}
}

/* The id of the last whole event that came. */
static void
stream_last_id(struct stream *s, char id[32])
{
	const char *at = (char *)buffer_bytes(&s->text), *last = NULL;

	while ((at = strstr(at, "\nid: ")))
		last = ++at;
	cr_assert(last);
	snprintf(id, 32, "%.*s", (int)strspn(last + 4, "0123456789"), last + 4);
}

static void
stream_close(struct stream *s)
{
	client_close(&s->client);
	buffer_finish(&s->text);
}

Test(observe, a_stream_goes_on_where_its_client_left)
{
	struct gateway_run *g = run_create();
	struct stream s;
	char id[32], *field;

	run_add_hello(g);
	plan_extra(g, ADMIN);
	run_start(g);
	stream_open(&s, g, "?lines=1", "");
	cr_assert(stream_await(&s, "event: gateway.ready\ndata: {"));
	cr_expect(strstr((char *)buffer_bytes(&s.text),
		"Content-Type: text/event-stream\r\n"));
	ctl_destroy(ctl_expect(g, 0, "emit", "one", "{\"n\":1}", NULL));
	cr_assert(stream_await(&s, "event: one\ndata: {"));
	cr_assert(stream_await(&s, "\"data\":{\"n\":1}}\n\n"));
	stream_last_id(&s, id);
	stream_close(&s);
	ctl_destroy(ctl_expect(g, 0, "emit", "two", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	field = memory_format("Last-Event-ID: %s\r\n", id);
	stream_open(&s, g, "", field);
	cr_assert(stream_await(&s, "event: two\n"));
	cr_assert(stream_await(&s, "event: reload.verdict\n"));
	cr_expect(!strstr((char *)buffer_bytes(&s.text), "event: one\n"));
	cr_expect(!strstr((char *)buffer_bytes(&s.text), "gateway.missed"));
	stream_close(&s);
	/* A new supd: what the old one told is gone, and that is told. */
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	run_start(g);
	stream_open(&s, g, "", field);
	cr_assert(
		stream_await(&s, "event: gateway.missed\ndata: {\"missed\":"));
	cr_assert(stream_await(&s, "event: gateway.ready\n"));
	stream_close(&s);
	free(field);
	run_end(g);
}

Test(observe, a_stream_ends_when_supd_stops)
{
	struct gateway_run *g = run_create();
	struct stream s;
	uint64_t begun;

	run_add_hello(g);
	plan_extra(g, ADMIN);
	run_start(g);
	stream_open(&s, g, "", "");
	cr_assert(stream_await(&s, ": events\n\n"));
	begun = clock_ms();
	run_signal(g, SIGTERM);
	cr_assert(stream_await(&s, "event: gateway.stopping\n"));
	cr_assert(stream_await(&s, "\r\n0\r\n\r\n"), "no end");
	cr_expect_eq(run_wait(g), 0);
	cr_expect_lt(clock_ms() - begun, 3000, "a stream kept supd from it");
	stream_close(&s);
	run_forget(g);
}

Test(observe, a_client_that_does_not_read_costs_little_and_is_told)
{
	struct gateway_run *g = run_create();
	char *data = memory_alloc(32 * 1024), *at;
	struct stream s;
	double missed;

	run_add_hello(g);
	plan_extra(g, ADMIN "limits: {write_timeout: 5m}\n");
	run_start(g);
	stream_open(&s, g, "", "");
	cr_assert(stream_await(&s, ": events\n\n"));
	memset(data, 'x', 32 * 1024 - 1);
	data[0] = data[32 * 1024 - 2] = '"';
	for (int i = 0; i < 200; i++)
		ctl_destroy(ctl_expect(g, 0, "emit", "big", data, NULL));
	cr_expect_eq(figure(g, "supd_event_followers"), 1);
	if (!getenv("TEST_VALGRIND"))
		cr_expect_lt(figure(g, "process_resident_memory_bytes"),
			1024. * (double)process_growth_max_kib(62500));
	/* It reads up: what the journal still has, and how much it has not. */
	ctl_destroy(ctl_expect(g, 0, "emit", "small", NULL));
	cr_assert(stream_await(&s, "event: small\n"));
	cr_expect(strstr((char *)buffer_bytes(&s.text),
		"event: gateway.missed\ndata: {\"missed\":"));
	missed = figure(g, "supd_events_missed_total");
	for (at = (char *)buffer_bytes(&s.text);
		(at = strstr(at, "\nevent: big\n")); at++)
		missed++;
	cr_expect_eq(missed, 200, "%f: each is told or counted", missed);
	stream_close(&s);
	free(data);
	run_end(g);
}

Test(observe, a_client_that_reads_nothing_at_all_is_closed)
{
	struct gateway_run *g = run_create();
	char *data = memory_alloc(32 * 1024);
	uint64_t deadline = clock_ms() + RUN_DEADLINE_MS;
	struct stream s;

	run_add_hello(g);
	plan_extra(g, ADMIN "limits: {write_timeout: 200ms}\n");
	run_start(g);
	stream_open(&s, g, "", "");
	cr_assert(stream_await(&s, ": events\n\n"));
	memset(data, 'x', 32 * 1024 - 1);
	data[0] = data[32 * 1024 - 2] = '"';
	while (figure(g, "supd_event_followers") > 0) {
		cr_assert_lt(clock_ms(), deadline);
		ctl_destroy(ctl_expect(g, 0, "emit", "big", data, NULL));
	}
	stream_close(&s);
	free(data);
	run_end(g);
}

Test(observe, what_a_worker_emits_is_told_with_its_plugin)
{
	struct gateway_run *g = run_create();
	struct answer a;
	struct ctl *c;
	size_t mark;

	run_add_fault(g);
	plan_extra(g, ADMIN);
	run_start(g);
	a = http_post(g->http, "/fault/emit?3", "job.done");
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	c = ctl_expect(g, 0, "events", "-n", "3", NULL);
	cr_expect_str_eq(ctl_text(c, "events.2.event"), "job.done");
	cr_expect_str_eq(ctl_text(c, "events.2.pluginId"), "fault");
	cr_expect_eq(ctl_number(c, "events.0.data.n"), 0);
	cr_expect_eq(ctl_number(c, "events.2.data.n"), 2);
	ctl_destroy(c);
	/* Names that are supd's own or none are refused, and told. */
	mark = capture_length(&g->log);
	a = http_post(g->http, "/fault/emit", "reload.verdict");
	answer_finish(&a);
	run_await_log(g, mark, "event refused: the name 'reload.verdict'");
	/* One that floods is cut, and serves on. */
	a = http_post(g->http, "/fault/emit?20000", "flood");
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	cr_expect_gt(figure(g, "supd_plugin_events_refused_total{plugin="
			       "\"fault\"}"),
		10000);
	cr_expect_geq(
		figure(g, "supd_plugin_events_total{plugin=\"fault\"}"), 900);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	run_end(g);
}

/* Waits until an event of that name was told of the plugin (NULL: of none), and
 * gives the last one's data; the caller frees. */
static json_t *
await_event(struct gateway_run *g, const char *name, const char *plugin_id)
{
	uint64_t deadline = clock_ms() + CTL_DEADLINE_MS;
	json_t *found = NULL, *event;
	size_t i;

	while (!found) {
		struct ctl *c = ctl_expect(g, 0, "events", "-n", "1000", NULL);

		json_array_foreach(ctl_at(c, "events"), i, event)
		{
			const json_t *id = json_object_get(event, "pluginId");

			if (strcmp(json_string_value(
					   json_object_get(event, "event")),
				    name) ||
				(plugin_id ? !json_is_string(id)
					   : !json_is_null(id)))
				continue;
			json_decref(found);
			found = json_incref(json_object_get(event, "data"));
		}
		ctl_destroy(c);
		cr_assert_lt(clock_ms(), deadline, "never told: %s", name);
	}
	return found;
}

static const char *
text_at(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

Test(observe, a_revert_and_a_plugin_given_up_are_told)
{
	struct gateway_run *g = run_create();
	json_t *data;
	struct ctl *c;

	run_add_fault(g);
	run_defaults(g, "probation: 20s, crash: {early_max: 2, within: 5m}");
	plan_extra(g, ADMIN);
	run_start(g);
	run_announce(g, "plugin failed");
	run_fault(g, "fault", "exit_after_swap", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	data = await_event(g, "reload.reverted", "fault");
	cr_expect_str_eq(text_at(data, "state"), "reverted");
	cr_expect(json_is_false(json_object_get(data, "success")));
	cr_expect_eq(
		json_integer_value(json_object_get(data, "generation")), 1);
	json_decref(data);
	c = ctl_expect(g, 0, "history", "-n", "1", "fault", NULL);
	cr_expect_str_eq(ctl_text(c, "receipts.0.state"), "reverted");
	ctl_destroy(c);
	cr_expect_eq(figure(g, "supd_plugin_reloads_total{plugin=\"fault\","
			       "outcome=\"reverted\"}"),
		1);
	cr_expect_eq(figure(g, "supd_plugin_last_reload_success{plugin="
			       "\"fault\"}"),
		0);
	ctl_destroy(ctl_run(g, "restart", "fault", NULL));
	data = await_event(g, "plugin.failed", "fault");
	cr_expect(*text_at(data, "error"));
	json_decref(data);
	cr_expect_eq(figure(g, "supd_plugin_up{plugin=\"fault\"}"), 0);
	cr_expect_eq(figure(g, "supd_plugins{state=\"failed\"}"), 1);
	run_end(g);
}

Test(observe, what_becomes_of_a_configuration_is_told_and_counted)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/supd.yaml", g->dir), *good;
	json_t *data;

	run_add_hello(g);
	plan_extra(g, ADMIN);
	run_start(g);
	good = files_read(path);
	run_signal(g, SIGHUP);
	json_decref(await_event(g, "config.applied", NULL));
	cr_expect_eq(
		figure(g, "supd_config_applies_total{outcome=\"applied\"}"), 1);
	files_write(path, "%sfrob: 1\n", good);
	run_announce(g, "frob");
	run_announce(g, "not applied");
	run_signal(g, SIGHUP);
	data = await_event(g, "config.refused", NULL);
	cr_expect(*text_at(data, "error"));
	json_decref(data);
	cr_expect_eq(
		figure(g, "supd_config_applies_total{outcome=\"refused\"}"), 1);
	cr_expect_eq(figure(g, "supd_config_last_reload_successful"), 0);
	cr_expect_gt(figure(g, "supd_config_last_reload_timestamp_seconds"),
		figure(g, "supd_config_last_reload_success_timestamp_seconds"));
	files_write(path, "%s", good);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	cr_expect_eq(figure(g, "supd_config_last_reload_successful"), 1);
	cr_expect_eq(
		figure(g, "supd_config_applies_total{outcome=\"applied\"}"), 2);
	free(good);
	free(path);
	run_end(g);
}

/* ---- verdicts are given whatever is told ---- */

Test(observe, a_history_that_cannot_be_written_keeps_back_no_verdict)
{
	static const char *const wrapper[] = {"unshare", "-rm", "sh", "-c",
		"mount --bind /dev/full \"$7/history.jsonl\" && exec \"$@\"",
		"sh"};
	struct gateway_run *g = run_create();
	char *state = memory_format("%s/state", g->dir);
	char *path = memory_format("%s/history.jsonl", state);
	struct ctl *c;

	if (system("unshare -rm mount --bind /dev/full /dev/null 2>/dev/null"))
		cr_skip_test("no mount namespace here");
	for (size_t i = 0; i < sizeof(wrapper) / sizeof(*wrapper); i++)
		g->wrapper[i] = wrapper[i];
	cr_assert_eq(mkdir(state, 0755), 0);
	files_write(path, "%s", "");
	run_announce(g, "history:");
	run_add_hello(g);
	run_start(g);
	c = ctl_expect(g, 0, "reload", "hello", NULL);
	cr_expect(json_is_true(ctl_at(c, "success")), "%s", c->out);
	ctl_destroy(c);
	run_await_log(g, 0, "history: cannot write");
	c = ctl_expect(g, 0, "history", "hello", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "receipts")), 2, "%s", c->out);
	ctl_destroy(c);
	run_end(g);
	free(path);
	free(state);
}

Test(observe, history_outlives_supd_and_numbers_go_on)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/state/history.jsonl", g->dir);
	char *text, *torn;
	struct ctl *c;
	long number;

	run_add_fault(g);
	run_start(g);
	run_fault(g, "fault", "exit_at_start", "");
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	run_fault(g, "fault", "", "");
	run_signal(g, SIGKILL);
	run_wait(g);
	text = files_read(path);
	cr_assert(text);
	torn = memory_format("%s{\"at\":\"2026", text);
	files_write(path, "%s", torn);
	run_start(g);
	c = ctl_expect(g, 0, "history", "fault", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "receipts")), 3, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "receipts.1.state"), "rolled_back");
	cr_expect(*ctl_text(c, "receipts.1.error"), "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "receipts.2.trigger"), "start");
	number = atol(ctl_text(c, "receipts.2.id") + 2);
	cr_expect_eq(number, atol(ctl_text(c, "receipts.1.id") + 2) + 1);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "history", "-n", "1", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "receipts")), 1);
	ctl_destroy(c);
	free(text);
	free(torn);
	free(path);
	run_end(g);
}

/* ---- hold overflow ---- */

Test(observe, hold_overflow_is_told_once_and_counted)
{
	struct gateway_run *g = run_create();
	struct client clients[12];
	struct ctl *c;
	unsigned told = 0, refused = 0;
	json_t *event;
	size_t i;

	run_add_fault(g);
	run_defaults(g, "max_in_flight: 1, hold_max: 2, hold_timeout: 20s");
	run_start(g);
	for (i = 0; i < 12; i++) {
		struct answer a;

		cr_assert(client_open(&clients[i], g->http));
		cr_assert(client_say(&clients[i],
			"GET /fault/slow?600000 HTTP/1.1\r\nHost: x\r\n\r\n"));
		if (i < 3)
			ctl_await_number(g, "fault", i ? "held" : "inFlight",
				i ? (long)i : 1);
		else if (client_read(
				 &clients[i], &a, false, HTTP_DEADLINE_MS)) {
			refused += a.status == 503;
			answer_finish(&a);
		}
	}
	cr_expect_eq(refused, 9);
	/* The rest of the burst is told when its second is over. */
	for (unsigned sum = 0; sum < 9;) {
		c = ctl_expect(g, 0, "events", "-n", "50", NULL);
		told = sum = 0;
		json_array_foreach(ctl_at(c, "events"), i, event)
		{
			const json_t *data = json_object_get(event, "data");

			if (strcmp(json_string_value(
					   json_object_get(event, "event")),
				    "hold.overflow"))
				continue;
			told++;
			sum += (unsigned)json_integer_value(
				json_object_get(data, "refused"));
		}
		ctl_destroy(c);
	}
	cr_expect_leq(told, 3);
	for (i = 0; i < 12; i++)
		client_close(&clients[i]);
	run_end(g);
}

/* ---- metrics ---- */

/* Each family once: HELP, TYPE, then only its own samples. */
static void
check_format(const char *text)
{
	char family[128] = "", type[32] = "", seen[16384] = "";

	for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
		char name[128], value[64], mark[132];
		const char *end = strchr(at, '\n');

		cr_assert(end, "the last line has no end");
		if (sscanf(at, "# HELP %127s ", name) == 1) {
			snprintf(mark, sizeof(mark), " %s ", name);
			cr_assert(!strstr(seen, mark), "%s twice", name);
			strcat(strcat(seen, mark + 0), " ");
			strcpy(family, name);
			cr_assert(!strncmp(name, "supd_", 5) ||
					  !strncmp(name, "process_", 8),
				"%s", name);
			type[0] = 0;
		} else if (sscanf(at, "# TYPE %127s %31s", name, type) == 2) {
			cr_assert_str_eq(name, family);
			cr_expect_eq(!strcmp(type, "counter"),
				strlen(name) > 6 &&
					!strcmp(name + strlen(name) - 6,
						"_total"),
				"%s is a %s", name, type);
		} else {
			size_t length = strcspn(at, "{ ");

			cr_assert(*type && !strncmp(at, family, strlen(family)),
				"%.100s stands in %s", at, family);
			cr_assert(length == strlen(family) ||
				  !strcmp(type, "histogram"));
			cr_assert(sscanf(memrchr(at, ' ', (size_t)(end - at)),
					  " %63[0-9.e+-]\n", value) == 1,
				"%.100s", at);
		}
	}
}

/* Prometheus' own tool, where it is installed. */
Test(observe, promtool_finds_nothing_wrong_with_the_metrics)
{
	struct gateway_run *g = run_create();
	char *path = memory_format("%s/metrics.txt", g->dir);
	char *said = memory_format("%s/promtool.txt", g->dir), *text;
	char *command = memory_format(
		"promtool check metrics < %s > %s 2>&1", path, said);
	struct answer a;

	if (system("command -v promtool >/dev/null"))
		cr_skip_test("promtool is not installed (package prometheus)");
	run_add_fault(g);
	run_add_hello(g);
	plan_extra(g, "");
	run_start(g);
	cr_expect_eq(http_status(g->http, "/fault"), 200);
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "fault", "{}", NULL));
	a = scrape(g, "");
	cr_assert_eq(a.status, 200);
	files_write(path, "%s", a.body);
	cr_expect_eq(system(command), 0);
	text = files_read(said);
	cr_expect_str_eq(text, "");
	free(text);
	answer_finish(&a);
	free(command);
	free(said);
	free(path);
	run_end(g);
}

Test(observe, metrics_show_what_a_worker_uses)
{
	struct gateway_run *g = run_create();

	run_add_fault(g);
	plan_extra(g, "");
	run_start(g);
	cr_expect_gt(
		figure(g, "supd_plugin_memory_bytes{plugin=\"fault\"}"), 1e5);
	cr_expect_geq(
		figure(g, "supd_plugin_cpu_seconds_total{plugin=\"fault\"}"),
		0);
	ctl_destroy(ctl_expect(g, 0, "stop", "fault", NULL));
	cr_expect_eq(
		figure(g, "supd_plugin_memory_bytes{plugin=\"fault\"}"), -1);
	run_end(g);
}

Test(observe, metrics_count_what_happened)
{
	struct gateway_run *g = run_create();
	struct answer a;
	const char *text;

	run_add_fault(g);
	plan_extra(g, "");
	run_defaults(g, "probation: 50ms");
	run_start(g);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(http_status(g->http, "/fault"), 200);
	cr_expect_eq(http_status(g->http, "/none"), 404);
	cr_expect_eq(http_status(g->http, "/fault/crash"), 502);
	run_announce(g, "killed by signal");
	/* It is idempotent: its replay kills the next worker, too. */
	ctl_await_number(g, "fault", "restarts", 2);
	ctl_await_state(g, "fault", "serving");
	ctl_destroy(ctl_expect(g, 0, "call", "tool", "fault", "{}", NULL));
	ctl_destroy(ctl_expect(
		g, 1, "call", "tool", "fault", "{\"fail\":3}", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_fault(g, "fault", "exit_at_start", "");
	ctl_destroy(ctl_expect(g, 1, "reload", "fault", NULL));
	a = scrape(g, "");
	cr_expect_eq(a.status, 200);
	cr_expect_str_eq(answer_header(&a, "content-type"),
		"text/plain; version=0.0.4; charset=utf-8");
	text = a.body;
	check_format(text);
#define S(series) sample(text, series)
#define P(name) S("supd_plugin_" name "{plugin=\"fault\"}")
#define Q(name, rest) S("supd_plugin_" name "{plugin=\"fault\"," rest "}")
	cr_expect_eq(S("supd_build_info{version=\"0.1.0\"}"), 1);
	cr_expect_eq(S("supd_ready"), 1);
	cr_expect_eq(S("supd_plugins{state=\"serving\"}"), 1);
	cr_expect_geq(S("supd_http_requests_total"), 6);
	cr_expect_eq(
		S("supd_http_requests_refused_total{reason=\"no_route\"}"), 1);
	cr_expect_geq(S("supd_http_connections"), 1);
	cr_expect_geq(S("supd_http_connections_accepted_total"), 6);
	cr_expect_gt(S("process_start_time_seconds"), 1.7e9);
	cr_expect_gt(S("process_resident_memory_bytes"), 1e6);
	cr_expect_gt(S("process_open_fds"), 5);
	cr_expect_geq(S("process_cpu_seconds_total"), 0);
	cr_expect_eq(S("supd_log_lines_dropped_total"), 0);
	cr_expect_eq(S("supd_config_last_reload_successful"), 1);
	cr_expect_gt(
		S("supd_config_last_reload_success_timestamp_seconds"), 1.7e9);
	cr_expect_gt(S("supd_events_total"), 10);
	cr_expect_eq(P("up"), 1);
	cr_expect_eq(Q("http_requests_total", "code=\"2xx\""), 3);
	cr_expect_eq(Q("http_requests_total", "code=\"5xx\""), 1);
	cr_expect_eq(P("http_request_duration_seconds_count"), 4);
	cr_expect_gt(P("http_request_duration_seconds_sum"), 0);
	cr_expect_eq(
		Q("http_request_duration_seconds_bucket", "le=\"+Inf\""), 4);
	cr_expect_eq(Q("requests_failed_total", "reason=\"died\""), 1);
	cr_expect_eq(Q("calls_total", "kind=\"tool\",outcome=\"done\""), 1);
	cr_expect_eq(Q("calls_total", "kind=\"tool\",outcome=\"failed\""), 1);
	cr_expect_eq(P("crashes_total"), 2);
	cr_expect_eq(P("restarts_total"), 2);
	cr_expect_eq(P("replays_total"), 1);
	cr_expect_eq(P("requests_in_flight"), 0);
	cr_expect_eq(P("requests_held"), 0);
	cr_expect_eq(Q("reloads_total", "outcome=\"committed\""), 4);
	cr_expect_eq(Q("reloads_total", "outcome=\"rolled_back\""), 1);
	cr_expect_eq(P("last_reload_success"), 0);
	cr_expect_gt(P("last_reload_timestamp_seconds"), 1.7e9);
	cr_expect_gt(P("last_reload_duration_seconds"), 0);
	cr_expect(!strstr(text, "pid=\"") && !strstr(text, "generation=\""));
	answer_finish(&a);
	run_end(g);
}

Test(observe, metrics_are_for_a_token_if_the_config_says_so)
{
	struct gateway_run *g = run_create();
	struct answer a;
	struct ctl *c;
	char *text;
	int code;

	run_add_hello(g);
	plan_extra(g, ADMIN);
	run_start(g);
	a = scrape(g, "");
	cr_expect_eq(a.status, 401);
	cr_expect(answer_header(&a, "www-authenticate"));
	answer_finish(&a);
	a = scrape(g, "Authorization: Bearer wrong\r\n");
	cr_expect_eq(a.status, 401);
	answer_finish(&a);
	a = scrape(g, TOKEN);
	cr_expect_eq(a.status, 200);
	answer_finish(&a);
	text = person(g, "metrics", &code);
	cr_expect_eq(code, 0);
	check_format(text);
	cr_expect_eq(sample(text, "supd_plugin_up{plugin=\"hello\"}"), 1);
	free(text);
	c = ctl_expect(g, 0, "metrics", NULL);
	cr_expect_gt(json_array_size(ctl_at(c, "metrics")), 30);
	cr_expect_str_eq(ctl_text(c, "metrics.0.name"), "supd_build_info");
	cr_expect_eq(ctl_number(c, "metrics.0.samples.0.value"), 1);
	ctl_destroy(c);
	run_end(g);
}
