/* Traces on the built programs: what reaches a collector, and what a bad
 * collector costs. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/collector.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

TestSuite(telemetry, .fini = run_fini, .timeout = 240);

#define EXPORTER_END_MS 1200 /* as in supd-export */
#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static struct gateway_run *
start(struct collector *c, const char *more)
{
	struct gateway_run *g = run_create();

	collector_start(c);
	run_add_hello(g);
	collector_configure(g, c, more);
	run_start(g);
	return g;
}

static void
end(struct gateway_run *g, struct collector *c)
{
	collector_check(c);
	run_end(g);
	collector_end(c);
}

/* GET with more header lines; the answer's body, which the caller frees. */
static char *
get(struct gateway_run *g, const char *path, const char *fields)
{
	struct answer a = http_get_with(g->http, path, fields);
	char *body = memory_copy_text(a.body);

	answer_finish(&a);
	return body;
}

static void
hup(struct gateway_run *g)
{
	size_t mark = capture_length(&g->log);

	run_signal(g, SIGHUP);
	run_await_log(g, mark, "configuration applied");
}

/* ---- a request ---- */

Test(telemetry, a_request_is_a_span_with_that_of_its_worker_in_it)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1");
	json_t *server, *worker;

	free(get(g, "/hello?secret=1",
		"traceparent: 00-" TRACE "-" PARENT "-01\r\n"));
	server = collector_span(&c, "GET /hello");
	cr_expect_str_eq(span_text(server, "trace"), TRACE);
	cr_expect_str_eq(span_text(server, "parent"), PARENT);
	cr_expect_eq(json_integer_value(json_object_get(server, "kind")), 2);
	cr_expect_str_eq(span_attribute(server, "http.request.method"), "GET");
	cr_expect_str_eq(span_attribute(server, "http.route"), "/hello");
	cr_expect_str_eq(span_attribute(server, "url.path"), "/hello");
	cr_expect_eq(span_number(server, "http.response.status_code"), 200);
	cr_expect_str_eq(span_attribute(server, "supd.plugin.id"), "hello");
	cr_expect_eq(span_number(server, "supd.plugin.generation"), 1);
	worker = collector_child(&c, server, "worker GET /hello");
	cr_expect_eq(json_integer_value(json_object_get(worker, "kind")), 3);
	json_decref(worker);
	json_decref(server);

	free(get(g, "/nothing", ""));
	server = collector_span(&c, "GET");
	cr_expect_eq(span_number(server, "http.response.status_code"), 404);
	cr_expect_str_eq(span_text(server, "parent"), "");
	cr_expect_eq(json_object_get(server, "error"), json_false());
	json_decref(server);
	end(g, &c);
}

Test(telemetry, a_stranger_cannot_have_everything_traced)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 0");
	char *config;
	json_t *span;

	for (int i = 0; i < 20; i++)
		free(get(g, "/hello",
			"traceparent: 00-" TRACE "-" PARENT "-01\r\n"));
	collector_await(&c, "spans", 1); /* of the start of the plugin */
	cr_expect_eq(collector_count(&c, "doubles"), 0);

	/* Who is trusted decides. */
	config = memory_format("telemetry: {endpoint: \"http://%s\", "
			       "sampling: 0}\ntrusted_proxies: [unix]\n",
		c.at.where);
	plan_extra(g, config);
	run_write_config(g);
	hup(g);
	free(config);
	free(get(g, "/hello", "traceparent: 00-" TRACE "-" PARENT "-00\r\n"));
	free(get(g, "/hello?", "traceparent: 00-" TRACE "-" PARENT "-01\r\n"));
	span = collector_span(&c, "GET /hello");
	cr_expect_str_eq(span_text(span, "trace"), TRACE);
	json_decref(span);
	span = collector_get(&c, "spans");
	for (size_t i = 0, requests = 0; i < json_array_size(span); i++) {
		requests += !strcmp(span_text(json_array_get(span, i), "name"),
			"GET /hello");
		cr_expect_leq(requests, 1);
	}
	json_decref(span);
	end(g, &c);
}

Test(telemetry, a_reload_is_a_span_with_its_phases_in_it)
{
	static const char *const phases[] = {
		"staging", "spawning", "checking", "commit"};
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 0");
	json_t *reload, *phase;

	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	reload = collector_span(&c, "reload hello");
	cr_expect_str_eq(span_attribute(reload, "supd.plugin.id"), "hello");
	cr_expect_eq(span_number(reload, "supd.plugin.generation"), 2);
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		phase = collector_child(&c, reload, phases[i]);
		json_decref(phase);
	}
	json_decref(reload);
	end(g, &c);
}

/* ---- a change at run time ---- */

/* 0: there is none. */
static long
exporter_pid(struct gateway_run *g)
{
	char path[64], name[32] = "";
	long pid, found = 0;
	FILE *children, *comm;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)g->pid,
		(int)g->pid);
	children = fopen(path, "r");
	while (children && fscanf(children, "%ld", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
		comm = fopen(path, "r");
		if (comm && fgets(name, sizeof(name), comm) &&
			!strcmp(name, "supd-export\n"))
			found = pid;
		if (comm)
			fclose(comm);
	}
	if (children)
		fclose(children);
	return found;
}

Test(telemetry, a_change_of_the_collector_loses_no_span)
{
	struct collector first, second;
	struct gateway_run *g = start(&first, "sampling: 1");
	json_t *span, *headers;
	long spans;

	for (int i = 0; i < 50; i++)
		free(get(g, "/hello", ""));
	collector_start(&second);
	collector_set(&first, "\"mode\": \"hang\"");
	for (int i = 0; i < 50; i++)
		free(get(g, "/hello", ""));
	collector_configure(g, &second,
		"sampling: 0.5, headers: {x-team: \"a b\"}, resource: "
		"{service.name: renamed, shard: 7}");
	run_write_config(g);
	hup(g);
	free(get(g, "/hello", ""));
	collector_await(&second, "spans", 1);
	telemetry_await(g, "supd_telemetry_exported_total", "spans", "", 200);
	spans = collector_count(&first, "spans") +
		collector_count(&second, "spans");
	cr_expect_geq(spans, 200, "%ld spans", spans);
	cr_expect_eq(
		telemetry_count(g, "supd_telemetry_dropped_total", "", ""), 0);
	headers = collector_get(&second, "headers");
	cr_expect_str_eq(span_text(headers, "x-team"), "a b");
	json_decref(headers);
	ctl_destroy(ctl_expect(g, 0, "reload", "hello", NULL));
	span = collector_span(&second, "reload hello");
	cr_expect_str_eq(
		span_text(json_object_get(span, "resource"), "service.name"),
		"renamed");
	json_decref(span);
	end(g, &second);
	collector_end(&first);
}

Test(telemetry, turned_off_it_costs_no_process_and_comes_back)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1");
	struct patience p;

	free(get(g, "/hello", ""));
	plan_extra(g, "");
	run_write_config(g);
	hup(g);
	/* what was made before is exported nevertheless */
	json_decref(collector_span(&c, "GET /hello"));
	p = patience_for(RUN_DEADLINE_MS);
	while (exporter_pid(g))
		cr_assert(patience_lasts(&p), "supd-export does not end");
	collector_forget(&c);
	free(get(g, "/hello", "traceparent: 00-" TRACE "-" PARENT "-01\r\n"));
	collector_configure(g, &c, "sampling: 1");
	run_write_config(g);
	hup(g);
	free(get(g, "/nothing", ""));
	json_decref(collector_span(&c, "GET"));
	cr_expect_eq(collector_count(&c, "spans"), 1);
	end(g, &c);
}

/* ---- what a bad collector costs ---- */

Test(telemetry, a_process_that_is_killed_comes_back)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1");
	long pid = exporter_pid(g);

	cr_assert(pid, "no supd-export");
	cr_assert(!kill((pid_t)pid, SIGKILL));
	run_await_log(g, 0, "supd-export ended (killed by signal 9");
	collector_forget(&c);
	free(get(g, "/hello", ""));
	json_decref(collector_span(&c, "GET /hello"));
	cr_expect_neq(exporter_pid(g), pid);
	end(g, &c);
}

Test(telemetry, a_dead_collector_costs_counted_spans_and_one_line)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1");

	collector_end(&c);
	for (int i = 0; i < 200; i++) {
		char *body = get(g, "/hello", "");

		cr_assert(strstr(body, "hello"), "%s", body);
		free(body);
	}
	run_await_log(g, 0, "telemetry: cannot export to");
	cr_expect_eq(telemetry_count(g, "supd_telemetry_failing", "", ""), 1);
	collector_restart(&c);
	run_await_log(g, 0, "telemetry: exporting again");
	collector_await(&c, "spans", 400); /* they waited for it */
	cr_expect_eq(
		capture_count(&g->log, 0, "telemetry: cannot export to"), 1);
	end(g, &c);
}

Test(telemetry, what_a_collector_refuses_is_counted)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1");

	collector_set(&c, "\"mode\": \"status\", \"status\": 400");
	free(get(g, "/hello", ""));
	telemetry_await(g, "supd_telemetry_dropped_total", "", "refused", 2);
	run_await_log(g, 0, "status 400; keeping");
	collector_set(&c, "\"mode\": \"ok\", \"reject\": 1");
	free(get(g, "/hello", ""));
	json_decref(collector_span(&c, "GET /hello"));
	run_await_log(g, 0, "telemetry: exporting again");
	telemetry_await(g, "supd_telemetry_dropped_total", "", "refused", 3);
	run_await_log(g, 0, "telemetry: the collector refused 1 record: some");
	end(g, &c);
}

Test(telemetry, a_signal_that_is_turned_off_fails_no_more)
{
	struct collector c;
	struct gateway_run *g =
		start(&c, "sampling: 1, metrics: true, interval: 1s");

	collector_set(&c, "\"mode\": \"status\", \"status\": 400");
	telemetry_await(g, "supd_telemetry_dropped_total", "metrics", "", 1);
	telemetry_await(g, "supd_telemetry_failing", "", "", 1);
	collector_set(&c, "\"mode\": \"ok\"");
	collector_configure(g, &c, "sampling: 1");
	run_write_config(g);
	hup(g);
	free(get(g, "/hello", ""));
	json_decref(collector_span(&c, "GET /hello"));
	run_await_log(g, 0, "telemetry: exporting again");
	end(g, &c);
}

/* It tries again after answers that allow it, and after none. */
static void
expect_again(struct gateway_run *g, struct collector *c, const char *knobs)
{
	long before;

	collector_set(c, "%s", knobs);
	before = collector_count(c, "requests");
	free(get(g, "/hello", ""));
	collector_await(c, "requests", before + 2);
	collector_forget(c);
	collector_set(c, "\"mode\": \"ok\", \"delay\": 0");
	json_decref(collector_span(c, "GET /hello"));
}

Test(telemetry, it_tries_again_where_that_may_help)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1, timeout: 1s");

	expect_again(g, &c, "\"mode\": \"status\", \"status\": 503");
	expect_again(g, &c, "\"mode\": \"garbage\"");
	expect_again(g, &c, "\"mode\": \"close\"");
	expect_again(g, &c, "\"mode\": \"hang\"");
	expect_again(g, &c,
		"\"mode\": \"status\", \"status\": 429, "
		"\"retry_after\": 1");
	cr_expect_eq(telemetry_count(
			     g, "supd_telemetry_dropped_total", "", "refused"),
		0);
	cr_expect_eq(telemetry_count(
			     g, "supd_telemetry_dropped_total", "", "unsent"),
		0);
	end(g, &c);
}

Test(telemetry, a_stop_does_not_wait_for_a_dead_collector)
{
	struct collector c;
	struct gateway_run *g = start(&c, "sampling: 1, timeout: 1h");

	collector_set(&c, "\"mode\": \"hang\"");
	free(get(g, "/hello", ""));
	collector_await(&c, "requests", 1);
	run_end(g); /* it fails if that takes too long */
	collector_end(&c);
}

/* The collector takes everything at once, so nothing is waited for: one of many
 * stops at least is faster than the time that a stop waits at most. */
Test(telemetry, a_stop_ends_with_the_last_answer)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS, took_ms;
	struct collector c;
	struct gateway_run *g = start(&c, "logs: true");

	for (;;) {
		uint64_t from = clock_ms();

		run_signal(g, SIGTERM);
		cr_assert_eq(run_wait(g), 0);
		took_ms = clock_ms() - from;
		run_start(g);
		if (took_ms < EXPORTER_END_MS)
			break;
		cr_assert_lt(clock_ms(), until, "a stop takes %u ms",
			(unsigned)took_ms);
	}
	end(g, &c);
}
