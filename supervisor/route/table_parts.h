/* table_parts: what the table is made of, for table.c and edit.c alone. */
#pragma once

#include "supervisor/route/places.h"
#include "supervisor/route/table.h"

/* A row and its place. It is live from a commit until a commit without it;
 * before that it holds its place for the edit that made it. */
struct route_entry {
	struct route_row row;
	struct route_entry *next; /* at its place */
	struct place *place;
	uint64_t edit; /* serial of the last edit that wanted it */
	bool live;
	uint32_t method_length;
	unsigned param_count;
	char *params[]; /* names, in the order of the path; "*" */
};

/* What one plugin serves. entries[i] is the row of set.items[i]. */
struct route_slot {
	uint32_t worker;
	struct registration_set set;
	struct route_entry **entries;
	struct route_edit *edit; /* prepared and not committed yet */
};

struct route_table {
	struct places places;
	struct route_slot *slots;
	uint32_t slot_count;
	uint64_t generation;
	uint64_t edits; /* prepared so far: the last one's serial */
};

/* The slot of a plugin; the array grows as needed and moves then. */
struct route_slot *route_table_slot(struct route_table *t, uint32_t plugin);
/* Takes an entry from its place and frees it. */
void route_entry_remove(struct route_table *t, struct route_entry *entry);
