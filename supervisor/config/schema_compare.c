/* schema_compare: finds what differs between two structs of a table, by path.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/config/schema.h"

struct comparison {
	const struct schema_row *row;
	const void *old, *new; /* the structs around the field */
	schema_differ *differ;
	void *user;
};

/* Takes the path. */
static void
report(const struct comparison *c, char *path, enum config_change_kind kind)
{
	c->differ(c->user, path, kind, c->row, c->old, c->new);
	free(path);
}

/* ---- settings ---- */

static void compare_json(const struct comparison *c, const char *path,
	const json_t *old, const json_t *new);

static void
compare_key(const struct comparison *c, const char *path, const char *key,
	const json_t *old, const json_t *new)
{
	if (old && new &&json_equal(old, new))
		return;
	char *inner = memory_format("%s.%s", path, key);
	if (old && new)
		compare_json(c, inner, old, new);
	else
		report(c, memory_copy_text(inner),
			new ? CHANGE_ADDED : CHANGE_REMOVED);
	free(inner);
}

static void
compare_json(const struct comparison *c, const char *path, const json_t *old,
	const json_t *new)
{
	if (!json_is_object(old) || !json_is_object(new)) {
		report(c, memory_copy_text(path), CHANGE_CHANGED);
		return;
	}
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)old, key, value)
		compare_key(c, path, key, value, json_object_get(new, key));
	json_object_foreach((json_t *)(uintptr_t) new, key,
		value) if (!json_object_get(old, key))
		compare_key(c, path, key, NULL, value);
}

/* ---- env ---- */

static const char *
env_find(const struct text_list *env, const char *entry)
{
	size_t length = strcspn(entry, "=") + 1;
	for (uint32_t i = 0; i < env->count; i++)
		if (!strncmp(env->items[i], entry, length))
			return env->items[i];
	return NULL;
}

static void
report_env(const struct comparison *c, const char *path, const char *entry,
	enum config_change_kind kind)
{
	report(c,
		memory_format("%s.%.*s", path, (int)strcspn(entry, "="), entry),
		kind);
}

static void
compare_env(const struct comparison *c, const char *path)
{
	const struct text_list *old = schema_field_const(c->row, c->old);
	const struct text_list *new = schema_field_const(c->row, c->new);
	for (uint32_t i = 0; i < old->count; i++) {
		const char *now = env_find(new, old->items[i]);
		if (!now || strcmp(now, old->items[i]) != 0)
			report_env(c, path, old->items[i],
				now ? CHANGE_CHANGED : CHANGE_REMOVED);
	}
	for (uint32_t i = 0; i < new->count; i++)
		if (!env_find(old, new->items[i]))
			report_env(c, path, new->items[i], CHANGE_ADDED);
}

/* ---- lists of maps ---- */

static void
note_difference(void *user, const char *path, enum config_change_kind kind,
	const struct schema_row *row, const void *old, const void *new)
{
	*(bool *)user = true;
}

static const void *
element(const struct schema_table *table, const struct schema_list *list,
	uint32_t index)
{
	return (const char *)list->items + index * table->bytes;
}

static bool
elements_differ(
	const struct schema_table *table, const void *old, const void *new)
{
	bool differ = false;
	schema_compare(table, old, new, "", note_difference, &differ);
	return differ;
}

static const void *
find_element(const struct schema_table *table, const struct schema_list *list,
	const char *identity)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (!strcmp(schema_identity(table, list, i), identity))
			return element(table, list, i);
	return NULL;
}

static void
compare_named(const struct comparison *c, const char *path,
	const struct schema_list *old, const struct schema_list *new)
{
	const struct schema_table *table = c->row->table;
	for (uint32_t i = 0; i < old->count; i++) {
		const char *name = schema_identity(table, old, i);
		const void *now = find_element(table, new, name);
		if (!now || elements_differ(table, element(table, old, i), now))
			report(c, memory_format("%s[%s]", path, name),
				now ? CHANGE_CHANGED : CHANGE_REMOVED);
	}
	for (uint32_t i = 0; i < new->count; i++) {
		const char *name = schema_identity(table, new, i);
		if (!find_element(table, old, name))
			report(c, memory_format("%s[%s]", path, name),
				CHANGE_ADDED);
	}
}

static void
compare_list(const struct comparison *c, const char *path)
{
	const struct schema_table *table = c->row->table;
	struct schema_list old, new;
	memcpy(&old, schema_field_const(c->row, c->old), sizeof(old));
	memcpy(&new, schema_field_const(c->row, c->new), sizeof(new));
	if (table->identity) {
		compare_named(c, path, &old, &new);
		return;
	}
	bool differ = old.count != new.count;
	for (uint32_t i = 0; !differ && i < old.count; i++)
		differ = elements_differ(table, element(table, &old, i),
			element(table, &new, i));
	if (differ)
		report(c, memory_copy_text(path), CHANGE_CHANGED);
}

static void
compare_row(const struct comparison *c, const char *path)
{
	const struct schema_row *row = c->row;
	if (row->type == SCHEMA_LIST) {
		compare_list(c, path);
	} else if (row->type == SCHEMA_ENV) {
		compare_env(c, path);
	} else if (row->type == SCHEMA_JSON) {
		json_t *const *old = schema_field_const(row, c->old);
		json_t *const *new = schema_field_const(row, c->new);
		if (!json_equal(*old, *new))
			compare_json(c, path, *old, *new);
	} else if (!schema_value_same(row, c->old, c->new)) {
		report(c, memory_copy_text(path), CHANGE_CHANGED);
	}
}

/* A cheap first test, because most values are equal and need no path. */
static bool
is_same(const struct schema_row *row, const void *old, const void *new)
{
	json_t *const *a = schema_field_const(row, old);
	json_t *const *b = schema_field_const(row, new);
	if (row->type == SCHEMA_SECTION || row->type == SCHEMA_LIST)
		return false;
	if (row->type == SCHEMA_JSON)
		return *a == *b || json_equal(*a, *b);
	return schema_value_same(row, old, new);
}

void
schema_compare(const struct schema_table *table, const void *old,
	const void *new, const char *prefix, schema_differ *differ, void *user)
{
	for (const struct schema_row *row = table->rows; row->type; row++) {
		const void *old_field = schema_field_const(row, old);
		const void *new_field = schema_field_const(row, new);
		if (row->type == SCHEMA_OWN)
			continue;
		if (row->type == SCHEMA_INLINE) {
			schema_compare(row->table, old_field, new_field, prefix,
				differ, user);
			continue;
		}
		if (is_same(row, old, new))
			continue;
		char *path = memory_format(
			"%s%s%s", prefix, *prefix ? "." : "", row->name);
		struct comparison c = {row, old, new, differ, user};
		if (row->type == SCHEMA_SECTION)
			schema_compare(row->table, old_field, new_field, path,
				differ, user);
		else
			compare_row(&c, path);
		free(path);
	}
}
