/* command_top: `top`: the figures of all plugins that change, in a short row
 * each, so that asking every second costs little. A row is an array; "columns"
 * names its members. A client gets rates by comparing two answers. */
#include <string.h>
#include <unistd.h>

#include "proto/json_text.h"
#include "proto/util/clock.h"
#include "supervisor/control/job.h"
#include "supervisor/control/rows.h"

/* Reading the usage of a worker costs ten times as much as the rest of its row:
 * with many plugins it is read less often. */
#define USAGE_US_EACH 5000

/* What a row is written of. */
struct top_view {
	struct buffer *text;
	const struct plugin *p;
	struct worker *w; /* or NULL */
};

static void
put_count(const struct top_view *v, uint64_t count)
{
	buffer_format(v->text, "%llu", (unsigned long long)count);
}

static void
put_null(const struct top_view *v)
{
	buffer_append_text(v->text, "null");
}

static void
put_text(const struct top_view *v, const char *text)
{
	json_text_append_string(v->text, bytes_of(text));
}

/* ---- columns ---- */

static void
id(const struct top_view *v)
{
	put_text(v, v->p->id);
}

static void
state(const struct top_view *v)
{
	put_text(v, plugin_state_text(plugin_state(v->p)));
}

static void
generation(const struct top_view *v)
{
	if (v->w)
		put_count(v, v->w->generation);
	else
		put_null(v);
}

static void
pid(const struct top_view *v)
{
	if (v->w && v->w->pid)
		put_count(v, (uint64_t)v->w->pid);
	else
		put_null(v);
}

static void
uptime(const struct top_view *v)
{
	if (v->w && v->w->serving_ms)
		put_count(v, (clock_ms() - v->w->serving_ms) / 1000);
	else
		put_null(v);
}

static void
restarts(const struct top_view *v)
{
	put_count(v, v->p->counters.restarts);
}

static void
requests(const struct top_view *v)
{
	put_count(v, v->p->counters.requests);
}

static void
in_flight(const struct top_view *v)
{
	put_count(v, plugin_in_flight(v->p));
}

static void
held(const struct top_view *v)
{
	put_count(v, v->p->hold.count);
}

static void
memory(const struct top_view *v)
{
	if (v->w && v->w->usage.is_known)
		put_count(v, v->w->usage.memory_bytes);
	else
		put_null(v);
}

static void
cpu(const struct top_view *v)
{
	if (v->w && v->w->usage.is_known)
		put_count(v, (uint64_t)(v->w->usage.cpu_seconds * 1000));
	else
		put_null(v);
}

static void
usage_at(const struct top_view *v)
{
	if (v->w && v->w->usage.is_known)
		put_count(v, v->w->usage.at_us);
	else
		put_null(v);
}

static void
reload_at(const struct top_view *v)
{
	if (v->p->last.known)
		put_count(v, v->p->last.wall_ms);
	else
		put_null(v);
}

static void
reload_success(const struct top_view *v)
{
	if (!v->p->last.known)
		put_null(v);
	else
		buffer_append_text(
			v->text, v->p->last.success ? "true" : "false");
}

/* Counts of the buckets up to the last one that has any. */
static void
latency(const struct top_view *v)
{
	const struct plugin_counters *c = &v->p->counters;
	uint64_t counts[METRICS_BUCKETS];
	unsigned used = 0;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
		counts[i] = c->latency.buckets[i] + c->call_latency.buckets[i];
		if (counts[i])
			used = i + 1;
	}
	buffer_append_byte(v->text, '[');
	for (unsigned i = 0; i < used; i++) {
		buffer_append_text(v->text, i ? "," : "");
		put_count(v, counts[i]);
	}
	buffer_append_byte(v->text, ']');
}

static const struct top_column {
	const char *name;
	void (*put)(const struct top_view *v);
} columns[] = {
	{"id", id},
	{"state", state},
	{"generation", generation},
	{"pid", pid},
	{"uptimeSeconds", uptime},
	{"restarts", restarts},
	{"requests", requests},
	{"inFlight", in_flight},
	{"held", held},
	{"memoryBytes", memory},
	{"cpuMs", cpu},
	{"usageAtUs", usage_at},
	{"lastReloadAtMs", reload_at},
	{"lastReloadSuccess", reload_success},
	{"latency", latency},
};

#define COLUMNS (sizeof(columns) / sizeof(*columns))

/* ---- the answer ---- */

static json_t *
begin(struct rows *r)
{
	const struct gateway *g = r->gateway;
	json_t *names = json_array(), *bounds = json_array();

	for (size_t i = 0; i < COLUMNS; i++)
		json_array_append_new(names, json_string(columns[i].name));
	for (size_t i = 0; i < METRICS_BUCKETS - 1; i++)
		json_array_append_new(
			bounds, json_integer((json_int_t)metrics_bounds_us[i]));
	return json_pack("{s:s,s:i,s:b,s:b,s:I,s:I,s:I,s:o,s:o}", "version",
		SUPD_VERSION, "pid", (int)getpid(), "ready",
		gateway_is_ready(g), "stopping", g->stopping, "uptimeSeconds",
		(json_int_t)((clock_ms() - g->started_ms) / 1000), "atUs",
		(json_int_t)clock_us(), "atMs", (json_int_t)clock_wall_ms(),
		"latencyBoundsUs", bounds, "columns", names);
}

static void
refresh(const struct gateway *g, struct worker *w)
{
	uint64_t fresh_us = (uint64_t)g->plugin_count * USAGE_US_EACH;

	usage_refresh(&w->usage, w->pid,
		fresh_us > USAGE_FRESH_US ? fresh_us : USAGE_FRESH_US);
}

static bool
next(struct rows *r, struct buffer *text)
{
	const struct gateway *g = r->gateway;
	struct top_view v = {.text = text};

	if (r->at >= g->plugin_count)
		return false;
	v.p = g->plugins[r->at++];
	if (!v.p || v.p->removed)
		return true;
	v.w = v.p->active;
	if (v.w)
		refresh(g, v.w);
	for (size_t i = 0; i < COLUMNS; i++) {
		buffer_append_byte(text, i ? ',' : '[');
		columns[i].put(&v);
	}
	buffer_append_byte(text, ']');
	return true;
}

void
command_top(struct command_call *call, const json_t *args)
{
	struct rows *r = rows_create(call->gateway, "plugins", NULL);

	r->begin = begin;
	r->next = next;
	rows_finish(call, r, "top",
		call->gateway->plugin_count <= ROWS_AT_ONCE_MAX);
}
