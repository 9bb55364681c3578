/* command_read: the commands that only look. They never start, stop or change
 * anything, and run no plugin code. */
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "supervisor/control/job.h"
#include "supervisor/control/plugin_view.h"
#include "supervisor/gateway/reload.h"

/* The plugin that `key` names, or NULL: then the call has been ended. */
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
	json_object_set_new(document, "stopping", json_boolean(g->stopping));
	json_object_set_new(document, "uptimeSeconds",
		json_integer(
			(json_int_t)((clock_ms() - g->started_ms) / 1000)));
}

void
command_status(struct command_call *call, const json_t *args)
{
	const struct gateway *g = call->gateway;
	json_t *document, *rows = json_array();

	if (command_text(args, "id")) {
		struct plugin *p = find_or_fail(call, args, "id");

		if (!p) {
			json_decref(rows);
			return;
		}
		json_array_append_new(rows, plugin_view_status(p));
	} else {
		for (uint32_t i = 0; i < g->plugin_count; i++)
			if (g->plugins[i] && !g->plugins[i]->removed)
				json_array_append_new(rows,
					plugin_view_status(g->plugins[i]));
	}
	document = json_object();
	gateway_put(document, g);
	json_object_set_new(document, "plugins", rows);
	command_finish(call, OUTCOME_DONE, document);
}

void
command_list(struct command_call *call, const json_t *args)
{
	const struct gateway *g = call->gateway;
	json_t *rows = json_array();

	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i] && !g->plugins[i]->removed)
			json_array_append_new(
				rows, plugin_view_list(g, g->plugins[i]));
	command_finish(call, OUTCOME_DONE, json_pack("{s:o}", "plugins", rows));
}

void
command_show(struct command_call *call, const json_t *args)
{
	struct plugin *p = find_or_fail(call, args, "id");

	if (p)
		command_finish(
			call, OUTCOME_DONE, plugin_view_all(call->gateway, p));
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
				"there is no kind '%.40s'", kind_text);
			return;
		}
	}
	if (command_text(args, "plugin")) {
		p = find_or_fail(call, args, "plugin");
		if (!p)
			return;
	}
	command_finish(call, OUTCOME_DONE,
		json_pack("{s:I,s:o}", "tableGeneration",
			(json_int_t)route_table_generation(
				call->gateway->routes),
			"routes", plugin_view_routes(call->gateway, p, kind)));
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
