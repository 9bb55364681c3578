/* schema_view: turns a struct into an object that the table can read back:
 * values with units, without secrets. */
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/schema.h"
#include "supervisor/config/units.h"

static json_t *
view_texts(const struct text_list *list)
{
	json_t *texts = json_array();
	for (uint32_t i = 0; i < list->count; i++)
		json_array_append_new(texts, json_string(list->items[i]));
	return texts;
}

static json_t *
view_env(const struct text_list *list)
{
	json_t *map = json_object();
	for (uint32_t i = 0; i < list->count; i++) {
		const char *entry = list->items[i];
		const char *value = strchr(entry, '=');
		json_object_setn_new(map, entry, (size_t)(value - entry),
			json_string(value + 1));
	}
	return map;
}

static json_t *
view_list(const struct schema_row *row, const void *field)
{
	struct schema_list list;
	json_t *items = json_array();
	memcpy(&list, field, sizeof(list));
	for (uint32_t i = 0; i < list.count; i++)
		json_array_append_new(items,
			schema_view(row->table, (const char *)list.items +
							i * row->table->bytes));
	return items;
}

static json_t *
view_text(const struct schema_row *row, const void *field)
{
	const char *text = *(char *const *)field;
	if (text && row->mask)
		text = row->mask;
	return text ? json_string(text) : NULL;
}

/* NULL: there is nothing to show. */
static json_t *
view_value(const struct schema_row *row, const void *base)
{
	const void *field = schema_field_const(row, base);
	const void *shown = (const char *)base + row->shown;
	char unit[UNIT_TEXT_BYTES];
	switch (row->type) {
	case SCHEMA_TEXT:
	case SCHEMA_PATH:
		return view_text(row, field);
	case SCHEMA_BOOL:
		return json_boolean(*(const bool *)field);
	case SCHEMA_COUNT:
		return json_integer(*(const uint32_t *)field);
	case SCHEMA_SIZE:
		return json_string(size_format(*(const uint64_t *)field, unit));
	case SCHEMA_DURATION:
		return json_string(
			duration_format(*(const uint32_t *)field, unit));
	case SCHEMA_CHOICE:
		return json_string(row->choices[*(const int *)field]);
	case SCHEMA_FRACTION:
		return json_real(*(const double *)field);
	case SCHEMA_TEXTS:
	case SCHEMA_PATHS:
		return view_texts(field);
	case SCHEMA_ENV:
		return row->shown ? view_env(shown) : NULL;
	case SCHEMA_JSON:
		return row->shown ? json_deep_copy(*(json_t *const *)shown)
				  : NULL;
	case SCHEMA_SECTION:
		return schema_view(row->table, field);
	case SCHEMA_LIST:
		return view_list(row, field);
	case SCHEMA_OWN:
		return row->view ? row->view(base) : NULL;
	case SCHEMA_INLINE:
	case SCHEMA_END:
		break;
	}
	return NULL;
}

json_t *
schema_view(const struct schema_table *table, const void *base)
{
	json_t *map = json_object();
	for (const struct schema_row *row = table->rows; row->type; row++) {
		if (row->type == SCHEMA_INLINE) {
			json_t *keys = schema_view(
				row->table, schema_field_const(row, base));
			json_object_update(map, keys);
			json_decref(keys);
			continue;
		}
		json_t *value = view_value(row, base);
		if (value)
			json_object_set_new(map, row->name, value);
	}
	return map;
}
