/* changes: see the header. edit.c compares the rows. */
#include "supervisor/route/changes.h"

#include <stdlib.h>
#include <string.h>

#include "proto/kinds/kinds.h"
#include "proto/util/memory.h"
#include "supervisor/route/table_parts.h"

const char *const route_change_texts[ROUTE_CHANGE_COUNT] = {
#define X(name, text) [ROUTE_##name] = text,
	ROUTE_CHANGES(X)
#undef X
};

static void
note(void *user, enum route_change what, const struct route_row *row)
{
	struct route_changes *c = user;
	uint32_t named = c->of[what].named;

	c->of[what].count++;
	if (named == ROUTE_CHANGE_NAMES_MAX ||
		strlen(row->name) > ROUTE_CHANGE_NAME_BYTES)
		return;
	c->of[what].names[named] = memory_format(
		"%s:%s", registration_kinds[row->kind]->wire, row->name);
	c->of[what].named++;
}

void
route_changes_of_edit(struct route_changes *c, const struct route_edit *edit)
{
	*c = (struct route_changes){0};
	route_edit_compare(edit, note, c);
}

void
route_changes_of_removal(
	struct route_changes *c, const struct route_table *t, uint32_t plugin)
{
	const struct route_row *row;
	uint32_t at = plugin, index = 0;

	*c = (struct route_changes){0};
	while ((row = route_table_next(t, &at, &index)) &&
		row->plugin == plugin)
		note(c, ROUTE_REMOVED, row);
}

bool
route_changes_any(const struct route_changes *c)
{
	for (int i = 0; i < ROUTE_CHANGE_COUNT; i++)
		if (c->of[i].count)
			return true;
	return false;
}

void
route_changes_finish(struct route_changes *c)
{
	for (int i = 0; i < ROUTE_CHANGE_COUNT; i++)
		for (uint32_t k = 0; k < c->of[i].named; k++)
			free(c->of[i].names[k]);
}
