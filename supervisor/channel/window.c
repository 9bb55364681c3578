/* window: neighbours that are acknowledged become one entry, so the length of
 * the list follows from what is open, not from what has come. Gaps are found by
 * their id, however much is open. */
#include "supervisor/channel/window.h"

#include <stdlib.h>

#include "proto/util/memory.h"

enum entry_state { OPEN, ACKNOWLEDGED, GAP };

struct window_entry {
	struct list node;
	enum entry_state state;
	uint64_t number; /* of its arrival */
	char *id;	 /* of a gap, and of what is open */
	size_t id_length;
	char *cursor; /* NULL: none */
	size_t cursor_length;
};

void
window_init(struct window *w)
{
	*w = (struct window){0};
	list_init(&w->entries);
}

static void
forget(struct window *w, struct window_entry *entry)
{
	list_remove(&entry->node);
	w->count--;
	free(entry->id);
	free(entry->cursor);
	free(entry);
}

void
window_finish(struct window *w)
{
	list_for_each_safe (node, &w->entries)
		forget(w, container_of(node, struct window_entry, node));
	map_finish(&w->gaps);
	free(w->cursor);
	w->cursor = NULL;
}

struct window_entry *
window_arrive(struct window *w, struct bytes id, struct bytes cursor)
{
	struct window_entry *entry;

	if (w->is_stuck)
		return NULL;
	entry = map_remove(&w->gaps, id.at, id.length);
	if (entry) {
		entry->state = OPEN;
		return entry;
	}
	entry = memory_alloc(sizeof(*entry));
	entry->number = ++w->arrivals;
	entry->id = memory_copy_bytes(id.at, id.length);
	entry->id_length = id.length;
	if (cursor.at) {
		entry->cursor = memory_copy_bytes(cursor.at, cursor.length);
		entry->cursor_length = cursor.length;
	}
	list_append(&w->entries, &entry->node);
	w->count++;
	return entry;
}

static void
take_cursor(char **to, size_t *length, struct window_entry *from)
{
	if (!from->cursor)
		return;
	free(*to);
	*to = from->cursor;
	*length = from->cursor_length;
	from->cursor = NULL;
}

static struct window_entry *
neighbour(struct window *w, struct list *node)
{
	struct window_entry *entry =
		container_of(node, struct window_entry, node);

	return node != &w->entries && entry->state == ACKNOWLEDGED ? entry
								   : NULL;
}

/* `later` stands for both. */
static void
join(struct window *w, struct window_entry *earlier, struct window_entry *later)
{
	if (!later->cursor)
		take_cursor(&later->cursor, &later->cursor_length, earlier);
	forget(w, earlier);
}

static void
advance(struct window *w)
{
	struct window_entry *first;

	if (w->is_stuck)
		return;
	while ((first = neighbour(w, w->entries.next))) {
		if (first->cursor)
			w->has_moved = true;
		take_cursor(&w->cursor, &w->cursor_length, first);
		forget(w, first);
	}
}

void
window_acknowledge(struct window *w, struct window_entry *entry)
{
	struct window_entry *before, *after;

	if (!entry)
		return;
	entry->state = ACKNOWLEDGED;
	before = neighbour(w, entry->node.previous);
	if (before)
		join(w, before, entry);
	after = neighbour(w, entry->node.next);
	if (after)
		join(w, entry, after);
	advance(w);
}

void
window_refuse(struct window *w, struct window_entry *entry)
{
	struct window_entry *other, *later = NULL;

	if (!entry)
		return;
	entry->state = GAP;
	other = map_get(&w->gaps, entry->id, entry->id_length);
	if (other)
		later = other->number > entry->number ? other : entry;
	if (later != entry)
		map_set(&w->gaps, entry->id, entry->id_length, entry);
	if (later) /* the earlier one ends the prefix for both */
		window_acknowledge(w, later);
	w->is_stuck = w->is_stuck || w->gaps.count > WINDOW_GAPS_MAX;
}

bool
window_moved(struct window *w, struct bytes *cursor_out)
{
	bool has_moved = w->has_moved;

	w->has_moved = false;
	*cursor_out = (struct bytes){w->cursor, w->cursor_length};
	return has_moved;
}

bool
window_is_clear(const struct window *w)
{
	return list_is_empty(&w->entries) && !w->is_stuck;
}
