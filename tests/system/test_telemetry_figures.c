/* Log lines and metrics on the built programs: what of them reaches a
 * collector, and what a bad one costs. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/collector.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"
#include "tests/system/harness/plan.h"

TestSuite(telemetry_figures, .fini = run_fini, .timeout = 240);

static struct gateway_run *
start(struct collector *c, const char *more)
{
	struct gateway_run *g = run_create();

	collector_start(c);
	run_add_fault(g);
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

static void
apply(struct gateway_run *g, struct collector *c, const char *more)
{
	collector_configure(g, c, more);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
}

static void
get_many(struct gateway_run *g, int count)
{
	for (int i = 0; i < count; i++) {
		struct answer a = http_get(g->http, "/fault/slow?0");

		cr_expect_eq(a.status, 200);
		answer_finish(&a);
	}
}

/* ---- log lines ---- */

/* The first line with this in it; the caller drops it. NULL: there is none. */
static json_t *
find_line(struct collector *c, const char *part)
{
	json_t *lines = collector_get(c, "lines"), *line, *found = NULL;
	size_t i;

	json_array_foreach(lines, i, line)
	{
		if (!found && strstr(span_text(line, "text"), part) &&
			strcmp(span_text(line, "severity"), "DEBUG") != 0)
			found = json_incref(line);
	}
	json_decref(lines);
	return found;
}

static json_t *
await_line(struct collector *c, const char *part)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);
	json_t *line;

	while (!(line = find_line(c, part)))
		cr_assert(patience_lasts(&p), "no line with '%s'", part);
	return line;
}

Test(telemetry_figures, a_line_of_a_plugin_says_whose_it_is)
{
	struct collector c;
	struct gateway_run *g = start(&c, "logs: true");
	json_t *line = await_line(&c, "fault: starting in mode");

	cr_expect_str_eq(span_attribute(line, "supd.plugin.id"), "fault");
	cr_expect_eq(span_number(line, "supd.plugin.generation"), 1);
	cr_expect_gt(span_number(line, "process.pid"), 1);
	cr_expect_str_eq(span_attribute(line, "log.iostream"), "stderr");
	cr_expect_neq(*span_text(line, "severity"), '\0');
	json_decref(line);
	telemetry_await(g, "supd_telemetry_exported_total", "logs", "", 1);
	end(g, &c);
}

Test(telemetry_figures, a_line_about_a_transaction_has_its_trace)
{
	struct collector c;
	struct gateway_run *g = start(&c, "logs: true, sampling: 0");
	json_t *line, *span;

	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	span = collector_span(&c, "reload fault");
	line = await_line(&c, span_attribute(span, "supd.id"));
	cr_expect_str_eq(span_text(line, "trace"), span_text(span, "trace"));
	cr_expect_str_eq(span_text(line, "span"), span_text(span, "span"));
	cr_expect_str_eq(span_text(line, "severity"), "INFO");
	json_decref(line);
	json_decref(span);
	end(g, &c);
}

Test(telemetry_figures, lines_are_exported_only_while_that_is_configured)
{
	struct collector c;
	struct gateway_run *g = start(&c, "logs: false");
	json_t *line;

	json_decref(collector_span(&c, "start fault"));
	cr_expect_eq(collector_count(&c, "lines"), 0);
	apply(g, &c, "logs: true");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	line = await_line(&c, "fault: starting in mode");
	cr_expect_eq(span_number(line, "supd.plugin.generation"), 2);
	json_decref(line);
	end(g, &c);
}

Test(telemetry_figures, a_line_about_telemetry_is_not_exported)
{
	struct collector c;
	struct gateway_run *g = start(&c, "logs: true, traces: false");
	struct ctl *reload;

	json_decref(await_line(&c, "fault: starting in mode"));
	collector_set(&c, "\"mode\": \"status\", \"status\": 400");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, 0, "telemetry: cannot export to");
	telemetry_await(
		g, "supd_telemetry_dropped_total", "logs", "refused", 1);
	get_many(g, 20);
	collector_set(&c, "\"mode\": \"ok\"");
	collector_forget(&c);
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	run_await_log(g, 0, "telemetry: exporting again");
	json_decref(await_line(&c, "fault: starting in mode"));
	/* Lines arrive in order: one about telemetry would be there first. */
	reload = ctl_expect(g, 0, "reload", "fault", NULL);
	json_decref(await_line(&c, ctl_text(reload, "id")));
	ctl_destroy(reload);
	cr_expect_null(find_line(&c, "telemetry:"));
	cr_expect_eq(
		capture_count(&g->log, 0, "telemetry: cannot export to"), 1);
	end(g, &c);
}

/* ---- metrics ---- */

/* Waits for a metric; the caller drops it. */
static json_t *
await_figures(struct collector *c, const char *name)
{
	struct patience p = patience_for(RUN_DEADLINE_MS);
	json_t *found = NULL;

	while (!found) {
		json_t *all = collector_get(c, "metrics");

		found = json_incref(json_object_get(all, name));
		json_decref(all);
		cr_assert(found || patience_lasts(&p), "no metric %s", name);
	}
	return found;
}

/* The point of plugin fault. */
static const json_t *
point_of(const json_t *metric)
{
	const json_t *point;
	size_t i;

	json_array_foreach(json_object_get(metric, "points"), i,
		point) if (!strcmp(span_attribute(point, "plugin"),
				   "fault")) return point;
	cr_assert_fail("%s has no point of fault", span_text(metric, "name"));
	return NULL;
}

Test(telemetry_figures, the_figures_of_the_page_arrive_in_three_forms)
{
	struct collector c;
	struct gateway_run *g = start(&c, "metrics: true, interval: 1s");
	json_t *metric;

	get_many(g, 20);
	collector_forget(&c);
	metric = await_figures(&c, "supd_plugin_http_requests_total");
	cr_expect_str_eq(span_text(metric, "kind"), "sum");
	json_decref(metric);
	metric = await_figures(&c, "supd_plugin_up");
	cr_expect_str_eq(span_text(metric, "kind"), "gauge");
	cr_expect_eq(
		json_number_value(json_object_get(point_of(metric), "value")),
		1);
	json_decref(metric);
	metric = await_figures(&c, "supd_plugin_http_request_duration_seconds");
	cr_expect_str_eq(span_text(metric, "kind"), "histogram");
	json_decref(metric);
	telemetry_await(g, "supd_telemetry_exported_total", "metrics", "", 1);
	end(g, &c);
}

/* Waits for a span that begins now, behind what is on its way. */
static void
drain(struct gateway_run *g, struct collector *c)
{
	struct ctl *reload = ctl_expect(g, 0, "reload", "fault", NULL);
	struct patience p = patience_for(RUN_DEADLINE_MS);
	bool is_it = false;

	while (!is_it) {
		json_t *span = collector_span(c, "reload fault");

		is_it = !strcmp(span_attribute(span, "supd.id"),
			ctl_text(reload, "id"));
		json_decref(span);
		cr_assert(is_it || patience_lasts(&p), "no span of %s",
			ctl_text(reload, "id"));
	}
	ctl_destroy(reload);
}

Test(telemetry_figures, an_apply_changes_the_interval_and_turns_them_off)
{
	struct collector c;
	struct gateway_run *g = start(&c, "metrics: true, interval: 1h");
	long before;

	drain(g, &c);
	cr_expect_eq(collector_count(&c, "metrics"), 0);
	apply(g, &c, "metrics: true, interval: 1s");
	collector_await(&c, "metrics", 1);
	apply(g, &c, "metrics: false, interval: 1s");
	drain(g, &c);
	before = telemetry_count(
		g, "supd_telemetry_exported_total", "metrics", "");
	/* The table comes after more than four intervals. */
	ctl_destroy(ctl_expect(g, 0, "top", "-d", "4500ms", NULL));
	drain(g, &c);
	cr_expect_leq(telemetry_count(g, "supd_telemetry_exported_total",
			      "metrics", ""),
		before + 2);
	end(g, &c);
}

Test(telemetry_figures, a_dead_collector_costs_figures_and_no_request)
{
	struct collector c;
	struct gateway_run *g = start(
		&c, "metrics: true, logs: true, interval: 1s, timeout: 1s");

	collector_await(&c, "metrics", 1);
	collector_end(&c);
	get_many(g, 200);
	run_await_log(g, 0, "telemetry: cannot export to");
	get_many(g, 200);
	collector_restart(&c);
	collector_set(&c, "\"mode\": \"status\", \"status\": 400");
	telemetry_await(
		g, "supd_telemetry_dropped_total", "metrics", "refused", 1);
	get_many(g, 200);
	collector_set(&c, "\"mode\": \"ok\"");
	collector_await(&c, "metrics", 1);
	end(g, &c);
}
