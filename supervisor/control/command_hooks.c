/* command_hooks: who is called for which event. It changes nothing. */
#include <stdlib.h>

#include "proto/event_name.h"
#include "proto/json_text.h"
#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/plugin_view.h"
#include "supervisor/control/rows.h"
#include "supervisor/event/view.h"

static void
put_row(struct buffer *text, json_t *row)
{
	json_text_append(text, row, JSON_TEXT_COMPACT);
	json_decref(row);
}

/* at: the plugin's number and the index of the row among its rows; user: the
 * name of an event, or NULL. */
static bool
hooks_next(struct rows *r, struct buffer *text)
{
	uint32_t plugin = (uint32_t)(r->at >> 32), index = (uint32_t)r->at;
	const struct route_row *row =
		route_table_next(r->gateway->routes, &plugin, &index);

	r->at = (uint64_t)plugin << 32 | index;
	if (!row)
		return false;
	if (row->kind != REGISTRATION_HOOK ||
		(r->user && !hook_view_concerns(row, r->user)))
		return true;
	put_row(text, plugin_view_route(r->gateway, row));
	return true;
}

static bool
are_few(const struct gateway *g)
{
	uint32_t plugin = 0, index = 0, count = 0;

	while (route_table_next(g->routes, &plugin, &index))
		if (++count > ROWS_AT_ONCE_MAX)
			return false;
	return true;
}

static void
free_event(struct rows *r)
{
	free(r->user);
}

void
command_hooks(struct command_call *call, const json_t *args)
{
	const char *event = command_text(args, "event");
	struct rows *r;
	char *key;

	if (event && !event_name_is_valid(bytes_of(event))) {
		command_fail(call, OUTCOME_BAD_CALL,
			"hooks: not the name of an event");
		return;
	}
	r = rows_create(call->gateway, "hooks", NULL);
	key = memory_format("hooks %s", event ? event : "");
	r->next = hooks_next;
	r->user = memory_copy_text(event);
	r->free = free_event;
	rows_finish(call, r, key, are_few(call->gateway));
	free(key);
}
