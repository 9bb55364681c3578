/* metrics_request: requests and calls for plugins. */
#include "supervisor/control/metrics_parts.h"

static void
plugin_requests(const struct figures *v)
{
	static const char *const codes[] = {
		[2] = "2xx", [3] = "3xx", [4] = "4xx", [5] = "5xx"};

	figures_put_each(v, "code", codes, v->p->counters.answers, 6);
}

static void
plugin_latency(const struct figures *v)
{
	struct metrics_label label = {"plugin", v->p->id};

	metrics_sample_histogram(v->w, &label, 1, &v->p->counters.latency);
}

static void
plugin_call_latency(const struct figures *v)
{
	struct metrics_label label = {"plugin", v->p->id};

	if (metrics_total(&v->p->counters.call_latency))
		metrics_sample_histogram(
			v->w, &label, 1, &v->p->counters.call_latency);
}

static void
plugin_failures(const struct figures *v)
{
	static const char *const reasons[REQUEST_FAILURE_COUNT] = {
		[REQUEST_OVERFLOW] = "overflow",
		[REQUEST_HELD_TOO_LONG] = "held_too_long",
		[REQUEST_UNAVAILABLE] = "unavailable",
		[REQUEST_STOPPING] = "stopping",
		[REQUEST_DIED] = "died",
		[REQUEST_BAD_ANSWER] = "bad_answer",
		[REQUEST_FAILED] = "failed",
		[REQUEST_LATE] = "late",
		[REQUEST_ENDED] = "ended",
	};

	figures_put_each(v, "reason", reasons, v->p->counters.failures,
		REQUEST_FAILURE_COUNT);
}

static void
plugin_calls_of(const struct figures *v, int kind)
{
	for (int failed = 0; failed < 2; failed++) {
		struct metrics_label labels[] = {{"plugin", v->p->id},
			{"kind", registration_kinds[kind]->wire},
			{"outcome", failed ? "failed" : "done"}};

		metrics_sample(v->w, labels, 3,
			(double)v->p->counters.calls[kind][failed]);
	}
}

static void
plugin_calls(const struct figures *v)
{
	for (int kind = 0; kind < REGISTRATION_KIND_COUNT; kind++)
		if (registration_kinds[kind]->caller == KIND_CALLER_NAME)
			plugin_calls_of(v, kind);
}

FIGURE(plugin_cancelled, v->p->counters.cancelled)
FIGURE(plugin_flying, plugin_in_flight(v->p))
FIGURE(plugin_held_now, v->p->hold.count)
FIGURE(plugin_held_bytes, v->p->hold.bytes)
FIGURE(plugin_held_total, v->p->hold.held_total)
FIGURE(plugin_overflows, v->p->hold.overflow_total)
FIGURE(plugin_replays, v->p->counters.replayed)

static const struct metrics_row rows[] = {
	{"supd_plugin_http_requests_total", METRICS_COUNTER,
		"HTTP requests of a plugin that got an answer, by the class "
		"of its status.",
		plugin_requests},
	{"supd_plugin_http_request_duration_seconds", METRICS_HISTOGRAM,
		"Time from an HTTP request's head to its answer's.",
		plugin_latency},
	{"supd_plugin_requests_failed_total", METRICS_COUNTER,
		"Requests and calls that the plugin did not answer.",
		plugin_failures},
	{"supd_plugin_requests_cancelled_total", METRICS_COUNTER,
		"Requests and calls whose client left before their end.",
		plugin_cancelled},
	{"supd_plugin_calls_total", METRICS_COUNTER,
		"Calls of tools, commands and methods.", plugin_calls},
	{"supd_plugin_call_duration_seconds", METRICS_HISTOGRAM,
		"Time from a call of a tool, command or method to its result.",
		plugin_call_latency},
	{"supd_plugin_requests_in_flight", METRICS_GAUGE,
		"Requests and calls in flight at a plugin's workers.",
		plugin_flying},
	{"supd_plugin_requests_held", METRICS_GAUGE,
		"Requests and calls that wait for a worker.", plugin_held_now},
	{"supd_plugin_held_bytes", METRICS_GAUGE,
		"Bytes that these use of hold_bytes.", plugin_held_bytes},
	{"supd_plugin_requests_held_total", METRICS_COUNTER,
		"Requests and calls that had to wait for a worker.",
		plugin_held_total},
	{"supd_plugin_hold_overflows_total", METRICS_COUNTER,
		"Requests and calls refused because too many waited.",
		plugin_overflows},
	{"supd_plugin_replays_total", METRICS_COUNTER,
		"Requests sent again after their worker died.", plugin_replays},
};
const struct metrics_group metrics_request = METRICS_GROUP(rows);
