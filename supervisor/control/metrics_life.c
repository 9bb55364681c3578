/* metrics_life: versions, restarts and reloads of plugins. */
#include "supervisor/control/metrics_parts.h"

static void
plugin_info(const struct figures *v)
{
	const struct worker *w = v->p->active;
	struct metrics_label labels[] = {{"plugin", v->p->id},
		{"package", v->p->config->use},
		{"version", w ? w->version : v->p->store.proven_version}};

	metrics_sample(v->w, labels, 3, 1);
}

static void
plugin_up(const struct figures *v)
{
	figures_put(v, plugin_serving(v->p) != NULL);
}

static void
plugin_cuts(const struct figures *v)
{
	static const char *const reasons[WORKER_CUT_COUNT] = {
#define X(name, text) [WORKER_CUT_##name] = text,
		WORKER_CUTS(X)
#undef X
	};

	for (int i = WORKER_CUT_NOT + 1; i < WORKER_CUT_COUNT; i++)
		figures_put_labelled(
			v, "reason", reasons[i], (double)v->p->counters.cut[i]);
}

static void
plugin_reloads(const struct figures *v)
{
	const struct plugin_counters *c = &v->p->counters;

	figures_put_labelled(v, "outcome", "committed", (double)c->reloads);
	figures_put_labelled(
		v, "outcome", "rolled_back", (double)c->rolled_back);
	figures_put_labelled(v, "outcome", "failed", (double)c->not_given_back);
	figures_put_labelled(v, "outcome", "reverted", (double)c->reverted);
	figures_put_labelled(v, "outcome", "refused", (double)c->refused);
}

static void
plugin_last_success(const struct figures *v)
{
	if (v->p->last.known)
		figures_put(v, v->p->last.success);
}

static void
plugin_last_time(const struct figures *v)
{
	if (v->p->last.known)
		figures_put(v, (double)v->p->last.wall_ms / 1e3);
}

static void
plugin_last_duration(const struct figures *v)
{
	if (v->p->last.known)
		figures_put(v, v->p->last.seconds);
}

FIGURE(plugin_restarts, v->p->counters.restarts)
FIGURE(plugin_crashes, v->p->counters.crashes)

static const struct metrics_row rows[] = {
	{"supd_plugin_info", METRICS_GAUGE,
		"Package and version of a plugin, always 1.", plugin_info},
	{"supd_plugin_up", METRICS_GAUGE, "1 if a worker serves the plugin.",
		plugin_up},
	{"supd_plugin_restarts_total", METRICS_COUNTER,
		"Restarts after a crash.", plugin_restarts},
	{"supd_plugin_crashes_total", METRICS_COUNTER,
		"Serving workers that ended unexpectedly.", plugin_crashes},
	{"supd_plugin_workers_cut_total", METRICS_COUNTER,
		"Workers that supd gave up on while they ran.", plugin_cuts},
	{"supd_plugin_reloads_total", METRICS_COUNTER,
		"Reloads, starts and restarts by outcome.", plugin_reloads},
	{"supd_plugin_last_reload_success", METRICS_GAUGE,
		"1 if the last reload or start succeeded.",
		plugin_last_success},
	{"supd_plugin_last_reload_timestamp_seconds", METRICS_GAUGE,
		"When its verdict was given, seconds since 1970.",
		plugin_last_time},
	{"supd_plugin_last_reload_duration_seconds", METRICS_GAUGE,
		"Time from its start to its verdict.", plugin_last_duration},
};
const struct metrics_group metrics_life = METRICS_GROUP(rows);
