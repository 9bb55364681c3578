/* value_read: reads a value by the type of its row. Problems name the key and
 * the expected form, never the value. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/near.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"
#include "supervisor/config/interpolate.h"
#include "supervisor/config/schema.h"
#include "supervisor/config/units.h"

#define TEXT_MAX 4096

bool
schema_is_text(
	struct problems *problems, const char *name, const struct node *node)
{
	if (node->kind != NODE_SCALAR || node_is_null(node)) {
		node_problem(problems, node, "'%s' must be a string, not %s",
			name, node_kind_name(node));
		return false;
	}
	if (strlen(node->text) != node->length) {
		node_problem(problems, node, "'%s' must not contain a NUL byte",
			name);
		return false;
	}
	return true;
}

bool
schema_is_list(
	struct problems *problems, const char *name, const struct node *node)
{
	if (node->kind != NODE_LIST && !node_is_empty(node)) {
		node_problem(problems, node, "'%s' must be a list, not %s",
			name, node_kind_name(node));
		return false;
	}
	if (node->count > SCHEMA_LIST_MAX) {
		node_problem(problems, node, "'%s' has more than %d elements",
			name, SCHEMA_LIST_MAX);
		return false;
	}
	return true;
}

static bool
is_plain(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node->quoted &&
	       strlen(node->text) == node->length;
}

static bool
is_clean_scalar(const struct node *node)
{
	return node->kind == NODE_SCALAR && strlen(node->text) == node->length;
}

static bool
read_bool(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *field)
{
	static const char *const words[] = {
		"false", "False", "FALSE", "true", "True", "TRUE"};
	for (size_t i = 0; is_plain(node) && i < 6; i++)
		if (!strcmp(node->text, words[i])) {
			*(bool *)field = i >= 3;
			return true;
		}
	node_problem(problems, node, "'%s' must be true or false", row->name);
	return false;
}

static bool
in_range(struct problems *problems, const struct schema_row *row,
	const struct node *node, uint64_t value)
{
	if (value >= row->min && value <= row->max)
		return true;
	char least[UNIT_TEXT_BYTES], most[UNIT_TEXT_BYTES];
	if (row->type == SCHEMA_DURATION) {
		duration_format(row->min, least);
		duration_format(row->max, most);
	} else if (row->type == SCHEMA_SIZE) {
		size_format(row->min, least);
		size_format(row->max, most);
	} else {
		snprintf(least, sizeof(least), "%" PRIu64, row->min);
		snprintf(most, sizeof(most), "%" PRIu64, row->max);
	}
	node_problem(problems, node, "'%s' must be from %s to %s", row->name,
		least, most);
	return false;
}

static bool
read_count(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *field)
{
	uint64_t value;
	/* size_parse() would accept a unit */
	if (!is_plain(node) ||
		strspn(node->text, "0123456789") != node->length ||
		!size_parse(node->text, &value)) {
		node_problem(
			problems, node, "'%s' must be an integer", row->name);
		return false;
	}
	if (!in_range(problems, row, node, value))
		return false;
	*(uint32_t *)field = (uint32_t)value;
	return true;
}

static bool
read_measure(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *field)
{
	bool is_size = row->type == SCHEMA_SIZE;
	uint64_t value;
	if (!is_clean_scalar(node) ||
		!(is_size ? size_parse(node->text, &value)
			  : duration_parse(node->text, &value))) {
		node_problem(problems, node,
			is_size ? "'%s' must be a size such as 512B, 64KiB or "
				  "10MiB"
				: "'%s' must be a time such as 500ms, 10s, 5m "
				  "or 1h",
			row->name);
		return false;
	}
	if (!in_range(problems, row, node, value))
		return false;
	if (is_size)
		*(uint64_t *)field = value;
	else
		*(uint32_t *)field = (uint32_t)value;
	return true;
}

/* A decimal number from 0 to 1. */
static bool
read_fraction(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *field)
{
	char *end;
	double value;
	if (is_plain(node) && node->length &&
		strspn(node->text, "0123456789.") == node->length) {
		value = strtod(node->text, &end);
		if (!*end && value >= 0 && value <= 1) {
			*(double *)field = value;
			return true;
		}
	}
	node_problem(problems, node,
		"'%s' must be a number from 0 to 1, such as 0.01", row->name);
	return false;
}

static bool
read_choice(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *field)
{
	struct near near;
	near_init(&near, is_clean_scalar(node) ? node->text : "");
	char list[200] = "";
	for (int i = 0; row->choices[i]; i++) {
		if (is_clean_scalar(node) &&
			!strcmp(node->text, row->choices[i])) {
			*(int *)field = i;
			return true;
		}
		near_offer(&near, row->choices[i]);
		size_t length = strlen(list);
		snprintf(list + length, sizeof(list) - length, "%s%s",
			i ? ", " : "", row->choices[i]);
	}
	node_problem(problems, node, "'%s' must be one of %s%s", row->name,
		list, near_hint(&near));
	return false;
}

static char *
read_text(struct problems *problems, const struct schema_row *row,
	const struct node *node)
{
	if (node->kind == NODE_BROKEN ||
		!schema_is_text(problems, row->name, node) ||
		!interpolate_refuse(problems, row->name, node,
			"'settings' and 'env' of plugins"))
		return NULL;
	uint64_t most = row->max ? row->max : TEXT_MAX;
	if (node->length < row->min) {
		node_problem(
			problems, node, "'%s' must not be empty", row->name);
		return NULL;
	}
	if (node->length > most) {
		node_problem(problems, node,
			"'%s' must not be longer than %" PRIu64 " bytes",
			row->name, most);
		return NULL;
	}
	if (!utf8_is_clean(node->text, node->length, false)) {
		node_problem(problems, node,
			"'%s' must not contain control characters", row->name);
		return NULL;
	}
	if (row->type == SCHEMA_PATH || row->type == SCHEMA_PATHS)
		return path_beside(node->file, node->text);
	return memory_copy_text(node->text);
}

static bool
read_texts(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base)
{
	if (!schema_is_list(problems, row->name, node))
		return false;
	struct text_list *list = schema_field(row, base);
	text_list_finish(list);
	bool good = true;
	for (uint32_t i = 0; i < node->count; i++) {
		char *text = read_text(problems, row, node->items[i]);
		if (!text) {
			good = false;
			continue;
		}
		text_list_append(list, text);
		if (row->check)
			row->check(problems, node->items[i], base);
	}
	return good;
}

bool
schema_value_read(struct problems *problems, const struct schema_row *row,
	const struct node *node, void *base)
{
	void *field = schema_field(row, base);
	switch (row->type) {
	case SCHEMA_BOOL:
		return read_bool(problems, row, node, field);
	case SCHEMA_COUNT:
		return read_count(problems, row, node, field);
	case SCHEMA_SIZE:
	case SCHEMA_DURATION:
		return read_measure(problems, row, node, field);
	case SCHEMA_CHOICE:
		return read_choice(problems, row, node, field);
	case SCHEMA_FRACTION:
		return read_fraction(problems, row, node, field);
	case SCHEMA_TEXTS:
	case SCHEMA_PATHS:
		return read_texts(problems, row, node, base);
	case SCHEMA_ENV:
		return schema_env_read(problems, row, node, base);
	case SCHEMA_JSON:
		return schema_json_read(problems, row, node, base);
	default:
		break;
	}
	char *text = read_text(problems, row, node);
	if (!text)
		return false;
	free(*(char **)field);
	*(char **)field = text;
	return true;
}
