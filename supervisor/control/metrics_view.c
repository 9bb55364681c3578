/* metrics_view: two tables: what there is once, and what each plugin has. No
 * label holds what changes with every start (pid, generation): a series lives
 * as long as its plugin is configured. */
#include "supervisor/control/metrics_view.h"

#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"

/* ---- the gateway's ---- */

struct view {
	struct metrics_writer *w;
	struct gateway *g;
	struct metrics_process process;
	double start_seconds; /* wall clock */
};

static void
put(struct view *v, double value)
{
	metrics_sample(v->w, NULL, 0, value);
}

static void
put_labelled(struct view *v, const char *name, const char *text, double value)
{
	struct metrics_label label = {name, text};

	metrics_sample(v->w, &label, 1, value);
}

static void
build_info(struct view *v)
{
	put_labelled(v, "version", SUPD_VERSION, 1);
}

static void
start_time(struct view *v)
{
	put(v, v->start_seconds);
}

static void
ready(struct view *v)
{
	put(v, gateway_is_ready(v->g));
}

static void
plugins(struct view *v)
{
	unsigned counts[PLUGIN_STATE_COUNT] = {0};

	for (uint32_t i = 0; i < v->g->plugin_count; i++)
		if (v->g->plugins[i] && !v->g->plugins[i]->removed)
			counts[plugin_state(v->g->plugins[i])]++;
	for (int s = 0; s < PLUGIN_STATE_COUNT; s++)
		put_labelled(v, "state",
			plugin_state_text((enum plugin_state)s), counts[s]);
}

static void
connections(struct view *v)
{
	put(v, (double)v->g->edge.connections);
}

static void
connections_accepted(struct view *v)
{
	put(v, (double)v->g->edge.accepted);
}

static void
requests(struct view *v)
{
	put(v, (double)v->g->edge.requests);
}

static void
refused(struct view *v)
{
	static const char *const names[] = {
#define X(name, text, status) [GATEWAY_REFUSED_##name] = text,
		GATEWAY_REFUSALS(X)
#undef X
	};

	for (int i = 0; i < GATEWAY_REFUSAL_COUNT; i++)
		put_labelled(
			v, "reason", names[i], (double)v->g->edge.refused[i]);
}

static void
config_applies(struct view *v)
{
	const struct gateway_config_news *news = &v->g->config_news;

	put_labelled(v, "outcome", "applied", (double)news->applied);
	put_labelled(v, "outcome", "failed", (double)news->failed);
	put_labelled(v, "outcome", "refused", (double)news->refused);
}

/* What supd was started with was put in force, by the start. */
static void
config_success(struct view *v)
{
	const struct gateway_config_news *news = &v->g->config_news;

	put(v, !news->wall_ms || news->success);
}

static void
config_time(struct view *v)
{
	const struct gateway_config_news *news = &v->g->config_news;

	put(v, news->wall_ms ? (double)news->wall_ms / 1e3 : v->start_seconds);
}

static void
events(struct view *v)
{
	put(v, (double)journal_total(v->g->journal));
}

static void
event_followers(struct view *v)
{
	put(v, journal_followers(v->g->journal));
}

static void
events_missed(struct view *v)
{
	put(v, (double)v->g->edge.events_missed);
}

static void
history_errors(struct view *v)
{
	put(v, v->g->history ? (double)history_lost(v->g->history) : 0);
}

static void
log_dropped(struct view *v)
{
	put(v, (double)log_dropped_total());
}

static void
resident(struct view *v)
{
	put(v, (double)v->process.resident_bytes);
}

static void
virtual_memory(struct view *v)
{
	put(v, (double)v->process.virtual_bytes);
}

static void
cpu(struct view *v)
{
	put(v, v->process.cpu_seconds);
}

static void
open_fds(struct view *v)
{
	put(v, (double)v->process.open_fds);
}

static void
max_fds(struct view *v)
{
	put(v, (double)v->process.max_fds);
}

static const struct gateway_family {
	const char *name;
	enum metrics_type type;
	const char *help;
	void (*write)(struct view *v);
} gateway_families[] = {
	{"supd_build_info", METRICS_GAUGE, "The version that runs, always 1.",
		build_info},
	{"supd_start_time_seconds", METRICS_GAUGE,
		"When supd was started, seconds since 1970.", start_time},
	{"supd_ready", METRICS_GAUGE, "1 if /readyz says so.", ready},
	{"supd_plugins", METRICS_GAUGE, "Plugins by state.", plugins},
	{"supd_http_connections", METRICS_GAUGE,
		"HTTP connections that are open.", connections},
	{"supd_http_connections_accepted_total", METRICS_COUNTER,
		"HTTP connections accepted.", connections_accepted},
	{"supd_http_requests_total", METRICS_COUNTER,
		"HTTP requests begun, whoever answers them.", requests},
	{"supd_http_requests_refused_total", METRICS_COUNTER,
		"HTTP requests that supd refused before any plugin had them.",
		refused},
	{"supd_config_applies_total", METRICS_COUNTER,
		"Configurations read to be put in force, by what became of "
		"them.",
		config_applies},
	{"supd_config_last_apply_success", METRICS_GAUGE,
		"1 if the last configuration read is in force without a "
		"failure.",
		config_success},
	{"supd_config_last_apply_timestamp_seconds", METRICS_GAUGE,
		"When that was decided, seconds since 1970.", config_time},
	{"supd_events_total", METRICS_COUNTER,
		"Events in the gateway's event stream.", events},
	{"supd_event_followers", METRICS_GAUGE,
		"Clients that follow the event stream.", event_followers},
	{"supd_events_missed_total", METRICS_COUNTER,
		"Events that clients of GET /api/events read too slowly for.",
		events_missed},
	{"supd_history_write_errors_total", METRICS_COUNTER,
		"Verdicts that could not be written to the history.",
		history_errors},
	{"supd_log_lines_dropped_total", METRICS_COUNTER,
		"Log lines dropped because nobody read the log.", log_dropped},
	{"supd_process_resident_memory_bytes", METRICS_GAUGE,
		"Resident memory of supd, without its workers.", resident},
	{"supd_process_virtual_memory_bytes", METRICS_GAUGE,
		"Virtual memory of supd.", virtual_memory},
	{"supd_process_cpu_seconds_total", METRICS_COUNTER,
		"User and system time of supd.", cpu},
	{"supd_process_open_fds", METRICS_GAUGE,
		"File descriptors that supd has open.", open_fds},
	{"supd_process_max_fds", METRICS_GAUGE,
		"File descriptors that supd may have open.", max_fds},
};

/* ---- a plugin's ---- */

struct plugin_view {
	struct metrics_writer *w;
	const struct plugin *p;
};

static void
add(const struct plugin_view *v, double value)
{
	struct metrics_label label = {"plugin", v->p->id};

	metrics_sample(v->w, &label, 1, value);
}

static void
add_labelled(const struct plugin_view *v, const char *name, const char *text,
	double value)
{
	struct metrics_label labels[] = {{"plugin", v->p->id}, {name, text}};

	metrics_sample(v->w, labels, 2, value);
}

static void
plugin_info(const struct plugin_view *v)
{
	const struct worker *w = v->p->active;
	struct metrics_label labels[] = {{"plugin", v->p->id},
		{"package", v->p->config->use},
		{"version", w ? w->version : v->p->store.proven_version}};

	metrics_sample(v->w, labels, 3, 1);
}

static void
plugin_up(const struct plugin_view *v)
{
	add(v, plugin_serving(v->p) != NULL);
}

static void
plugin_requests(const struct plugin_view *v)
{
	static const char *const codes[] = {[1] = "1xx",
		[2] = "2xx",
		[3] = "3xx",
		[4] = "4xx",
		[5] = "5xx"};

	for (int i = 2; i <= 5; i++)
		add_labelled(
			v, "code", codes[i], (double)v->p->counters.answers[i]);
}

static void
plugin_latency(const struct plugin_view *v)
{
	struct metrics_label label = {"plugin", v->p->id};

	metrics_sample_histogram(v->w, &label, 1, &v->p->counters.latency);
}

static void
plugin_failures(const struct plugin_view *v)
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

	for (int i = 0; i < REQUEST_FAILURE_COUNT; i++)
		if (reasons[i])
			add_labelled(v, "reason", reasons[i],
				(double)v->p->counters.failures[i]);
}

static void
plugin_calls(const struct plugin_view *v)
{
	static const enum registration_kind kinds[] = {
		REGISTRATION_TOOL, REGISTRATION_COMMAND, REGISTRATION_METHOD};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		for (int failed = 0; failed < 2; failed++) {
			struct metrics_label labels[] = {{"plugin", v->p->id},
				{"kind", registration_kinds[kinds[i]].wire},
				{"outcome", failed ? "failed" : "done"}};

			metrics_sample(v->w, labels, 3,
				(double)v->p->counters.calls[kinds[i]][failed]);
		}
}

static void
plugin_reloads(const struct plugin_view *v)
{
	const struct plugin_counters *c = &v->p->counters;

	add_labelled(v, "outcome", "committed", (double)c->reloads);
	add_labelled(v, "outcome", "rolled_back", (double)c->rolled_back);
	add_labelled(v, "outcome", "reverted", (double)c->reverted);
	add_labelled(v, "outcome", "refused", (double)c->refused);
}

static void
plugin_last_success(const struct plugin_view *v)
{
	if (v->p->last.known)
		add(v, v->p->last.success);
}

static void
plugin_last_time(const struct plugin_view *v)
{
	if (v->p->last.known)
		add(v, (double)v->p->last.wall_ms / 1e3);
}

static void
plugin_last_duration(const struct plugin_view *v)
{
	if (v->p->last.known)
		add(v, v->p->last.seconds);
}

/* Figures that are one number. */
#define NUMBER(name, expression)                                               \
	static void name(const struct plugin_view *v)                          \
	{                                                                      \
		add(v, (double)(expression));                                  \
	}
NUMBER(plugin_cancelled, v->p->counters.cancelled)
NUMBER(plugin_flying, plugin_in_flight(v->p))
NUMBER(plugin_held_now, v->p->hold.count)
NUMBER(plugin_held_bytes, v->p->hold.bytes)
NUMBER(plugin_held_total, v->p->hold.held_total)
NUMBER(plugin_overflows, v->p->hold.overflow_total)
NUMBER(plugin_replays, v->p->counters.replayed)
NUMBER(plugin_restarts, v->p->counters.restarts)
NUMBER(plugin_crashes, v->p->counters.crashes)
NUMBER(plugin_events, v->p->counters.events)
NUMBER(plugin_events_refused, v->p->counters.events_refused)
#undef NUMBER

static const struct plugin_family {
	const char *name;
	enum metrics_type type;
	const char *help;
	void (*write)(const struct plugin_view *v);
} plugin_families[] = {
	{"supd_plugin_info", METRICS_GAUGE,
		"Package and version of a plugin, always 1.", plugin_info},
	{"supd_plugin_up", METRICS_GAUGE, "1 if a worker serves the plugin.",
		plugin_up},
	{"supd_plugin_http_requests_total", METRICS_COUNTER,
		"HTTP requests of a plugin that got an answer, by the class "
		"of its status.",
		plugin_requests},
	{"supd_plugin_http_request_duration_seconds", METRICS_HISTOGRAM,
		"Time from an HTTP request's head to its answer's.",
		plugin_latency},
	{"supd_plugin_requests_failed_total", METRICS_COUNTER,
		"Requests and calls that the plugin gave no answer to.",
		plugin_failures},
	{"supd_plugin_requests_cancelled_total", METRICS_COUNTER,
		"Requests and calls whose client left before their end.",
		plugin_cancelled},
	{"supd_plugin_calls_total", METRICS_COUNTER,
		"Calls of tools, commands and methods.", plugin_calls},
	{"supd_plugin_requests_in_flight", METRICS_GAUGE,
		"Requests and calls that a plugin's workers have.",
		plugin_flying},
	{"supd_plugin_requests_held", METRICS_GAUGE,
		"Requests and calls that wait for a worker.", plugin_held_now},
	{"supd_plugin_held_bytes", METRICS_GAUGE,
		"What those take of hold_bytes.", plugin_held_bytes},
	{"supd_plugin_requests_held_total", METRICS_COUNTER,
		"Requests and calls that had to wait for a worker.",
		plugin_held_total},
	{"supd_plugin_hold_overflows_total", METRICS_COUNTER,
		"Requests and calls refused because too many waited.",
		plugin_overflows},
	{"supd_plugin_replays_total", METRICS_COUNTER,
		"Requests sent again after their worker died.", plugin_replays},
	{"supd_plugin_restarts_total", METRICS_COUNTER,
		"Restarts after a crash.", plugin_restarts},
	{"supd_plugin_crashes_total", METRICS_COUNTER,
		"Serving workers that went down by themselves.",
		plugin_crashes},
	{"supd_plugin_reloads_total", METRICS_COUNTER,
		"Reloads, starts and restarts by what became of them.",
		plugin_reloads},
	{"supd_plugin_last_reload_success", METRICS_GAUGE,
		"1 if the last reload or start succeeded.",
		plugin_last_success},
	{"supd_plugin_last_reload_timestamp_seconds", METRICS_GAUGE,
		"When its verdict was given, seconds since 1970.",
		plugin_last_time},
	{"supd_plugin_last_reload_duration_seconds", METRICS_GAUGE,
		"How long it took to its verdict.", plugin_last_duration},
	{"supd_plugin_events_total", METRICS_COUNTER,
		"Events that a plugin's workers emitted.", plugin_events},
	{"supd_plugin_events_refused_total", METRICS_COUNTER,
		"Events of theirs that were refused: malformed, or too many.",
		plugin_events_refused},
};

static void
write_plugins(struct metrics_writer *w, struct gateway *g,
	const struct plugin_family *f)
{
	metrics_family(w, f->name, f->type, f->help);
	for (uint32_t i = 0; i < g->plugin_count; i++)
		/* One of the same id may come while the old one goes. */
		if (g->plugins[i] && !g->plugins[i]->removed)
			f->write(&(struct plugin_view){w, g->plugins[i]});
}

void
metrics_view_write(struct metrics_writer *w, struct gateway *g)
{
	struct view v = {.w = w, .g = g};

	metrics_read_process(&v.process);
	v.start_seconds =
		(double)(clock_wall_ms() - (clock_ms() - g->started_ms)) / 1e3;
	for (size_t i = 0;
		i < sizeof(gateway_families) / sizeof(*gateway_families); i++) {
		const struct gateway_family *f = &gateway_families[i];

		metrics_family(w, f->name, f->type, f->help);
		f->write(&v);
	}
	for (size_t i = 0;
		i < sizeof(plugin_families) / sizeof(*plugin_families); i++)
		write_plugins(w, g, &plugin_families[i]);
}
