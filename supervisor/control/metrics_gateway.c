/* metrics_gateway: supd as a whole: its configuration, its events and what it
 * writes. */
#include "supervisor/control/metrics_parts.h"

#include "proto/util/log.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"
#include "supervisor/schedule/schedule.h"

static void
build_info(const struct figures *v)
{
	figures_put_labelled(v, "version", SUPD_VERSION, 1);
}

FIGURE(ready, gateway_is_ready(v->g))

static void
plugins(const struct figures *v)
{
	unsigned counts[PLUGIN_STATE_COUNT] = {0};

	for (uint32_t i = 0; i < v->g->plugin_count; i++)
		if (v->g->plugins[i] && !v->g->plugins[i]->removed)
			counts[plugin_state(v->g->plugins[i])]++;
	for (int s = 0; s < PLUGIN_STATE_COUNT; s++)
		figures_put_labelled(v, "state",
			plugin_state_text((enum plugin_state)s), counts[s]);
}

static void
config_applies(const struct figures *v)
{
	const struct gateway_config_news *news = &v->g->config_news;

	figures_put_labelled(v, "outcome", "applied", (double)news->applied);
	figures_put_labelled(v, "outcome", "failed", (double)news->failed);
	figures_put_labelled(v, "outcome", "refused", (double)news->refused);
}

/* The configuration that supd started with counts as a success. */
FIGURE(config_success, !v->g->config_news.wall_ms || v->g->config_news.success)

static void
put_time(const struct figures *v, uint64_t wall_ms)
{
	figures_put(v, (double)(wall_ms ? wall_ms : v->started_ms) / 1e3);
}

static void
config_time(const struct figures *v)
{
	put_time(v, v->g->config_news.wall_ms);
}

static void
config_success_time(const struct figures *v)
{
	put_time(v, v->g->config_news.success_wall_ms);
}

FIGURE(events, journal_total(v->g->journal))
FIGURE(event_followers, journal_followers(v->g->journal))
FIGURE(events_missed, v->g->edge.events_missed)

static void
lateness(const struct figures *v)
{
	if (schedule_lateness(v->g))
		metrics_sample_histogram(
			v->w, NULL, 0, schedule_lateness(v->g));
}

static void
history_errors(const struct figures *v)
{
	figures_put(v, v->g->history ? (double)history_lost(v->g->history) : 0);
}

FIGURE(log_dropped, log_dropped_total())
FIGURE(access_dropped, v->g->edge.access_dropped)

static const struct metrics_row rows[] = {
	{"supd_build_info", METRICS_GAUGE, "The version that runs, always 1.",
		build_info},
	{"supd_ready", METRICS_GAUGE, "1 if /readyz answers 200.", ready},
	{"supd_plugins", METRICS_GAUGE, "Plugins by state.", plugins},
	{"supd_config_applies_total", METRICS_COUNTER,
		"Configurations read to be applied, by outcome.",
		config_applies},
	{"supd_config_last_reload_successful", METRICS_GAUGE,
		"1 if the last configuration read is in force without a "
		"failure.",
		config_success},
	{"supd_config_last_reload_timestamp_seconds", METRICS_GAUGE,
		"When a configuration was last read, seconds since 1970.",
		config_time},
	{"supd_config_last_reload_success_timestamp_seconds", METRICS_GAUGE,
		"When that last succeeded, seconds since 1970.",
		config_success_time},
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
};
const struct metrics_group metrics_gateway = METRICS_GROUP(rows);
