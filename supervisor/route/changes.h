/* changes: what a commit does to the rows of one plugin, for reports. All
 * changes are counted; a limited number of names is kept. */
#pragma once

#include "supervisor/route/table.h"

#define ROUTE_CHANGE_NAMES_MAX 20   /* of each kind of change */
#define ROUTE_CHANGE_NAME_BYTES 256 /* longer names are only counted */

#define ROUTE_CHANGES(X)                                                       \
	X(ADDED, "added")                                                      \
	X(REMOVED, "removed")                                                  \
	X(CHANGED, "changed") /* kept, with another declaration */

enum route_change {
#define X(name, text) ROUTE_##name,
	ROUTE_CHANGES(X)
#undef X
		ROUTE_CHANGE_COUNT,
};
extern const char *const route_change_texts[ROUTE_CHANGE_COUNT];

struct route_changes {
	struct {
		uint32_t count;
		uint32_t named;
		/* kind and full name: "http:GET /bot-a/hook" */
		char *names[ROUTE_CHANGE_NAMES_MAX];
	} of[ROUTE_CHANGE_COUNT];
};

/* The changes of an edit; call it before the commit. */
void route_changes_of_edit(
	struct route_changes *c, const struct route_edit *edit);
/* The changes of route_table_remove(); call it before that. */
void route_changes_of_removal(
	struct route_changes *c, const struct route_table *t, uint32_t plugin);
bool route_changes_any(const struct route_changes *c);
void route_changes_finish(struct route_changes *c);
