/* commands: the table of handlers, and what all commands share: roles,
 * arguments, the end of a call. Does none of the work. */
#include "supervisor/control/commands.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/util/near.h"
#include "proto/util/text.h"
#include "supervisor/control/job.h"

#define VERB(id, command, client, ...) [VERB_##id] = command,
static command_handler *const handlers[VERB_COUNT] = {
#include "proto/verbs.def"
};
#undef VERB

static_assert((int)ROLE_VIEWER == VERB_VIEWER &&
		      (int)ROLE_OPERATOR == VERB_OPERATOR &&
		      (int)ROLE_ADMIN == VERB_ADMIN,
	"roles of the configuration and of the verbs are the same");

const char *
command_by_method(const char *name, size_t length)
{
	for (int i = 0; i < VERB_COUNT; i++) {
		const char *method = verb_rows[i].method;

		if (method && strlen(method) == length &&
			!memcmp(method, name, length))
			return verb_rows[i].name;
	}
	return NULL;
}

static bool
is_text(const json_t *value)
{
	/* A NUL inside would make two different ids look equal. */
	return json_is_string(value) &&
	       strlen(json_string_value(value)) == json_string_length(value);
}

static bool
are_texts(const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is_text(json_array_get(value, i)))
			return false;
	return json_array_size(value) > 0 && json_array_size(value) <= IDS_MAX;
}

static int
argument_check(
	const struct verb_argument *a, const json_t *value, struct error *err)
{
	switch (a->type) {
	case ARGUMENT_TEXT:
		return is_text(value) ? 0
				      : error_set(err, "'%s' must be a string",
						a->name);
	case ARGUMENT_TEXTS:
		return are_texts(value)
			       ? 0
			       : error_set(err,
					 "'%s' must be a list of strings, "
					 "at most %d",
					 a->name, IDS_MAX);
	case ARGUMENT_FLAG:
		return json_is_boolean(value)
			       ? 0
			       : error_set(err, "'%s' must be true or false",
					 a->name);
	case ARGUMENT_COUNT:
		return json_is_integer(value) && json_integer_value(value) >= 0
			       ? 0
			       : error_set(err,
					 "'%s' must be an integer, 0 or more",
					 a->name);
	case ARGUMENT_ANY:
		break;
	}
	return 0;
}

static const struct verb_argument *
argument_find(const struct verb_row *row, const char *name)
{
	for (int i = 0; i < VERB_ARGUMENTS_MAX && row->args[i].name; i++)
		if (!strcmp(row->args[i].name, name))
			return &row->args[i];
	return NULL;
}

static bool
is_given(const json_t *args, const char *name)
{
	const json_t *value = json_object_get(args, name);

	return value && !json_is_null(value);
}

static int
arguments_check(
	const struct verb_row *row, const json_t *args, struct error *err)
{
	const char *key;
	json_t *value;

	if (args && !json_is_object(args))
		return error_set(err, "the arguments must be a map");
	/* jansson iterates without changing; its interface lacks the const. */
	json_object_foreach((json_t *)(uintptr_t)args, key, value)
	{
		const struct verb_argument *a = argument_find(row, key);

		if (!a)
			return error_set(err, "unknown argument '%.*s'",
				TEXT_FIT(key, 40));
		if (!json_is_null(value) && argument_check(a, value, err))
			return -1;
	}
	for (int i = 0; i < VERB_ARGUMENTS_MAX && row->args[i].name; i++)
		if (row->args[i].required && !is_given(args, row->args[i].name))
			return error_set(
				err, "'%s' is missing", row->args[i].name);
	return 0;
}

/* The number or flag that a text spells; NULL: it spells none. */
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
	for (int i = 0; i < VERB_ARGUMENTS_MAX && verb_rows[verb].args[i].name;
		i++) {
		const struct verb_argument *a = &verb_rows[verb].args[i];
		const char *text = command_text(args, a->name);
		json_t *value = text ? value_of_text(a->type, text) : NULL;

		if (value)
			json_object_set_new(args, a->name, value);
	}
}

static const char *
caller_name(const struct command_call *call)
{
	return call->caller ? call->caller : "the caller";
}

/* The call may be gone when its handler returns. */
static void
run_handler(struct command_call *call, enum verb verb, const json_t *args)
{
	struct gateway *g = call->gateway;
	const char *before = g->asking;
	struct trace_context trace = g->asking_trace;

	g->asking = call->caller;
	g->asking_trace = call->trace;
	handlers[verb](call, args);
	g->asking = before;
	g->asking_trace = trace;
}

void
command_run(
	struct command_call *call, const char *verb_name, const json_t *args)
{
	enum verb verb = verb_by_name(verb_name);
	struct error err = {.text = ""};

	call->job = NULL;
	if (call->nobody)
		command_fail(call, OUTCOME_DENIED,
			"permission denied: %s has no role; admin: peers: "
			"gives one",
			caller_name(call));
	else if (verb == VERB_UNKNOWN)
		command_fail(call, OUTCOME_BAD_CALL, "unknown command '%.40s'",
			verb_name);
	else if ((int)call->role < (int)verb_rows[verb].role)
		command_fail(call, OUTCOME_DENIED,
			"permission denied: '%s' needs the role %s; %s has "
			"the role %s",
			verb_rows[verb].name,
			verb_role_name(verb_rows[verb].role), caller_name(call),
			role_name(call->role));
	else if (arguments_check(&verb_rows[verb], args, &err))
		command_fail(call, OUTCOME_BAD_CALL, "%s: %s",
			verb_rows[verb].name, err.text);
	else
		run_handler(call, verb, args);
}

/* A verb that supctl handles by itself. */
void
command_local(struct command_call *call, const json_t *args)
{
	(void)args;
	command_fail(call, OUTCOME_BAD_CALL, "supctl does this without supd");
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
	text_vformat(text, sizeof(text), format, list);
	va_end(list);
	result = json_pack("{s:s}", "error", text);
	command_finish(call, outcome, result);
}

void
command_report(struct command_call *call, json_t *event)
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
	struct near near;

	near_init(&near, name);
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];
		size_t used = strlen(ids);

		if (!p || p->removed)
			continue;
		if (i < NEAR_LOOKS_MAX)
			near_offer(&near, p->id);
		if (strcmp(p->config->use, name))
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
		error_set(
			err, "no such plugin: '%s'%s", name, near_hint(&near));
	return NULL;
}

struct plugin *
command_find_plugin(const struct gateway *g, const char *id, struct error *err)
{
	struct plugin *p;

	if (!config_id_is_valid(id)) {
		error_set(err, "no such plugin: not a plugin id");
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

size_t
command_id_count(const json_t *args)
{
	return (command_text(args, "id") != NULL) +
	       json_array_size(json_object_get(args, "ids"));
}

const char *
command_id_at(const json_t *args, size_t at)
{
	const char *id = command_text(args, "id");

	if (id && !at)
		return id;
	return json_string_value(json_array_get(
		json_object_get(args, "ids"), at - (id != NULL)));
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
