/* plugin_view: plugins as JSON. The keys are those of the contract; a value
 * that a plugin does not have is null, never absent. */
#include "supervisor/control/plugin_view.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/value.h"
#include "supervisor/control/why.h"
#include "supervisor/event/services.h"
#include "supervisor/event/view.h"
#include "supervisor/ops/time_text.h"
#include "supervisor/reload/reload.h"
#include "supervisor/schedule/schedule.h"
#include "supervisor/watch/watch.h"

#define SERVICES_MAX 16	     /* in a row of status */
#define SERVICES_ALL_MAX 512 /* of one plugin */

static void
put_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, value_text(text));
}

static void
put_number(json_t *object, const char *key, uint64_t number)
{
	json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* 0 means "none" and becomes null. */
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

/* The part of the last receipt in a row, small enough for 1,000 rows. */
static json_t *
last_reload(const struct plugin *p)
{
	static const char *const keys[] = {"id", "state", "success", "trigger",
		"generation", "durationMs", "error"};
	json_t *brief, *view;

	if (!p->last_reload)
		return json_null();
	brief = json_object();
	view = receipt_view(p->last_reload);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		json_object_set(brief, keys[i], json_object_get(view, keys[i]));
	return brief;
}

static json_t *
last_exit(const struct plugin *p)
{
	char at[TIME_TEXT_BYTES];
	json_t *exit;

	if (!p->last_exit.text[0])
		return json_null();
	exit = json_object();
	put_number_or_null(exit, "pid", (uint64_t)p->last_exit.pid);
	put_number(exit, "generation", p->last_exit_generation);
	put_text(exit, "at", time_text(at, p->last_exit.wall_ms));
	put_text(exit, "reason", p->last_exit.text);
	return exit;
}

static bool
cannot_start(const struct plugin *p, enum plugin_state state)
{
	bool is_coming = state == PLUGIN_STARTING || state == PLUGIN_HOLDING;

	return state == PLUGIN_FAILED || (is_coming && p->crash.starved);
}

static void
put_running(json_t *row, const struct worker *w, uint32_t most)
{
	json_object_set_new(
		row, "services", services_view(w, REGISTRATION_SERVICE, most));
	json_object_set_new(
		row, "channels", services_view(w, REGISTRATION_CHANNEL, most));
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
		p->store.enabled.by_person ? "person" : "config");
	put_number_or_null(row, "generation", w ? w->generation : 0);
	put_number_or_null(row, "pid", w ? (uint64_t)w->pid : 0);
	if (w && w->serving_ms)
		put_number(row, "uptimeSeconds",
			(clock_ms() - w->serving_ms) / 1000);
	else
		json_object_set_new(row, "uptimeSeconds", json_null());
	put_number(row, "restarts", p->counters.restarts);
	put_number(row, "inFlight", plugin_in_flight(p));
	put_number(row, "unanswered", w ? w->left_count : 0);
	put_number(row, "websockets", p->conns.count);
	put_number(row, "held", p->hold.count);
	put_text(row, "digest", w ? w->digest : p->store.proven_digest);
	json_object_set_new(row, "lastReload", last_reload(p));
	put_text(row, "lastCrash", p->last_crash);
	json_object_set_new(row, "lastExit", last_exit(p));
	put_text(row, "failure", cannot_start(p, state) ? p->failure : NULL);
	put_text(row, "stateLost", p->state_lost[0] ? p->state_lost : NULL);
	put_text(row, "stageDamaged", p->stage_damaged);
	put_text(row, "runsOlder",
		plugin_runs_older(p) ? p->older_reason : NULL);
	put_running(row, w, SERVICES_MAX);
	json_object_set_new(row, "watch", watch_view(p->gateway->watch, p));
	json_object_set_new(row, "take", services_take_view(w));
	return row;
}

void
plugin_view_add_usage(json_t *row, const struct plugin *p)
{
	struct worker *w = p->active;
	bool known;

	if (w)
		usage_refresh(&w->usage, w->pid, USAGE_FRESH_US);
	known = w && w->usage.is_known;
	json_object_set_new(row, "memoryBytes",
		known ? json_integer((json_int_t)w->usage.memory_bytes)
		      : json_null());
	json_object_set_new(row, "cpuSeconds",
		known ? json_real(w->usage.cpu_seconds) : json_null());
}

/* The kind of the plugin's registrations if they are all of one, else "mixed".
 */
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
	return registration_kinds[set->items[0].kind]->wire;
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
	put_number(row, "unanswered", w->left_count);
	put_number(row, "websockets", w->conn_count);
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
	put_number(o, "maxWebsockets", l->max_websockets);
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
	put_number(o, "websocketsOpened", p->conns.opened);
	put_number(o, "websocketsMoved", p->conns.moved);
	put_number(o, "websocketsCut", p->conns.cut);
	put_number(o, "websocketMessagesIn", p->conns.messages_in);
	put_number(o, "websocketMessagesOut", p->conns.messages_out);
	put_number(o, "websocketMessagesLost", p->conns.messages_lost);
	put_number(o, "websocketStrays", p->conns.strays);
	put_number(o, "websocketExcesses", p->conns.excesses);
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
		json_array_append_new(rows, value_text(texts->items[i]));
	return rows;
}

json_t *
plugin_view_route(const struct gateway *g, const struct route_row *row)
{
	const struct plugin *p = gateway_plugin_by_number(g, row->plugin);
	json_t *o = json_object();

	put_text(o, "kind", registration_kinds[row->kind]->wire);
	put_text(o, "name", row->name);
	put_text(o, "method", row->method);
	put_text(o, "path", row->path);
	put_flag(o, "websocket", row->websocket);
	put_text(o, "pluginId", p ? p->id : NULL);
	put_number_or_null(
		o, "generation", p && p->active ? p->active->generation : 0);
	put_text(o, "description",
		row->declared->description ? row->declared->description
					   : row->declared->help);
	if (row->kind == REGISTRATION_HOOK)
		json_object_set_new(o, "hook", hook_view(g, row));
	if (row->kind == REGISTRATION_CLI)
		put_text(o, "arguments", row->declared->cli.arguments);
	return o;
}

json_t *
plugin_view_all(const struct gateway *g, const struct plugin *p)
{
	const struct manifest *manifest =
		p->active ? p->active->manifest : NULL;
	json_t *all = plugin_view_list(g, p);
	char *why = why_text(p);

	put_text(all, "why", why);
	free(why);
	plugin_view_add_usage(all, p);
	put_text(all, "mount", p->config->mount);
	put_text(all, "namespace", p->config->namespace);
	put_flag(all, "required", p->config->required);
	json_object_set_new(all, "requires", texts_view(&p->config->requires));
	put_text(all, "stage", p->active ? p->active->stage_dir : NULL);
	put_text(all, "mode",
		services_are_exclusive(p->active) ? "exclusive" : "overlap");
	put_text(all, "link",
		config_link_name(plugin_link(p->config, manifest)));
	put_running(all, p->active, SERVICES_ALL_MAX);
	json_object_set_new(all, "workers", workers_view(p));
	json_object_set_new(all, "limits", limits_view(&p->config->limits));
	json_object_set_new(all, "counters", counters_view(p));
	json_object_set_new(all, "schedules", schedule_view(p));
	if (p->last_reload)
		json_object_set(
			all, "lastReload", receipt_view(p->last_reload));
	return all;
}
