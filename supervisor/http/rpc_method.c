/* rpc_method: see rpc_method.h. */
#include "supervisor/http/rpc_method.h"

#include <stdint.h>
#include <string.h>

#include "proto/util/text.h"

bool
rpc_find_verb(const char *method, const struct verb_row **row_out,
	const struct verb_session **session_out)
{
	for (int v = 0; v < VERB_COUNT; v++)
		for (int i = 0; i < VERB_SESSIONS_MAX; i++) {
			const struct verb_session *m = &verb_rows[v].session[i];

			if (!m->method || strcmp(m->method, method))
				continue;
			*row_out = &verb_rows[v];
			*session_out = m;
			return true;
		}
	return false;
}

static int
rename_argument(
	json_t *args, const char *from, const char *to, struct error *err)
{
	json_t *value = json_object_get(args, from);

	if (!value)
		return 0;
	if (json_object_get(args, to))
		return error_set(err, "only one of '%s' and '%s' may be given",
			from, to);
	json_object_set(args, to, value);
	json_object_del(args, from);
	return 0;
}

/* Arguments by position; names ends with NULL. */
static json_t *
named_list(const json_t *list, const char *const *names, struct error *err)
{
	json_t *args = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!names[i]) {
			error_set(err,
				"too many arguments, at most %zu are taken", i);
			json_decref(args);
			return NULL;
		}
		json_object_set(args, names[i], json_array_get(list, i));
	}
	return args;
}

/* The same in the order of the verb's row. */
static json_t *
named(const struct verb_row *row, const json_t *list, const char *without,
	struct error *err)
{
	const char *names[VERB_ARGUMENTS_MAX + 1] = {NULL};
	size_t count = 0;

	for (int i = 0; i < VERB_ARGUMENTS_MAX && row->args[i].name; i++)
		if (!without || strcmp(row->args[i].name, without))
			names[count++] = row->args[i].name;
	return named_list(list, names, err);
}

json_t *
rpc_read_args(const struct verb_row *row, const struct verb_session *m,
	const json_t *params, struct error *err)
{
	json_t *args =
		json_is_array(params)
			? named(row, params, m->kind ? "kind" : NULL, err)
		: params ? json_copy((json_t *)(uintptr_t)params)
			 : json_object();

	if (!args)
		return NULL;
	/* reload calls it pluginId; in a session all may say id */
	if ((m->alias && rename_argument(args, m->alias, "args", err)) ||
		(!strcmp(row->name, "reload") &&
			rename_argument(args, "id", "pluginId", err))) {
		json_decref(args);
		return NULL;
	}
	if (m->kind)
		json_object_set_new(args, "kind", json_string(m->kind));
	return args;
}

static size_t
find_name(const char *const *names, const char *name)
{
	size_t i = 0;

	while (names[i] && strcmp(names[i], name))
		i++;
	return i;
}

json_t *
rpc_name_params(
	const json_t *params, const char *const *names, struct error *err)
{
	const char *key;
	json_t *value;

	if (!params || json_is_array(params))
		return named_list(params, names, err);
	json_object_foreach((json_t *)(uintptr_t)params, key, value)
	{
		if (names[find_name(names, key)])
			continue;
		error_set(err, "unknown argument '%.*s'", TEXT_FIT(key, 40));
		return NULL;
	}
	return json_incref((json_t *)(uintptr_t)params);
}
