/* plugin_view: plugins as JSON. The keys are those of the contract; what a
 * plugin does not have is null, never absent. */
#include "supervisor/control/plugin_view.h"

#include <string.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/reload.h"

static void
put_text(json_t *object, const char *key, const char *text)
{
	json_t *value = text ? json_string(text) : NULL;

	json_object_set_new(object, key, value ? value : json_null());
}

static void
put_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* 0 means that there is none. */
static void
put_number_or_null(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key,
		number ? json_integer((json_int_t)number) : json_null());
}

static void
put_flag(json_t *object, const char *key, bool flag)
{
	json_object_set_new(object, key, json_boolean(flag));
}

/* What of the last receipt a row carries: 1,000 rows must stay small. */
static json_t *
last_reload(const struct plugin *p)
{
	static const char *const keys[] = {"id", "state", "success", "trigger",
		"generation", "durationMs", "error"};
	json_t *brief;

	if (!p->last_reload)
		return json_null();
	brief = json_object();
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		json_object_set(brief, keys[i],
			json_object_get(p->last_reload, keys[i]));
	return brief;
}

json_t *
plugin_view_status(const struct plugin *p)
{
	const struct worker *w = p->active;
	enum plugin_state state = plugin_state(p);
	json_t *row = json_object();

	put_text(row, "id", p->id);
	put_text(row, "package", p->config->use);
	put_text(row, "version", w ? w->version : p->store.proven_version);
	put_text(row, "state", plugin_state_text(state));
	put_flag(row, "enabled", p->enabled);
	put_text(row, "enabledBy",
		p->store.enabled_by_person ? "person" : "config");
	put_number_or_null(row, "generation", w ? w->generation : 0);
	put_number_or_null(row, "pid", w ? (uint64_t)w->pid : 0);
	if (w && w->serving_ms)
		put_number(row, "uptimeSeconds",
			(clock_ms() - w->serving_ms) / 1000);
	else
		json_object_set_new(row, "uptimeSeconds", json_null());
	put_number(row, "restarts", p->counters.restarts);
	put_number(row, "inFlight", plugin_in_flight(p));
	put_number(row, "held", p->hold.count);
	put_text(row, "digest", w ? w->digest : p->store.proven_digest);
	json_object_set_new(row, "lastReload", last_reload(p));
	put_text(row, "failure", state == PLUGIN_FAILED ? p->failure : NULL);
	return row;
}

/* channel, tool, service or another kind if it is the only one, else mixed. */
static const char *
type_of(const struct plugin *p)
{
	const struct registration_set *set;

	if (!p->active || !p->active->registrations.count)
		return "mixed";
	set = &p->active->registrations;
	for (uint32_t i = 1; i < set->count; i++)
		if (set->items[i].kind != set->items[0].kind)
			return "mixed";
	return registration_kinds[set->items[0].kind].wire;
}

json_t *
plugin_view_list(const struct gateway *g, const struct plugin *p)
{
	json_t *row = plugin_view_status(p);
	const char *reason = NULL;
	bool safe = reload_is_safe(g, p, &reason);

	put_text(row, "pluginId", p->id);
	put_text(row, "source", p->source);
	put_text(row, "type", type_of(p));
	put_flag(row, "canReload", safe);
	put_text(row, "reason", safe ? NULL : reason);
	return row;
}

static json_t *
worker_view(const struct worker *w, const char *role)
{
	json_t *row = json_object();

	put_text(row, "role", role);
	put_text(row, "state", worker_state_text(w->state));
	put_number_or_null(row, "pid", (uint64_t)w->pid);
	put_number(row, "generation", w->generation);
	put_text(row, "version", w->version);
	put_text(row, "sdk", w->sdk);
	put_number(row, "inFlight", w->in_flight_count);
	put_number(row, "answered", w->answered_total);
	put_number(row, "ageSeconds", (clock_ms() - w->spawned_ms) / 1000);
	put_text(row, "digest", w->digest);
	put_text(row, "stage", w->stage_dir);
	put_text(row, "error", w->error.text[0] ? w->error.text : NULL);
	return row;
}

static json_t *
workers_view(const struct plugin *p)
{
	json_t *rows = json_array();

	if (p->active)
		json_array_append_new(rows, worker_view(p->active, "active"));
	if (p->candidate)
		json_array_append_new(
			rows, worker_view(p->candidate, "candidate"));
	list_for_each (node, &p->others) {
		const struct worker *w =
			container_of(node, struct worker, node);

		json_array_append_new(rows, worker_view(w, "retired"));
	}
	return rows;
}

static json_t *
limits_view(const struct plugin_limits *l)
{
	json_t *o = json_object();

	put_number(o, "startTimeoutMs", l->start_timeout_ms);
	put_number(o, "healthTimeoutMs", l->health_timeout_ms);
	put_number(o, "drainTimeoutMs", l->drain_timeout_ms);
	put_number(o, "streamDrainMs", l->stream_drain_ms);
	put_number(o, "stopTimeoutMs", l->stop_timeout_ms);
	put_number(o, "holdTimeoutMs", l->hold_timeout_ms);
	put_number(o, "requestTimeoutMs", l->request_timeout_ms);
	put_number(o, "pingTimeoutMs", l->ping_timeout_ms);
	put_number(o, "probationMs", l->probation_ms);
	put_number(o, "holdMax", l->hold_max);
	put_number(o, "holdBytes", l->hold_bytes);
	put_number(o, "maxInFlight", l->max_in_flight);
	put_number(o, "maxRetiring", l->max_retiring);
	return o;
}

static json_t *
counters_view(const struct plugin *p)
{
	const struct plugin_counters *c = &p->counters;
	json_t *o = json_object();

	put_number(o, "requests", c->requests);
	put_number(o, "answered", plugin_answered(p));
	put_number(o, "failed", c->failed);
	put_number(o, "replayed", c->replayed);
	put_number(o, "held", p->hold.held_total);
	put_number(o, "overflow", p->hold.overflow_total);
	put_number(o, "reloads", c->reloads);
	put_number(o, "reloadsFailed", c->reloads_failed);
	put_number(o, "restarts", c->restarts);
	put_number(o, "crashes", c->crashes);
	return o;
}

static json_t *
texts_view(const struct text_list *texts)
{
	json_t *rows = json_array();

	for (uint32_t i = 0; i < texts->count; i++)
		json_array_append_new(rows, json_string(texts->items[i]));
	return rows;
}

json_t *
plugin_view_all(const struct gateway *g, const struct plugin *p)
{
	const struct manifest *manifest =
		p->active ? p->active->manifest : NULL;
	json_t *all = plugin_view_list(g, p);

	put_text(all, "mount", p->config->mount);
	put_text(all, "namespace", p->config->namespace);
	put_flag(all, "required", p->config->required);
	json_object_set_new(all, "requires", texts_view(&p->config->requires));
	put_text(all, "stage", p->active ? p->active->stage_dir : NULL);
	put_text(all, "mode",
		manifest && manifest->reload == RELOAD_EXCLUSIVE ? "exclusive"
								 : "overlap");
	put_text(all, "link",
		config_link_name(plugin_link(p->config, manifest)));
	json_object_set_new(all, "registrations", plugin_view_routes(g, p, -1));
	json_object_set_new(all, "workers", workers_view(p));
	json_object_set_new(all, "limits", limits_view(&p->config->limits));
	json_object_set_new(all, "counters", counters_view(p));
	if (p->last_reload)
		json_object_set(all, "lastReload", p->last_reload);
	return all;
}

struct route_visit {
	const struct gateway *gateway;
	int kind;
	json_t *rows;
};

static void
visit_route(const struct route_row *row, void *user)
{
	struct route_visit *visit = user;
	const struct plugin *p;
	json_t *o;

	if (visit->kind >= 0 && (int)row->kind != visit->kind)
		return;
	p = gateway_plugin_by_number(visit->gateway, row->plugin);
	o = json_object();
	put_text(o, "kind", registration_kinds[row->kind].wire);
	put_text(o, "name", row->name);
	put_text(o, "method", row->method);
	put_text(o, "path", row->path);
	put_text(o, "pluginId", p ? p->id : NULL);
	put_number_or_null(
		o, "generation", p && p->active ? p->active->generation : 0);
	put_text(o, "description",
		row->declared->description ? row->declared->description
					   : row->declared->help);
	json_array_append_new(visit->rows, o);
}

json_t *
plugin_view_routes(const struct gateway *g, const struct plugin *p, int kind)
{
	struct route_visit visit = {g, kind, json_array()};

	route_table_each(
		g->routes, p ? p->number : UINT32_MAX, visit_route, &visit);
	return visit.rows;
}
