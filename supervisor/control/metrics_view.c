/* metrics_view: the table of supd's own metrics, followed by those of each
 * plugin (metrics_plugin). */
#include "supervisor/control/metrics_view.h"

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "supervisor/control/metrics_plugin.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"
#include "supervisor/schedule/schedule.h"

struct view {
	struct metrics_writer *w;
	struct gateway *g;
	struct metrics_process process;
	double start_seconds; /* seconds since 1970 */
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
connections_evicted(struct view *v)
{
	put(v, (double)v->g->edge.evicted);
}

static void
connections_turned_away(struct view *v)
{
	put(v, (double)v->g->edge.turned_away);
}

static void
connections_too_slow(struct view *v)
{
	put(v, (double)v->g->edge.too_slow);
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
sessions(struct view *v)
{
	put(v, (double)v->g->edge.sessions);
}

static void
sessions_closed(struct view *v)
{
	static const char *const names[] = {
#define X(name, label) [GATEWAY_SESSION_##name] = label,
		GATEWAY_SESSION_ENDS(X)
#undef X
	};

	for (int i = 0; i < GATEWAY_SESSION_END_COUNT; i++)
		put_labelled(v, "reason", names[i],
			(double)v->g->edge.sessions_ended[i]);
}

static void
control_sessions(struct view *v)
{
	put(v, (double)v->g->control.sessions);
}

static void
control_closed(struct view *v)
{
	static const char *const names[] = {
#define X(name, label, text) [GATEWAY_CONTROL_##name] = label,
		GATEWAY_CONTROL_ENDS(X)
#undef X
	};

	for (int i = 0; i < GATEWAY_CONTROL_END_COUNT; i++)
		put_labelled(
			v, "reason", names[i], (double)v->g->control.ended[i]);
}

static void
chat_commands(struct view *v)
{
	for (int i = 0; i < OUTCOME_COUNT; i++)
		put_labelled(v, "outcome", outcome_rows[i].text,
			(double)v->g->chat.commands[i]);
}

static void
chat_unanswered(struct view *v)
{
	put(v, (double)v->g->chat.unanswered);
}

static void
chat_notices(struct view *v)
{
	static const char *const names[] = {
#define X(name, label) [GATEWAY_NOTICE_##name] = label,
		GATEWAY_NOTICE_ENDS(X)
#undef X
	};

	for (int i = 0; i < GATEWAY_NOTICE_END_COUNT; i++)
		put_labelled(
			v, "result", names[i], (double)v->g->chat.notices[i]);
}

static void
config_applies(struct view *v)
{
	const struct gateway_config_news *news = &v->g->config_news;

	put_labelled(v, "outcome", "applied", (double)news->applied);
	put_labelled(v, "outcome", "failed", (double)news->failed);
	put_labelled(v, "outcome", "refused", (double)news->refused);
}

/* The configuration that supd started with counts as a success. */
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
access_dropped(struct view *v)
{
	put(v, (double)v->g->edge.access_dropped);
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
lateness(struct view *v)
{
	if (schedule_lateness(v->g))
		metrics_sample_histogram(
			v->w, NULL, 0, schedule_lateness(v->g));
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
	{"supd_ready", METRICS_GAUGE, "1 if /readyz answers 200.", ready},
	{"supd_plugins", METRICS_GAUGE, "Plugins by state.", plugins},
	{"supd_http_connections", METRICS_GAUGE,
		"HTTP connections that are open.", connections},
	{"supd_http_connections_accepted_total", METRICS_COUNTER,
		"HTTP connections accepted.", connections_accepted},
	{"supd_http_connections_evicted_total", METRICS_COUNTER,
		"Idle HTTP connections closed to make room for others.",
		connections_evicted},
	{"supd_http_connections_turned_away_total", METRICS_COUNTER,
		"HTTP connections closed at once because none was idle.",
		connections_turned_away},
	{"supd_http_connections_too_slow_total", METRICS_COUNTER,
		"HTTP connections cut because the client took too little of an "
		"answer within write_timeout.",
		connections_too_slow},
	{"supd_http_requests_total", METRICS_COUNTER, "HTTP requests received.",
		requests},
	{"supd_http_requests_refused_total", METRICS_COUNTER,
		"HTTP requests refused before they reached a plugin.", refused},
	{"supd_sessions", METRICS_GAUGE, "Sessions at /ws that are open.",
		sessions},
	{"supd_sessions_closed_total", METRICS_COUNTER,
		"Sessions at /ws that ended, by reason.", sessions_closed},
	{"supd_control_sessions", METRICS_GAUGE,
		"Sessions of the control socket that are open.",
		control_sessions},
	{"supd_control_sessions_closed_total", METRICS_COUNTER,
		"Sessions of the control socket that supd closed or refused.",
		control_closed},
	{"supd_chat_commands_total", METRICS_COUNTER,
		"Built-in commands of chats, by outcome.", chat_commands},
	{"supd_chat_unanswered_total", METRICS_COUNTER,
		"Built-in commands of chats without an answer, because too "
		"many waited to be sent.",
		chat_unanswered},
	{"supd_chat_notices_total", METRICS_COUNTER,
		"Notices for the chats of admin.notify, by what became of "
		"them.",
		chat_notices},
	{"supd_config_applies_total", METRICS_COUNTER,
		"Configurations read to be applied, by outcome.",
		config_applies},
	{"supd_config_last_apply_success", METRICS_GAUGE,
		"1 if the last configuration read is in force without a "
		"failure.",
		config_success},
	{"supd_config_last_apply_timestamp_seconds", METRICS_GAUGE,
		"Time of the last attempt, seconds since 1970.", config_time},
	{"supd_events_total", METRICS_COUNTER,
		"Events in the gateway's event stream.", events},
	{"supd_event_followers", METRICS_GAUGE,
		"Clients that follow the event stream.", event_followers},
	{"supd_events_missed_total", METRICS_COUNTER,
		"Events that slow clients of GET /api/events and /ws missed.",
		events_missed},
	{"supd_schedule_late_seconds", METRICS_HISTOGRAM,
		"Time from when a tick was due until it was sent, of ticks "
		"that did not have to wait.",
		lateness},
	{"supd_history_write_errors_total", METRICS_COUNTER,
		"Verdicts that could not be written to the history.",
		history_errors},
	{"supd_log_lines_dropped_total", METRICS_COUNTER,
		"Log lines dropped because the log could not be written.",
		log_dropped},
	{"supd_access_log_lines_dropped_total", METRICS_COUNTER,
		"Lines of the access log that could not be written.",
		access_dropped},
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

static void
write_own(struct metrics_pass *pass)
{
	struct gateway *g = pass->gateway;
	struct view v = {.w = pass->writer, .g = g};

	metrics_read_process(&v.process);
	v.start_seconds =
		(double)(clock_wall_ms() - (clock_ms() - g->started_ms)) / 1e3;
	for (size_t i = 0;
		i < sizeof(gateway_families) / sizeof(*gateway_families); i++) {
		const struct gateway_family *f = &gateway_families[i];

		metrics_family(v.w, f->name, f->type, f->help);
		f->write(&v);
	}
}

void
metrics_view_begin(
	struct metrics_pass *pass, struct metrics_writer *w, struct gateway *g)
{
	*pass = (struct metrics_pass){.writer = w, .gateway = g};
}

bool
metrics_view_step(struct metrics_pass *pass, unsigned figures)
{
	if (!pass->began) {
		pass->began = true;
		write_own(pass);
	}
	return metrics_plugin_step(pass, figures);
}
