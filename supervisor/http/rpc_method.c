/* rpc_method: see rpc_method.h. */
#include "supervisor/http/rpc_method.h"

#include <stdint.h>
#include <string.h>

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

static void
rename_argument(json_t *args, const char *from, const char *to)
{
	json_t *value = json_object_get(args, from);

	if (!value || json_object_get(args, to))
		return;
	json_object_set(args, to, value);
	json_object_del(args, from);
}

/* Arguments by position, in the order of the verb's row. */
static json_t *
named(const struct verb_row *row, const json_t *list, const char *without)
{
	json_t *args = json_object();
	size_t at = 0;

	for (int i = 0; i < VERB_ARGUMENTS_MAX && row->args[i].name; i++)
		if ((!without || strcmp(row->args[i].name, without)) &&
			at < json_array_size(list))
			json_object_set(args, row->args[i].name,
				json_array_get(list, at++));
	return args;
}

json_t *
rpc_read_args(const struct verb_row *row, const struct verb_session *m,
	const json_t *params)
{
	json_t *args = json_is_array(params)
			       ? named(row, params, m->kind ? "kind" : NULL)
		       : params ? json_copy((json_t *)(uintptr_t)params)
				: json_object();

	if (m->alias)
		rename_argument(args, m->alias, "args");
	if (m->kind)
		json_object_set_new(args, "kind", json_string(m->kind));
	/* reload calls it pluginId; in a session all may say id */
	if (!strcmp(row->name, "reload"))
		rename_argument(args, "id", "pluginId");
	return args;
}
