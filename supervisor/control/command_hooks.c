/* command_hooks: who is called for which event. It changes nothing. */
#include <stdlib.h>

#include "proto/event_name.h"
#include "proto/util/memory.h"
#include "supervisor/control/job.h"
#include "supervisor/control/plugin_view.h"
#include "supervisor/control/rows.h"
#include "supervisor/event/view.h"

/* user: the name of an event, or NULL */
static bool
hooks_next(struct rows *r, struct buffer *text)
{
	const struct route_row *row = rows_next_route(r);

	if (row && row->kind == REGISTRATION_HOOK &&
		(!r->user || hook_view_concerns(row, r->user)))
		rows_put(text, plugin_view_route(r->gateway, row));
	return row;
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
	r->end = UINT32_MAX;
	rows_finish(call, r, key, rows_of_routes_are_few(r));
	free(key);
}
