/* value_map: maps with a user's own keys: settings and variables. They may hold
 * secrets, so each has a second form that may be shown. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/schema.h"
#include "supervisor/config/settings.h"

bool
schema_is_variable(const char *name, size_t length)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz_0123456789";
	return length && (name[0] < '0' || name[0] > '9') &&
	       strspn(name, letters) == length;
}

static bool
is_map(struct problems *problems, const struct schema_row *row,
	const struct node *node)
{
	if (node->kind == NODE_MAP || node_is_empty(node))
		return true;
	node_problem(problems, node, "'%s' must be a map, not %s", row->name,
		node_kind_name(node));
	return false;
}

/* The field of the form that may be shown; NULL: none. */
static void *
shown_field(const struct schema_row *row, void *base)
{
	return row->shown ? (char *)base + row->shown : NULL;
}

static bool
variable_is_good(struct problems *problems, const struct node *key)
{
	if (!schema_is_variable(key->text, key->length)) {
		node_problem(problems, key,
			"'%s' cannot be the name of a variable", key->text);
		return false;
	}
	if (!strncmp(key->text, "SUPD_", 5)) {
		node_problem(problems, key,
			"'%s': names that begin with SUPD_ are set by supd",
			key->text);
		return false;
	}
	return true;
}

static bool
read_variable(struct problems *problems, const struct node *key,
	const struct node *item, struct text_list *list,
	struct text_list *shown_list)
{
	if (item->kind == NODE_BROKEN || !variable_is_good(problems, key) ||
		!schema_is_text(problems, key->text, item))
		return false;
	char *shown,
		*text = settings_read_text(problems, key->text, item, &shown);
	if (!text)
		return false;
	text_list_append(list, memory_format("%s=%s", key->text, text));
	text_list_append(shown_list, memory_format("%s=%s", key->text, shown));
	free(text);
	free(shown);
	return true;
}

bool
schema_env_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base)
{
	if (!is_map(problems, row, node))
		return false;
	struct text_list *list = schema_field(row, base);
	struct text_list *shown = shown_field(row, base);
	text_list_finish(list);
	text_list_finish(shown);
	bool good = true;
	for (uint32_t i = 0; i < node->count; i++)
		good &= read_variable(
			problems, node->keys[i], node->items[i], list, shown);
	return good;
}

bool
schema_json_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base)
{
	if (!is_map(problems, row, node))
		return false;
	json_t **value = schema_field(row, base);
	json_t **shown = shown_field(row, base);
	json_decref(*value);
	if (shown)
		json_decref(*shown);
	*value = settings_read(problems, node, shown);
	return true;
}

void
schema_shown_finish(const struct schema_row *row, void *base)
{
	void *shown = shown_field(row, base);
	if (!shown)
		return;
	if (row->type == SCHEMA_ENV) {
		text_list_finish(shown);
	} else {
		json_decref(*(json_t **)shown);
		*(json_t **)shown = NULL;
	}
}
