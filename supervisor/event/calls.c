/* calls: watches invoke on behalf of hooks. */
#include "supervisor/event/calls.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value.h"
#include "supervisor/event/filter.h"
#include "supervisor/event/hook.h"
#include "supervisor/gateway/invoke.h"
#include "supervisor/ops/time_text.h"

/* A call while it is watched. */
struct call_watch {
	struct invoke *call;
	struct events *events;
	struct filter_run filter; /* before the call, or after it */
	json_t *data;		  /* of tool.before, as it is now */
	struct event_source now;  /* of the event in progress */
	char at[TIME_TEXT_BYTES], *caller_id;
	struct trace_context trace; /* of the call */
	/* tool.after: how the call ended. */
	struct invoke_end end;
	json_t *value;
	char *text;
};

static const char *
before_name(const struct invoke *v)
{
	return v->kind == REGISTRATION_TOOL ? "tool.before" : "command.before";
}

static bool
is_hooked_before(const struct events *e, const struct invoke *v)
{
	return v->kind == REGISTRATION_TOOL ? e->has_tool_before
					    : e->has_command_before;
}

/* ---- events ---- */

static struct event_source *
new_event(struct call_watch *w, const char *name, json_t *data)
{
	w->now = (struct event_source){.id = events_next_id(w->events),
		.at = time_text(w->at, clock_wall_ms()),
		.name = name,
		.plugin_id = w->caller_id,
		.chain = w->call->request.chain,
		.trace = w->trace,
		.data = data};
	return &w->now;
}

/* Passes the event to observers with one more member, whose reference is taken.
 */
static void
report(struct call_watch *w, const json_t *data, const char *key, json_t *more)
{
	json_t *whole = more ? json_copy((json_t *)(uintptr_t)data)
			     : json_incref((json_t *)(uintptr_t)data);

	if (more)
		json_object_set_new(whole, key, more);
	w->now.data = whole;
	events_pass(w->events, &w->now);
	json_decref(whole);
}

/* What a filter calls is not filtered. */
static bool
is_filtered(const struct call_watch *w, const char *name)
{
	const struct chain *chain = w->call->request.chain;

	return !(chain && chain->in_filter) && filter_is_there(w->events, name);
}

static void
filter(struct call_watch *w, json_t *data,
	int (*check)(struct filter_run *f, enum hook_verdict verdict,
		json_t *data, struct error *err),
	void (*done)(struct filter_run *f, const struct filter_end *end))
{
	const struct invoke *v = w->call;
	uint64_t limit_ms = v->request.due_limit_ms;

	if (v->due_ms && (!limit_ms || limit_ms > v->due_ms))
		limit_ms = v->due_ms;
	filter_begin(&w->filter, w->events,
		&(const struct filter_event){.source = &w->now,
			.data = data,
			.limit_ms = limit_ms,
			.check = check,
			.done = done});
}

static json_t *
who_and_why(const struct filter_end *end)
{
	json_t *value = filter_end_view(end);

	json_object_set_new(value, "reason", value_text(end->reason));
	return value;
}

/* The call is refused by a filter. */
static void
refuse(struct invoke *v, const struct filter_end *end)
{
	char text[768];
	struct invoke_end how = {.code = WIRE_DENIED, .text = text};

	if (end->is_late) {
		how.code = WIRE_TIMEOUT;
		text_format(text, sizeof(text), "%s", end->reason);
	} else {
		if (end->is_too_large)
			how.code = WIRE_TOO_LARGE;
		else if (end->by_error)
			how.code = WIRE_FAILED;
		text_format(text, sizeof(text),
			"stopped by the hook %s of plugin '%s'%s%s", end->hook,
			end->plugin_id, *end->reason ? ": " : "", end->reason);
	}
	how.http_status = wire_error_status(how.code);
	invoke_end_with(v, &how);
}

/* Restores members that a filter may not change, as later filters rely on them.
 */
static void
keep_facts(const struct call_watch *w, json_t *data, bool is_after)
{
	static const char *const facts[] = {"name", "plugin", "caller", "args"};

	for (int i = 0; i < (is_after ? 4 : 3); i++)
		json_object_set(
			data, facts[i], json_object_get(w->data, facts[i]));
}

/* ---- before ---- */

static int
check_before(struct filter_run *f, enum hook_verdict verdict, json_t *data,
	struct error *err)
{
	const struct call_watch *w = container_of(f, struct call_watch, filter);
	bool is_command = w->call->kind == REGISTRATION_COMMAND;
	const json_t *args = verdict == HOOK_VERDICT_CHANGE
				     ? json_object_get(data, "args")
				     : data;

	if (!args)
		return error_set(err, "its data has no args");
	if (is_command && !json_is_string(args))
		return error_set(err, "its %s is not a string",
			verdict == HOOK_VERDICT_CHANGE ? "args" : "data");
	if (verdict == HOOK_VERDICT_CHANGE)
		keep_facts(w, data, false);
	return 0;
}

static void
before_goes_on(struct call_watch *w, const struct filter_end *end)
{
	json_t *args = NULL;

	if (end->verdict == HOOK_VERDICT_CHANGE) {
		args = json_incref(json_object_get(end->data, "args"));
		json_object_set(w->data, "args", args);
	}
	report(w, w->data, NULL, NULL);
	filter_finish(&w->filter);
	invoke_go_on(w->call, args);
	json_decref(args);
}

static void
before_done(struct filter_run *f, const struct filter_end *end)
{
	struct call_watch *w = container_of(f, struct call_watch, filter);
	struct invoke_end how = {.ok = true};

	if (end->verdict <= HOOK_VERDICT_CHANGE) {
		before_goes_on(w, end);
	} else if (end->verdict == HOOK_VERDICT_STOP) {
		if (!end->is_late)
			report(w, f->data, "stopped", who_and_why(end));
		refuse(w->call, end);
	} else {
		report(w, f->data, "claimed", filter_end_view(end));
		how.value = end->data;
		invoke_end_with(w->call, &how);
	}
}

static json_t *
caller_of(const struct invoke *v)
{
	return json_pack("{s:s,s:s*}", "door", v->door, "plugin", v->caller_id);
}

static struct call_watch *
watch(struct events *e, struct invoke *v)
{
	struct call_watch *w = memory_alloc(sizeof(*w));
	struct plugin *p =
		gateway_plugin_by_number(e->gateway, v->request.plugin);

	w->call = v;
	w->events = e;
	w->trace = v->request.span.context;
	w->caller_id = memory_copy_text(v->caller_id);
	w->data =
		json_pack("{s:o,s:O,s:s,s:o}", "name", value_text(v->full_name),
			"args", v->value ? v->value : json_null(), "plugin",
			p->id, "caller", caller_of(v));
	v->watch = w;
	return w;
}

static bool
begins(struct invoke *v)
{
	struct events *e = v->gateway->events;
	const char *name = before_name(v);
	struct call_watch *w;

	if (v->kind == REGISTRATION_METHOD ||
		(!is_hooked_before(e, v) &&
			(v->kind != REGISTRATION_TOOL || !e->has_tool_after)))
		return false;
	w = watch(e, v);
	if (!is_hooked_before(e, v))
		return false;
	new_event(w, name, w->data);
	if (!is_filtered(w, name)) {
		report(w, w->data, NULL, NULL);
		return false;
	}
	filter(w, w->data, check_before, before_done);
	return true;
}

/* ---- after ---- */

/* Checks data without a result. */
static int
check_error(const json_t *data, struct error *err)
{
	const json_t *error = json_object_get(data, "error");
	const json_t *code = json_object_get(error, "code");

	if (!error)
		return error_set(
			err, "its data has neither a result nor an error");
	if (!json_is_string(json_object_get(error, "text")) ||
		(code && !json_is_string(code)))
		return error_set(err, "its error must have a text, and may "
				      "have a code");
	return 0;
}

static int
check_after(struct filter_run *f, enum hook_verdict verdict, json_t *data,
	struct error *err)
{
	if (verdict != HOOK_VERDICT_CHANGE)
		return 0;
	if (!json_object_get(data, "result") && check_error(data, err))
		return -1;
	keep_facts(container_of(f, struct call_watch, filter), data, true);
	return 0;
}

/* The call fails as a filter says. */
static void
change_error(struct call_watch *w, const json_t *error)
{
	struct bytes code =
		bytes_of(json_string_value(json_object_get(error, "code")));
	char *text = memory_copy_text(
		json_string_value(json_object_get(error, "text")));
	enum wire_error now = code.at ? wire_error_by_text(code.at, code.length)
				      : WIRE_FAILED;

	/* a failure of supd has a status of its own, such as 503 */
	if (w->end.ok || w->end.code != now)
		w->end = (struct invoke_end){
			.code = now, .http_status = wire_error_status(now)};
	free(w->text);
	w->end.text = w->text = text;
}

static void
after_done(struct filter_run *f, const struct filter_end *end)
{
	struct call_watch *w = container_of(f, struct call_watch, filter);
	json_t *result = NULL;

	if (end->verdict == HOOK_VERDICT_STOP) {
		if (!end->is_late)
			report(w, f->data, "stopped", who_and_why(end));
		refuse(w->call, end);
		return;
	}
	if (end->verdict == HOOK_VERDICT_CHANGE)
		result = json_object_get(end->data, "result");
	else if (end->verdict == HOOK_VERDICT_CLAIM)
		result = end->data;
	if (result) {
		json_decref(w->value);
		w->value = json_incref(result);
		w->end = (struct invoke_end){.ok = true, .value = w->value};
	} else if (end->verdict == HOOK_VERDICT_CHANGE) {
		change_error(w, json_object_get(end->data, "error"));
	}
	if (end->verdict == HOOK_VERDICT_CLAIM)
		report(w, f->data, "claimed", filter_end_view(end));
	else
		report(w, end->data, NULL, NULL);
	invoke_end_with(w->call, &w->end);
}

static json_t *
after_data(const struct call_watch *w, const struct invoke_end *end)
{
	json_t *data = json_copy(w->data);

	if (end->ok)
		json_object_set(data, "result", end->value);
	else
		json_object_set_new(data, "error",
			json_pack("{s:s,s:o}", "code",
				wire_error_text(end->code), "text",
				value_text(end->text)));
	return data;
}

static bool
ends(struct invoke *v, const struct invoke_end *end)
{
	struct call_watch *w = v->watch;
	bool filtered;
	json_t *data;

	if (v->kind != REGISTRATION_TOOL || !w->events->has_tool_after)
		return false;
	data = after_data(w, end);
	new_event(w, "tool.after", data);
	filtered = is_filtered(w, "tool.after");
	if (filtered) {
		w->value = json_incref(end->value);
		w->text = memory_copy_text(end->text);
		w->end = *end;
		w->end.text = w->text;
		filter(w, data, check_after, after_done);
	} else {
		report(w, data, NULL, NULL);
	}
	json_decref(data);
	return filtered;
}

static void
left(struct invoke *v)
{
	struct call_watch *w = v->watch;

	v->watch = NULL;
	filter_finish(&w->filter);
	json_decref(w->data);
	json_decref(w->value);
	free(w->caller_id);
	free(w->text);
	free(w);
}

static const struct call_watcher watcher = {
	.begins = begins,
	.ends = ends,
	.left = left,
};

/* ---- which calls have hooks ---- */

static bool
has_hook_for(const struct events *e, const char *name)
{
	struct topic_walk walk;

	topic_walk_begin(&walk, &e->topics, bytes_of(name));
	return topic_walk_next(&walk) ||
	       (e->listener && e->listener->wants(e->listener, bytes_of(name)));
}

void
calls_follow_hooks(struct events *e)
{
	e->has_tool_before = has_hook_for(e, "tool.before");
	e->has_tool_after = has_hook_for(e, "tool.after");
	e->has_command_before = has_hook_for(e, "command.before");
	e->gateway->watcher =
		e->has_tool_before || e->has_tool_after || e->has_command_before
			? &watcher
			: NULL;
}
