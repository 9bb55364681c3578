/* commands: the table of commands and what is the same for all of them: who
 * may, which arguments there are, how a call ends. Does none of the work. */
#include "supervisor/control/commands.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/control/job.h"

#define ARGUMENTS_MAX 12

enum argument_type {
	ARGUMENT_TEXT = 1,
	ARGUMENT_TEXTS, /* array of text */
	ARGUMENT_FLAG,
	ARGUMENT_COUNT, /* from 0 */
	ARGUMENT_ANY,
};

struct argument {
	const char *name;
	enum argument_type type;
	bool required;
};

struct command {
	command_handler *run;
	struct argument arguments[ARGUMENTS_MAX];
};

#define ID_ARGUMENT                                                            \
	{                                                                      \
		{                                                              \
			"id", ARGUMENT_TEXT, true                              \
		}                                                              \
	}

static const struct command commands[VERB_COUNT] = {
	[VERB_STATUS] = {command_status, {{"id", ARGUMENT_TEXT, false}}},
	[VERB_LIST] = {command_list, {{0}}},
	[VERB_SHOW] = {command_show, ID_ARGUMENT},
	[VERB_ROUTES] = {command_routes,
		{{"kind", ARGUMENT_TEXT, false},
			{"plugin", ARGUMENT_TEXT, false}}},
	[VERB_RELOAD] = {command_reload,
		{{"pluginId", ARGUMENT_TEXT, false},
			{"pluginIds", ARGUMENT_TEXTS, false},
			{"all", ARGUMENT_FLAG, false},
			{"package", ARGUMENT_TEXT, false},
			{"wait", ARGUMENT_ANY, false},
			{"force", ARGUMENT_FLAG, false},
			{"noDrop", ARGUMENT_FLAG, false},
			{"ifSafe", ARGUMENT_FLAG, false},
			{"changed", ARGUMENT_FLAG, false},
			{"atomic", ARGUMENT_FLAG, false},
			{"plan", ARGUMENT_FLAG, false},
			{"prove", ARGUMENT_FLAG, false}}},
	[VERB_ENABLE] = {command_enable, ID_ARGUMENT},
	[VERB_DISABLE] = {command_disable, ID_ARGUMENT},
	[VERB_PLAN] = {command_plan, {{0}}},
	[VERB_APPLY] = {command_apply, {{"atomic", ARGUMENT_FLAG, false}}},
	[VERB_SCAN] = {command_scan, {{0}}},
	[VERB_EMIT] = {command_emit,
		{{"name", ARGUMENT_TEXT, true}, {"data", ARGUMENT_ANY, false}}},
	[VERB_EVENTS] = {command_events,
		{{"lines", ARGUMENT_COUNT, false},
			{"after", ARGUMENT_COUNT, false},
			{"follow", ARGUMENT_FLAG, false}}},
	[VERB_HISTORY] = {command_history,
		{{"id", ARGUMENT_TEXT, false},
			{"lines", ARGUMENT_COUNT, false}}},
	[VERB_CONFIG] = {command_config, {{0}}},
	[VERB_METRICS] = {command_metrics, {{"format", ARGUMENT_TEXT, false}}},
	[VERB_CAN_RELOAD] = {command_can_reload, ID_ARGUMENT},
	[VERB_START] = {command_start, ID_ARGUMENT},
	[VERB_STOP] = {command_stop, ID_ARGUMENT},
	[VERB_RESTART] = {command_restart, ID_ARGUMENT},
	[VERB_LOGS] = {command_logs,
		{{"id", ARGUMENT_TEXT, true}, {"lines", ARGUMENT_COUNT, false},
			{"follow", ARGUMENT_FLAG, false}}},
	[VERB_CALL] = {command_invoke,
		{{"kind", ARGUMENT_TEXT, true}, {"name", ARGUMENT_TEXT, true},
			{"args", ARGUMENT_ANY, false},
			{"timeoutMs", ARGUMENT_COUNT, false}}},
	[VERB_VERSION] = {command_version, {{0}}},
	[VERB_SHUTDOWN] = {command_shutdown, {{0}}},
};

static_assert((int)ROLE_VIEWER == VERB_VIEWER &&
		      (int)ROLE_OPERATOR == VERB_OPERATOR &&
		      (int)ROLE_ADMIN == VERB_ADMIN,
	"roles of the configuration and of the verbs are the same");

/* supd's own methods, for workers and for WebSocket clients. */
static const struct {
	const char *method;
	enum verb verb;
} methods[] = {
	{"plugins.list", VERB_LIST},
	{"plugins.status", VERB_STATUS},
	{"plugins.routes", VERB_ROUTES},
	{"plugins.reload", VERB_RELOAD},
};

const char *
command_by_method(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (strlen(methods[i].method) == length &&
			!memcmp(methods[i].method, name, length))
			return verb_rows[methods[i].verb].name;
	return NULL;
}

static bool
is_text(const json_t *value)
{
	/* A NUL inside would make two different ids look the same. */
	return json_is_string(value) &&
	       strlen(json_string_value(value)) == json_string_length(value);
}

static bool
are_texts(const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is_text(json_array_get(value, i)))
			return false;
	return json_array_size(value) > 0;
}

static int
argument_check(const struct argument *a, const json_t *value, struct error *err)
{
	switch (a->type) {
	case ARGUMENT_TEXT:
		return is_text(value)
			       ? 0
			       : error_set(err, "'%s' must be a text", a->name);
	case ARGUMENT_TEXTS:
		return are_texts(value)
			       ? 0
			       : error_set(err, "'%s' must be a list of texts",
					 a->name);
	case ARGUMENT_FLAG:
		return json_is_boolean(value)
			       ? 0
			       : error_set(err, "'%s' must be true or false",
					 a->name);
	case ARGUMENT_COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0
			       ? 0
			       : error_set(err,
					 "'%s' must be a number from 0 on",
					 a->name);
	case ARGUMENT_ANY:
		break;
	}
	return 0;
}

static const struct argument *
argument_find(const struct command *c, const char *name)
{
	for (int i = 0; i < ARGUMENTS_MAX && c->arguments[i].name; i++)
		if (!strcmp(c->arguments[i].name, name))
			return &c->arguments[i];
	return NULL;
}

static int
arguments_check(const struct command *c, const json_t *args, struct error *err)
{
	const char *key;
	json_t *value;

	if (args && !json_is_object(args))
		return error_set(err, "the arguments must be a map");
	/* jansson iterates without changing; its interface lacks the const. */
	json_object_foreach((json_t *)(uintptr_t)args, key, value)
	{
		const struct argument *a = argument_find(c, key);

		if (!a)
			return error_set(
				err, "there is no argument '%.40s'", key);
		if (!json_is_null(value) && argument_check(a, value, err))
			return -1;
	}
	for (int i = 0; i < ARGUMENTS_MAX && c->arguments[i].name; i++)
		if (c->arguments[i].required &&
			(!args ||
				json_is_null(json_object_get(
					args, c->arguments[i].name)) ||
				!json_object_get(args, c->arguments[i].name)))
			return error_set(
				err, "'%s' is missing", c->arguments[i].name);
	return 0;
}

/* A text that says a number or a flag as that; NULL: it does not. */
static json_t *
value_of_text(enum argument_type type, const char *text)
{
	char *end = NULL;

	if (type == ARGUMENT_FLAG)
		return !strcmp(text, "true")	? json_true()
		       : !strcmp(text, "false") ? json_false()
						: NULL;
	if (type == ARGUMENT_COUNT && *text >= '0' && *text <= '9' &&
		strlen(text) <= 18) {
		json_int_t number = strtoll(text, &end, 10);

		return *end ? NULL : json_integer(number);
	}
	return NULL;
}

void
command_read_texts(const char *verb_name, json_t *args)
{
	enum verb verb = verb_by_name(verb_name);

	if (verb == VERB_UNKNOWN)
		return;
	for (int i = 0; i < ARGUMENTS_MAX && commands[verb].arguments[i].name;
		i++) {
		const struct argument *a = &commands[verb].arguments[i];
		const char *text = command_text(args, a->name);
		json_t *value = text ? value_of_text(a->type, text) : NULL;

		if (value)
			json_object_set_new(args, a->name, value);
	}
}

void
command_run(
	struct command_call *call, const char *verb_name, const json_t *args)
{
	enum verb verb = verb_by_name(verb_name);
	struct error err = {{0}};

	call->job = NULL;
	if (call->nobody)
		command_fail(call, OUTCOME_DENIED, "permission denied");
	else if (verb == VERB_UNKNOWN)
		command_fail(call, OUTCOME_BAD_CALL,
			verb_is_planned(verb_name)
				? "'%.40s' is not supported yet"
				: "there is no command '%.40s'",
			verb_name);
	else if ((int)call->role < (int)verb_rows[verb].role)
		command_fail(call, OUTCOME_DENIED,
			"permission denied: '%s' needs the role %s",
			verb_rows[verb].name,
			role_name((enum role)verb_rows[verb].role));
	else if (!commands[verb].run)
		command_fail(call, OUTCOME_BAD_CALL,
			"'%.40s' is not supported yet", verb_name);
	else if (arguments_check(&commands[verb], args, &err))
		command_fail(call, OUTCOME_BAD_CALL, "%s: %s",
			verb_rows[verb].name, err.text);
	else
		commands[verb].run(call, args);
}

void
command_abandon(struct command_call *call)
{
	struct command_job *job = call->job;

	call->job = NULL;
	if (job)
		job->leave(job);
}

void
command_end(struct command_call *call)
{
	if (call->job && call->job->end)
		call->job->end(call->job);
}

void
command_finish(struct command_call *call, enum outcome outcome, json_t *result)
{
	assert(result);
	call->job = NULL;
	call->on_done(call, outcome, result);
	json_decref(result);
}

void
command_fail(struct command_call *call, enum outcome outcome,
	const char *format, ...)
{
	char text[768];
	json_t *result;
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	result = json_pack("{s:s}", "error", text);
	if (!result) { /* a caller's bytes that are not UTF-8 */
		for (char *c = text; *c; c++)
			if ((unsigned char)*c >= 0x80)
				*c = '?';
		result = json_pack("{s:s}", "error", text);
	}
	command_finish(call, outcome, result);
}

void
command_tell(struct command_call *call, json_t *event)
{
	if (call->on_progress)
		call->on_progress(call, event);
	json_decref(event);
}

static struct plugin *
find_by_package(const struct gateway *g, const char *name, struct error *err)
{
	struct plugin *found = NULL;
	unsigned count = 0;
	char ids[256] = "";

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];
		size_t used = strlen(ids);

		if (!p || p->removed || strcmp(p->config->use, name))
			continue;
		snprintf(ids + used, sizeof(ids) - used, "%s%s",
			count++ ? ", " : "", p->id);
		found = p;
	}
	if (count == 1)
		return found;
	if (count)
		error_set(err,
			"no plugin has the id '%s'; its package is used by %s",
			name, ids);
	else
		error_set(err, "no such plugin: '%s'", name);
	return NULL;
}

struct plugin *
command_find_plugin(const struct gateway *g, const char *id, struct error *err)
{
	struct plugin *p;

	if (!config_id_is_valid(id)) {
		error_set(err, "no such plugin: that is not a plugin id");
		return NULL;
	}
	p = gateway_plugin(g, id);
	return p && !p->removed ? p : find_by_package(g, id, err);
}

const char *
command_text(const json_t *args, const char *key)
{
	return json_string_value(json_object_get(args, key));
}

bool
command_flag(const json_t *args, const char *key)
{
	return json_is_true(json_object_get(args, key));
}

uint64_t
command_number(const json_t *args, const char *key, uint64_t if_absent)
{
	const json_t *value = json_object_get(args, key);

	return json_is_integer(value) ? (uint64_t)json_integer_value(value)
				      : if_absent;
}
