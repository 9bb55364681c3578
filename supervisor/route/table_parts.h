/* table_parts: the inside of the table, for table.c and edit.c only. */
#pragma once

#include "supervisor/route/changes.h"
#include "supervisor/route/nodes.h"
#include "supervisor/route/table.h"

/* A row and its node. It is live from a commit until a commit without it;
 * before that it reserves its node for the edit that made it. */
struct route_entry {
	struct route_row row;
	struct route_entry *next; /* next entry at the same node */
	struct route_node *node;
	uint64_t edit; /* serial of the last edit that wanted it */
	bool live;
	uint32_t method_length;
	unsigned param_count;
	char *params[]; /* names, in the order of the path; "*" */
};

/* The rows of one plugin. entries[i] is the row of set.items[i]. */
struct route_slot {
	uint32_t worker;
	struct registration_set set;
	struct route_entry **entries;
	struct route_edit *edit; /* prepared and not committed yet */
};

struct route_table {
	struct route_nodes nodes;
	struct route_slot *slots;
	uint32_t slot_count;
	uint64_t generation;
	uint64_t edits; /* serial of the last edit prepared */
	void (*on_change)(void *user, uint32_t plugin); /* NULL: nobody */
	void *user;
};

/* The slot of a plugin. The array grows as needed, which moves it. */
struct route_slot *route_table_slot(struct route_table *t, uint32_t plugin);
/* The rows of a plugin have changed. */
void route_table_changed(struct route_table *t, uint32_t plugin);
/* Reports each row that the commit of an edit would add, remove or change. */
void route_edit_compare(const struct route_edit *e,
	void (*report)(void *user, enum route_change what,
		const struct route_row *row),
	void *user);
/* Takes an entry from its node and frees it. */
void route_entry_remove(struct route_table *t, struct route_entry *entry);
