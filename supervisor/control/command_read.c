/* command_read: the read-only commands. They never start, stop or change
 * anything, and run no plugin code. */
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/control/job.h"
#include "supervisor/control/plugin_view.h"
#include "supervisor/control/rows.h"
#include "supervisor/reload/reload.h"

/* The plugin that `key` names. NULL: not found, and the call has ended. */
static struct plugin *
find_or_fail(struct command_call *call, const json_t *args, const char *key)
{
	struct error err;
	struct plugin *p = command_find_plugin(
		call->gateway, command_text(args, key), &err);

	if (!p)
		command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
	return p;
}

static void
gateway_put(json_t *document, const struct gateway *g)
{
	json_object_set_new(document, "version", json_string(SUPD_VERSION));
	json_object_set_new(document, "pid", json_integer(getpid()));
	json_object_set_new(
		document, "ready", json_boolean(gateway_is_ready(g)));
	json_object_set_new(document, "waitingFor", gateway_waits_for(g));
	json_object_set_new(
		document, "configRefused", value_text(g->config_news.refusal));
	json_object_set_new(document, "stopping", json_boolean(g->stopping));
	json_object_set_new(document, "uptimeSeconds",
		json_integer(
			(json_int_t)((clock_ms() - g->started_ms) / 1000)));
}

/* ---- status and list ---- */

static json_t *
status_begin(struct rows *r)
{
	json_t *document = json_object();

	gateway_put(document, r->gateway);
	return document;
}

static struct plugin *
next_plugin(struct rows *r)
{
	struct plugin *p = r->gateway->plugins[r->at++];

	return p && !p->removed ? p : NULL;
}

static json_t *
status_row(const struct plugin *p, bool usage)
{
	json_t *row = plugin_view_status(p);

	if (usage)
		plugin_view_add_usage(row, p);
	return row;
}

/* kind: whether to add memory and processor time. */
static bool
status_next(struct rows *r, struct buffer *text)
{
	const struct plugin *p;

	if (r->at >= r->gateway->plugin_count)
		return false;
	p = next_plugin(r);
	if (p)
		rows_put(text, status_row(p, r->kind));
	return true;
}

static bool
list_next(struct rows *r, struct buffer *text)
{
	const struct plugin *p;

	if (r->at >= r->gateway->plugin_count)
		return false;
	p = next_plugin(r);
	if (p)
		rows_put(text, plugin_view_list(r->gateway, p));
	return true;
}

/* Whether p is new among the first `count` of `seen`; adds it. */
static bool
see(const struct plugin **seen, size_t *count, const struct plugin *p)
{
	for (size_t i = 0; i < *count; i++)
		if (seen[i] == p)
			return false;
	seen[(*count)++] = p;
	return true;
}

/* The status of the plugins that `id` or `ids` name, in that order, each once.
 */
static void
status_of_some(struct command_call *call, const json_t *args)
{
	json_t *document = json_object(), *rows = json_array();
	const struct plugin *seen[ROWS_AT_ONCE_MAX];
	size_t count = 0;
	struct error err;

	gateway_put(document, call->gateway);
	json_object_set_new(document, "plugins", rows);
	for (size_t i = 0; i < command_id_count(args); i++) {
		const struct plugin *p = command_find_plugin(
			call->gateway, command_id_at(args, i), &err);

		if (!p) {
			json_decref(document);
			command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
			return;
		}
		if (see(seen, &count, p))
			json_array_append_new(rows,
				status_row(p, command_flag(args, "usage")));
	}
	command_finish(call, OUTCOME_DONE, document);
}

static void
finish_plugins(struct command_call *call, struct rows *r, const char *verb)
{
	rows_finish(
		call, r, verb, call->gateway->plugin_count <= ROWS_AT_ONCE_MAX);
}

void
command_status(struct command_call *call, const json_t *args)
{
	size_t named = command_id_count(args);
	struct rows *r;

	if (named > ROWS_AT_ONCE_MAX) {
		command_fail(call, OUTCOME_BAD_CALL,
			"status: at most %d ids; without any it shows all",
			ROWS_AT_ONCE_MAX);
		return;
	}
	if (named) {
		status_of_some(call, args);
		return;
	}
	r = rows_create(call->gateway, "plugins", NULL);
	r->begin = status_begin;
	r->next = status_next;
	r->kind = command_flag(args, "usage");
	finish_plugins(call, r, "status");
}

void
command_list(struct command_call *call, const json_t *args)
{
	struct rows *r = rows_create(call->gateway, "plugins", NULL);

	r->next = list_next;
	finish_plugins(call, r, "list");
}

/* ---- routes ---- */

static json_t *
routes_begin(struct rows *r)
{
	return json_pack("{s:I}", "tableGeneration",
		(json_int_t)route_table_generation(r->gateway->routes));
}

static bool
routes_next(struct rows *r, struct buffer *text)
{
	const struct route_row *row = rows_next_route(r);

	if (row && (r->kind < 0 || (int)row->kind == r->kind))
		rows_put(text, plugin_view_route(r->gateway, row));
	return row;
}

static void
finish_routes(struct command_call *call, const struct plugin *p, int kind)
{
	struct rows *r = rows_create(call->gateway, "routes", p ? p->id : NULL);

	r->begin = routes_begin;
	r->next = routes_next;
	r->kind = kind;
	r->at = p ? (uint64_t)p->number << 32 : 0;
	r->end = p ? p->number : UINT32_MAX;
	rows_finish(call, r, "routes", rows_of_routes_are_few(r));
}

void
command_routes(struct command_call *call, const json_t *args)
{
	const char *kind_text = command_text(args, "kind");
	struct plugin *p = NULL;
	int kind = -1;

	if (kind_text) {
		kind = registration_kind_by_wire(kind_text, strlen(kind_text));
		if (kind < 0) {
			command_fail(call, OUTCOME_BAD_CALL,
				"unknown kind '%.*s'", TEXT_FIT(kind_text, 40));
			return;
		}
	}
	if (command_text(args, "plugin")) {
		p = find_or_fail(call, args, "plugin");
		if (!p)
			return;
	}
	finish_routes(call, p, kind);
}

/* ---- show ---- */

static json_t *
show_begin(struct rows *r)
{
	const struct plugin *p = gateway_plugin(r->gateway, r->id);

	return p && !p->removed ? plugin_view_all(r->gateway, p) : NULL;
}

void
command_show(struct command_call *call, const json_t *args)
{
	struct plugin *p = find_or_fail(call, args, "id");
	struct rows *r;

	if (!p)
		return;
	r = rows_create(call->gateway, "registrations", p->id);
	r->begin = show_begin;
	r->next = routes_next;
	r->kind = -1;
	r->at = (uint64_t)p->number << 32;
	r->end = p->number;
	rows_finish(call, r, "show", rows_of_routes_are_few(r));
}

void
command_can_reload(struct command_call *call, const json_t *args)
{
	struct plugin *p = find_or_fail(call, args, "id");
	const char *reason = NULL;
	bool safe;

	if (!p)
		return;
	safe = reload_is_safe(call->gateway, p, &reason);
	command_finish(call, OUTCOME_DONE,
		json_pack("{s:s,s:b,s:s?}", "pluginId", p->id, "safe", safe,
			"reason", safe ? NULL : reason));
}

void
command_version(struct command_call *call, const json_t *args)
{
	command_finish(call, OUTCOME_DONE,
		json_pack("{s:s,s:i,s:i}", "version", SUPD_VERSION, "protocol",
			PROTOCOL_VERSION, "pid", (int)getpid()));
}

void
command_shutdown(struct command_call *call, const json_t *args)
{
	if (!call->on_shutdown) {
		command_fail(call, OUTCOME_REFUSED,
			"supd cannot be stopped from here");
		return;
	}
	call->on_shutdown(call);
	command_finish(call, OUTCOME_ACCEPTED,
		json_pack("{s:b,s:i}", "stopping", 1, "pid", (int)getpid()));
}
