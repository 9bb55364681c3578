/* command_watch: who is watched, and a user's decision about it. */
#include <stdlib.h>
#include <string.h>

#include "supervisor/control/job.h"
#include "supervisor/control/rows.h"
#include "supervisor/watch/watch.h"

/* ---- status ---- */

static json_t *
status_begin(struct rows *r)
{
	const struct watch *w = r->gateway->watch;

	return json_pack("{s:s?, s:o}", "gate", watch_gate(w), "configuration",
		watch_view_config(w));
}

static bool
status_next(struct rows *r, struct buffer *text)
{
	const struct gateway *g = r->gateway;
	const struct plugin *p;
	json_t *row;

	if (r->at >= g->plugin_count)
		return false;
	p = g->plugins[r->at++];
	if (!p || p->removed)
		return true;
	row = watch_view(g->watch, p);
	json_object_set_new(row, "id", json_string(p->id));
	rows_put(text, row);
	return true;
}

static void
status(struct command_call *call)
{
	struct rows *r = rows_create(call->gateway, "plugins", NULL);

	r->begin = status_begin;
	r->next = status_next;
	rows_finish(call, r, "watch",
		call->gateway->plugin_count <= ROWS_AT_ONCE_MAX);
}

/* ---- on and off ---- */

static enum outcome
decide(struct gateway *g, struct plugin *p, bool on, json_t *results)
{
	struct error err;
	bool done = watch_decide(g->watch, p, on, &err) == 0;
	json_t *row = json_pack("{s:s}", "id", p->id);

	if (!done)
		json_object_set_new(row, "error", json_string(err.text));
	json_array_append_new(results, row);
	return done ? OUTCOME_DONE : OUTCOME_FAILED;
}

/* All decisions together, and then what is watched by them. */
static json_t *
enforce(struct gateway *g, json_t *results)
{
	json_t *row;
	size_t i;

	watch_refresh(g->watch);
	json_array_foreach(results, i, row)
	{
		const char *id = json_string_value(json_object_get(row, "id"));
		json_t *view = watch_view(g->watch, gateway_plugin(g, id));

		json_object_update(row, view);
		json_decref(view);
	}
	return json_pack("{s:o}", "results", results);
}

/* Decides nothing if an id is unknown. */
static void
decide_named(struct command_call *call, const json_t *args, bool on)
{
	enum outcome outcome = OUTCOME_DONE;
	size_t count = command_id_count(args);
	json_t *results;
	struct error err;

	for (size_t i = 0; i < count; i++)
		if (!command_find_plugin(
			    call->gateway, command_id_at(args, i), &err)) {
			command_fail(call, OUTCOME_NOT_FOUND, "%s", err.text);
			return;
		}
	results = json_array();
	for (size_t i = 0; i < count; i++) {
		struct plugin *p = command_find_plugin(
			call->gateway, command_id_at(args, i), &err);

		if (decide(call->gateway, p, on, results) != OUTCOME_DONE)
			outcome = OUTCOME_FAILED;
	}
	command_finish(call, outcome, enforce(call->gateway, results));
}

static void
decide_all(struct command_call *call, bool on)
{
	struct gateway *g = call->gateway;
	enum outcome outcome = OUTCOME_DONE;
	json_t *results = json_array();

	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i] && !g->plugins[i]->removed &&
			decide(g, g->plugins[i], on, results) != OUTCOME_DONE)
			outcome = OUTCOME_FAILED;
	command_finish_long(call, outcome, enforce(g, results));
}

void
command_watch(struct command_call *call, const json_t *args)
{
	const char *set = command_text(args, "set");
	bool on = set && !strcmp(set, "on"), all = command_flag(args, "all");

	if (!set) {
		status(call);
	} else if (!on && strcmp(set, "off") != 0) {
		command_fail(call, OUTCOME_BAD_CALL,
			"watch: 'set' must be on or off");
	} else if (call->role < ROLE_OPERATOR) {
		command_fail(call, OUTCOME_DENIED,
			"permission denied: to watch a plugin needs the role "
			"operator");
	} else if (all == (command_id_count(args) > 0)) {
		command_fail(call, OUTCOME_BAD_CALL,
			"watch: give ids of plugins, or 'all'");
	} else if (on && watch_gate(call->gateway->watch)) {
		command_fail(call, OUTCOME_FAILED,
			"%s; set it to true and apply, or start supd with "
			"--watch",
			watch_gate(call->gateway->watch));
	} else if (all) {
		decide_all(call, on);
	} else {
		decide_named(call, args, on);
	}
}
