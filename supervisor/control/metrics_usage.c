/* metrics_usage: memory and processor time of the workers that serve, read
 * before the page is written, a few processes a turn, at most once a second. */
#include "supervisor/control/metrics_parts.h"

#define READS 20 /* files of /proc a turn */

static const struct usage *
usage_of(const struct plugin *p)
{
	return p->active && p->active->usage.is_known ? &p->active->usage
						      : NULL;
}

static void
memory(const struct figures *v)
{
	const struct usage *u = usage_of(v->p);

	if (u)
		figures_put(v, (double)u->memory_bytes);
}

static void
cpu(const struct figures *v)
{
	const struct usage *u = usage_of(v->p);

	if (u)
		figures_put(v, u->cpu_seconds);
}

static const struct metrics_row rows[] = {
	{"supd_plugin_memory_bytes", METRICS_GAUGE,
		"Resident memory of the worker that serves a plugin.", memory},
	{"supd_plugin_cpu_seconds_total", METRICS_COUNTER,
		"Processor time of the worker that serves a plugin; begins "
		"again with each worker.",
		cpu},
};
const struct metrics_group metrics_usage = METRICS_GROUP(rows);

bool
metrics_usage_read(const struct gateway *g, uint32_t *at)
{
	for (int reads = 0; reads < READS && *at < g->plugin_count; ++*at) {
		const struct plugin *p = g->plugins[*at];

		if (p && p->active)
			reads += usage_refresh(&p->active->usage,
				p->active->pid, USAGE_FRESH_US);
	}
	return *at >= g->plugin_count;
}
