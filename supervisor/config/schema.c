/* schema: walks a table to read a map, to set defaults, or to free. */
#include "supervisor/config/schema.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/near.h"
#include "proto/util/memory.h"
#include "supervisor/config/units.h"

/* Reads a default like a value of a file, so that both pass the same checks. */
static void
set_fallback(const struct schema_row *row, void *base)
{
	if (!strcmp(row->fallback, "[]"))
		return; /* lists are empty already */
	struct node node = {
		.kind = NODE_SCALAR,
		.file = "/",
		.text = memory_copy_text(row->fallback),
		.length = strlen(row->fallback),
	};
	/* an empty plain scalar would be no string */
	node.quoted = row->type == SCHEMA_TEXT;
	struct problems problems = {0};
	struct schema_row lenient = *row;
	if (row->type == SCHEMA_TEXT)
		lenient.min = 0;
	if (!schema_value_read(&problems, &lenient, &node, base))
		abort(); /* the table is wrong */
	free(node.text);
}

void
schema_defaults(const struct schema_table *table, void *base)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		if (row->type == SCHEMA_SECTION || row->type == SCHEMA_INLINE)
			schema_defaults(row->table, schema_field(row, base));
		else if (row->fallback)
			set_fallback(row, base);
	}
}

/* Whether the value just read equals the default. */
static bool
is_fallback(const struct schema_row *row, const void *base)
{
	if (!strcmp(row->fallback, "[]"))
		return !(
			(const struct text_list *)schema_field_const(row, base))
				->count;
	_Alignas(16) char spare[64] = {0};
	struct schema_row alone = *row;
	alone.offset = 0;
	set_fallback(&alone, spare);
	struct schema_row here = *row;
	here.offset = 0;
	bool same =
		schema_value_same(&here, schema_field_const(row, base), spare);
	schema_value_finish(&alone, spare);
	return same;
}

static void
refuse_later(struct problems *problems, const struct schema_row *row,
	const struct node *node, const void *base)
{
	if (is_fallback(row, base))
		return;
	node_problem(problems, node,
		"'%s' is not supported yet; only %s works so far", row->name,
		row->fallback);
}

const char *
schema_identity(const struct schema_table *table,
	const struct schema_list *list, uint32_t index)
{
	const struct schema_row *row = table->rows;
	while (strcmp(row->name, table->identity) != 0)
		row++;
	const char *item = (const char *)list->items + index * table->bytes;
	return *(char *const *)schema_field_const(row, item);
}

static void
refuse_doubles(struct problems *problems, const struct schema_row *row,
	const struct node *node, const struct schema_list *list)
{
	for (uint32_t i = 1; i < list->count; i++) {
		const char *mine = schema_identity(row->table, list, i);
		for (uint32_t j = 0; mine && j < i; j++) {
			const char *other =
				schema_identity(row->table, list, j);
			if (!other || strcmp(mine, other) != 0)
				continue;
			const struct node *first = node->items[j];
			node_problem(problems, node->items[i],
				"'%s' is in '%s' already: %s:%u:%u", mine,
				row->name, first->file, first->line,
				first->column);
			break;
		}
	}
}

static void
read_list(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base)
{
	if (!schema_is_list(problems, row->name, node))
		return;
	struct schema_list list = {
		.items = node->count
				 ? memory_alloc(node->count * row->table->bytes)
				 : NULL,
		.count = node->count,
	};
	/* stored before the elements are read, because their checks may look at
	 * earlier ones */
	memcpy(schema_field(row, base), &list, sizeof(list));
	for (uint32_t i = 0; i < list.count; i++) {
		void *item = (char *)list.items + i * row->table->bytes;
		const struct node *element = node->items[i];
		schema_defaults(row->table, item);
		if (element->kind == NODE_MAP)
			schema_read(problems, row->table, element, item);
		else if (element->kind != NODE_BROKEN)
			node_problem(problems, element,
				"each of '%s' must be a map, not %s", row->name,
				node_kind_name(element));
	}
	if (row->table->identity)
		refuse_doubles(problems, row, node, &list);
}

static void
read_row(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base)
{
	if (node->kind == NODE_BROKEN)
		return;
	if (row->later && !row->fallback) {
		node_problem(
			problems, node, "'%s' is not supported yet", row->name);
		return;
	}
	switch (row->type) {
	case SCHEMA_OWN:
		row->check(problems, node, base);
		return;
	case SCHEMA_LIST:
		read_list(problems, row, node, base);
		break;
	case SCHEMA_SECTION:
		if (node->kind == NODE_MAP)
			schema_read(problems, row->table, node,
				schema_field(row, base));
		else if (!node_is_empty(node))
			node_problem(problems, node,
				"'%s' must be a map, not %s", row->name,
				node_kind_name(node));
		return;
	default:
		if (!schema_value_read(problems, row, node, base))
			return;
	}
	if (row->later)
		refuse_later(problems, row, node, base);
	else if (row->check && row->type != SCHEMA_TEXTS &&
		 row->type != SCHEMA_PATHS)
		row->check(problems, node, base);
}

static void
read_rows(struct problems *problems, const struct schema_table *table,
	const struct node *map, void *base)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		if (row->type == SCHEMA_INLINE) {
			read_rows(problems, row->table, map,
				schema_field(row, base));
			continue;
		}
		const struct node *node = node_get(map, row->name);
		if (node)
			read_row(problems, row, node, base);
		else if (row->required)
			node_problem(
				problems, map, "'%s' is missing", row->name);
	}
}

static bool
knows(const struct schema_table *table, const char *key, struct near *near)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		if (row->type == SCHEMA_INLINE) {
			if (knows(row->table, key, near))
				return true;
			continue;
		}
		if (!strcmp(row->name, key))
			return true;
		if (near)
			near_offer(near, row->name);
	}
	return false;
}

void
schema_read(struct problems *problems, const struct schema_table *table,
	const struct node *map, void *base)
{
	read_rows(problems, table, map, base);
	for (uint32_t i = 0; i < map->count; i++) {
		const struct node *key = map->keys[i];
		if (knows(table, key->text, NULL) &&
			strlen(key->text) == key->length)
			continue;
		struct near near;
		near_init(&near, key->text);
		/* skip the costly search for problems that are only counted */
		if (problems->count < PROBLEMS_MAX)
			knows(table, key->text, &near);
		node_problem(problems, key, "unknown key '%s'%s", key->text,
			near_hint(&near));
		problems_mark_unknown(problems);
	}
	if (table->check)
		table->check(problems, map, base);
}

void
schema_finish(const struct schema_table *table, void *base)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		void *field = schema_field(row, base);
		if (row->type == SCHEMA_SECTION || row->type == SCHEMA_INLINE) {
			schema_finish(row->table, field);
			continue;
		}
		if (row->type != SCHEMA_LIST) {
			schema_value_finish(row, base);
			continue;
		}
		struct schema_list list;
		memcpy(&list, field, sizeof(list));
		for (uint32_t i = 0; i < list.count; i++)
			schema_finish(row->table,
				(char *)list.items + i * row->table->bytes);
		free(list.items);
		memset(field, 0, sizeof(list));
	}
}
