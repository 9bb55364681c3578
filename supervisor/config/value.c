/* value: compares and frees values by the type of their row; lists of strings
 * and paths. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/config/schema.h"

void
text_list_append(struct text_list *list, char *text)
{
	list->items = memory_resize(
		list->items, (list->count + 1) * sizeof(*list->items));
	list->items[list->count++] = text;
}

void
text_list_finish(struct text_list *list)
{
	for (uint32_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct text_list){0};
}

char *
path_beside(const char *file, const char *path)
{
	if (path[0] == '/')
		return memory_copy_text(path);
	while (path[0] == '.' && (path[1] == '/' || !path[1]))
		path += path[1] ? 2 : 1;
	const char *slash = strrchr(file, '/');
	char *folder = slash ? memory_copy_bytes(file,
				       (size_t)(slash - file) + (slash == file))
			     : memory_copy_text(".");
	char *whole;
	if (folder[0] == '/') {
		whole = memory_format("%s%s%s", folder, *path ? "/" : "", path);
	} else {
		char *here = getcwd(NULL, 0);
		const char *beneath = strcmp(folder, ".") ? folder : "";
		while (!strncmp(beneath, "./", 2))
			beneath += 2;
		whole = memory_format("%s%s%s%s%s", here ? here : "",
			*beneath ? "/" : "", beneath, *path ? "/" : "", path);
		free(here);
	}
	free(folder);
	return whole;
}

static bool
texts_same(const struct text_list *a, const struct text_list *b)
{
	if (a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

bool
schema_value_same(
	const struct schema_row *row, const void *a_base, const void *b_base)
{
	const void *a = schema_field_const(row, a_base);
	const void *b = schema_field_const(row, b_base);
	switch (row->type) {
	case SCHEMA_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case SCHEMA_COUNT:
	case SCHEMA_DURATION:
		return *(const uint32_t *)a == *(const uint32_t *)b;
	case SCHEMA_SIZE:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case SCHEMA_CHOICE:
		return *(const int *)a == *(const int *)b;
	case SCHEMA_FRACTION:
		return !(*(const double *)a < *(const double *)b) &&
		       !(*(const double *)a > *(const double *)b);
	case SCHEMA_TEXTS:
	case SCHEMA_PATHS:
	case SCHEMA_ENV:
		return texts_same(a, b);
	default:
		break;
	}
	const char *left = *(char *const *)a, *right = *(char *const *)b;
	return left == right || (left && right && !strcmp(left, right));
}

void
schema_value_finish(const struct schema_row *row, void *base)
{
	void *field = schema_field(row, base);
	switch (row->type) {
	case SCHEMA_TEXT:
	case SCHEMA_PATH:
		free(*(char **)field);
		*(char **)field = NULL;
		break;
	case SCHEMA_TEXTS:
	case SCHEMA_PATHS:
		text_list_finish(field);
		break;
	case SCHEMA_ENV:
		text_list_finish(field);
		schema_shown_finish(row, base);
		break;
	case SCHEMA_JSON:
		json_decref(*(json_t **)field);
		*(json_t **)field = NULL;
		schema_shown_finish(row, base);
		break;
	default:
		break;
	}
}
