/* metrics_view: walks the tables of metrics: supd's own, then those of each
 * plugin. A step ends when it has written its share of samples, so that all
 * steps cost about the same. */
#include "supervisor/control/metrics_view.h"

#include "proto/util/clock.h"
#include "supervisor/control/metrics_parts.h"

static const struct metrics_group *const own_groups[] = {
	&metrics_gateway, &metrics_door, &metrics_telemetry, &metrics_process};
static const struct metrics_group *const plugin_groups[] = {&metrics_life,
	&metrics_usage, &metrics_request, &metrics_websocket, &metrics_hook,
	&metrics_worker, &metrics_channel};

#define OWN_GROUPS (sizeof(own_groups) / sizeof(*own_groups))
#define PLUGIN_GROUPS (sizeof(plugin_groups) / sizeof(*plugin_groups))

/* ---- samples ---- */

void
figures_put(const struct figures *v, double value)
{
	struct metrics_label label = {"plugin", v->p ? v->p->id : NULL};

	metrics_sample(v->w, &label, v->p ? 1 : 0, value);
}

void
figures_put_labelled(const struct figures *v, const char *name,
	const char *text, double value)
{
	struct metrics_label labels[] = {
		{"plugin", v->p ? v->p->id : NULL}, {name, text}};

	if (v->p)
		metrics_sample(v->w, labels, 2, value);
	else
		metrics_sample(v->w, labels + 1, 1, value);
}

void
figures_put_each(const struct figures *v, const char *name,
	const char *const *texts, const uint64_t *values, int count)
{
	for (int i = 0; i < count; i++)
		if (texts[i])
			figures_put_labelled(
				v, name, texts[i], (double)values[i]);
}

/* ---- a pass ---- */

static void
begin_family(struct metrics_writer *w, const struct metrics_row *row)
{
	metrics_family(w, row->name, row->type, row->help);
}

static void
write_own(const struct metrics_pass *pass)
{
	const struct gateway *g = pass->gateway;
	struct metrics_process process;
	struct figures v = {.w = pass->writer, .g = g, .process = &process};

	metrics_read_process(&process);
	v.started_ms = clock_wall_ms() - (clock_ms() - g->started_ms);
	for (size_t i = 0; i < OWN_GROUPS; i++)
		for (size_t j = 0; j < own_groups[i]->count; j++) {
			begin_family(v.w, &own_groups[i]->rows[j]);
			own_groups[i]->rows[j].write(&v);
		}
}

/* The next family of plugins, or NULL. */
static const struct metrics_row *
next_family(struct metrics_pass *pass)
{
	while (pass->group < PLUGIN_GROUPS &&
		pass->family >= plugin_groups[pass->group]->count) {
		pass->group++;
		pass->family = 0;
	}
	return pass->group < PLUGIN_GROUPS
		       ? &plugin_groups[pass->group]->rows[pass->family]
		       : NULL;
}

static void
write_plugin(const struct metrics_pass *pass, const struct metrics_row *row,
	const struct plugin *p)
{
	/* a new plugin of the same id may exist already */
	if (p && !p->removed)
		row->write(&(struct figures){
			.w = pass->writer, .g = pass->gateway, .p = p});
}

static bool
write_plugins(struct metrics_pass *pass, unsigned samples)
{
	const struct gateway *g = pass->gateway;
	uint64_t end = pass->writer->samples_written + samples;
	const struct metrics_row *row;
	unsigned visits = 0;

	while ((row = next_family(pass))) {
		/* before the head, which is written once */
		if (pass->writer->samples_written >= end || visits >= samples)
			return false;
		if (!pass->plugin)
			begin_family(pass->writer, row);
		for (; pass->plugin < g->plugin_count; pass->plugin++) {
			if (pass->writer->samples_written >= end ||
				visits++ >= samples)
				return false;
			write_plugin(pass, row, g->plugins[pass->plugin]);
		}
		pass->family++;
		pass->plugin = 0;
	}
	return true;
}

void
metrics_view_begin(
	struct metrics_pass *pass, struct metrics_writer *w, struct gateway *g)
{
	*pass = (struct metrics_pass){.writer = w, .gateway = g};
}

bool
metrics_view_step(struct metrics_pass *pass, unsigned samples)
{
	if (!pass->has_read) {
		pass->has_read =
			metrics_usage_read(pass->gateway, &pass->plugin);
		return false;
	}
	if (!pass->has_begun) {
		pass->has_begun = true;
		pass->plugin = 0;
		write_own(pass);
		return false;
	}
	return write_plugins(pass, samples);
}

void
metrics_view_repeat(struct metrics_pass *pass)
{
	const struct metrics_row *row = next_family(pass);

	if (pass->has_begun && pass->plugin && row)
		begin_family(pass->writer, row);
}

/* ---- the tables themselves ---- */

static void
visit_groups(const struct metrics_group *const *groups, size_t count,
	void (*visit)(
		const char *name, enum metrics_type type, const char *help))
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < groups[i]->count; j++) {
			const struct metrics_row *row = &groups[i]->rows[j];

			visit(row->name, row->type, row->help);
		}
}

void
metrics_view_visit(void (*visit)(
	const char *name, enum metrics_type type, const char *help))
{
	visit_groups(own_groups, OWN_GROUPS, visit);
	visit_groups(plugin_groups, PLUGIN_GROUPS, visit);
}
