/* metrics_worker: events, calls and offers of workers, their services and their
 * schedules. */
#include "supervisor/control/metrics_parts.h"

#include "supervisor/event/services.h"
#include "supervisor/schedule/schedule.h"

static void
plugin_services(const struct figures *v)
{
	const struct services_count count = services_count(v->p->active);

	figures_put_labelled(v, "state", "running", count.running);
	figures_put_labelled(v, "state", "waiting", count.waiting);
	figures_put_labelled(v, "state", "failed", count.failed);
}

static void
plugin_ticks(const struct figures *v)
{
	figures_put_labelled(
		v, "outcome", "done", (double)schedule_ticks(v->p, false));
	figures_put_labelled(
		v, "outcome", "failed", (double)schedule_ticks(v->p, true));
}

FIGURE(plugin_events, v->p->counters.events)
FIGURE(plugin_events_refused, v->p->counters.events_refused)
FIGURE(plugin_calls_refused, v->p->counters.calls_refused)
FIGURE(plugin_calls_too_deep, v->p->counters.calls_too_deep)
FIGURE(plugin_calls_stray, v->p->counters.calls_stray)
FIGURE(plugin_offers, v->p->counters.offers)
FIGURE(plugin_offers_refused, v->p->counters.offers_refused)
FIGURE(plugin_service_starts, v->p->counters.service_starts)
FIGURE(plugin_service_failures, v->p->counters.service_failures)
FIGURE(plugin_ticks_missed, schedule_missed(v->p))

static const struct metrics_row rows[] = {
	{"supd_plugin_events_total", METRICS_COUNTER,
		"Events that a plugin's workers emitted.", plugin_events},
	{"supd_plugin_events_refused_total", METRICS_COUNTER,
		"Events of workers that were refused: malformed, or too many.",
		plugin_events_refused},
	{"supd_plugin_calls_refused_total", METRICS_COUNTER,
		"Calls by a plugin's workers refused: too many at a time.",
		plugin_calls_refused},
	{"supd_plugin_calls_too_deep_total", METRICS_COUNTER,
		"Calls by a plugin's workers refused: too many calls led to "
		"them.",
		plugin_calls_too_deep},
	{"supd_plugin_calls_stray_total", METRICS_COUNTER,
		"Calls and events of a plugin's workers that named a request "
		"which was not in flight.",
		plugin_calls_stray},
	{"supd_plugin_offers_total", METRICS_COUNTER,
		"Times that a plugin's worker replaced its registrations.",
		plugin_offers},
	{"supd_plugin_offers_refused_total", METRICS_COUNTER,
		"Offers of a plugin's workers refused.", plugin_offers_refused},
	{"supd_plugin_services", METRICS_GAUGE,
		"Services of the worker that serves a plugin, by their state.",
		plugin_services},
	{"supd_plugin_service_starts_total", METRICS_COUNTER,
		"Starts of a plugin's services that succeeded.",
		plugin_service_starts},
	{"supd_plugin_service_failures_total", METRICS_COUNTER,
		"Services of a plugin that did not start or stop, or reported "
		"that they had failed.",
		plugin_service_failures},
	{"supd_plugin_ticks_total", METRICS_COUNTER,
		"Ticks of a plugin's schedules that have ended.", plugin_ticks},
	{"supd_plugin_ticks_missed_total", METRICS_COUNTER,
		"Due times of a plugin's schedules that were missed: skipped, "
		"or "
		"covered by a later tick.",
		plugin_ticks_missed},
};
const struct metrics_group metrics_worker = METRICS_GROUP(rows);
