/* metrics_hook: observers and filters. A plugin that never had one has no
 * sample.
 */
#include "supervisor/control/metrics_parts.h"

static void
plugin_hook_calls(const struct figures *v)
{
	if (v->p->hooks)
		figures_put_each(v, "outcome", hook_call_texts,
			v->p->hooks->calls, HOOK_CALL_COUNT);
}

static void
plugin_hook_losses(const struct figures *v)
{
	if (v->p->hooks)
		figures_put_each(v, "reason", hook_loss_texts,
			v->p->hooks->lost, HOOK_LOSS_COUNT);
}

static void
plugin_filter_verdicts(const struct figures *v)
{
	if (v->p->hooks)
		figures_put_each(v, "verdict", hook_verdict_texts,
			v->p->hooks->verdicts, HOOK_VERDICT_COUNT);
}

static void
plugin_filters_skipped(const struct figures *v)
{
	if (v->p->hooks)
		figures_put(v, (double)v->p->hooks->skipped);
}

static void
plugin_filters_stopped(const struct figures *v)
{
	if (v->p->hooks)
		figures_put(v, (double)v->p->hooks->stopped);
}

static void
plugin_hook_latency(const struct figures *v)
{
	struct metrics_label label = {"plugin", v->p->id};

	if (v->p->hooks)
		metrics_sample_histogram(
			v->w, &label, 1, &v->p->hooks->latency);
}

static const struct metrics_row rows[] = {
	{"supd_plugin_hook_calls_total", METRICS_COUNTER,
		"Calls of a plugin's hooks.", plugin_hook_calls},
	{"supd_plugin_hook_events_lost_total", METRICS_COUNTER,
		"Events that a plugin's hooks should have got and did not.",
		plugin_hook_losses},
	{"supd_plugin_filter_verdicts_total", METRICS_COUNTER,
		"Verdicts of a plugin's filters.", plugin_filter_verdicts},
	{"supd_plugin_filters_skipped_total", METRICS_COUNTER,
		"Events that went on without a plugin's filter, because it "
		"failed.",
		plugin_filters_skipped},
	{"supd_plugin_filters_stopped_total", METRICS_COUNTER,
		"Events that were stopped because a plugin's filter failed.",
		plugin_filters_stopped},
	{"supd_plugin_hook_duration_seconds", METRICS_HISTOGRAM,
		"Time from a call of a hook to its answer.",
		plugin_hook_latency},
};
const struct metrics_group metrics_hook = METRICS_GROUP(rows);
