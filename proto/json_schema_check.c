/* json_schema_check: a value and the schema that it is to fit, walked together.
 * Each value meets one node, and takes at most four lookups: as a required key,
 * as a property, in `enum` and in `const`. So the cost grows with the value and
 * not with the schema. */
#include <math.h>
#include <string.h>

#include "proto/json_schema_node.h"
#include "proto/json_text.h"
#include "proto/util/buffer.h"
#include "proto/util/text.h"
#include "proto/value_path.h"

struct check {
	struct json_schema_cost cost;
	struct error *err;
};

static int check_value(struct check *c, const struct schema_node *n,
	const json_t *value, const struct value_path *at);

static int refuse(struct check *c, const struct value_path *at,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

static int
refuse(struct check *c, const struct value_path *at, const char *format, ...)
{
	char path[VALUE_PATH_BYTES], text[sizeof(c->err->text)];
	va_list args;

	va_start(args, format);
	text_vformat(text, sizeof(text), format, args);
	va_end(args);
	value_path_text(at, path, sizeof(path));
	text_format(c->err->text, sizeof(c->err->text), "%s: %s", path, text);
	c->err->shortage = false;
	return -1;
}

/* ---- types ---- */

static const char *const articles[SCHEMA_TYPE_COUNT] = {
#define X(symbol, name, article) [SCHEMA_TYPE_##symbol] = article,
	SCHEMA_TYPES(X)
#undef X
};

static enum schema_type
type_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return SCHEMA_TYPE_OBJECT;
	case JSON_ARRAY:
		return SCHEMA_TYPE_ARRAY;
	case JSON_STRING:
		return SCHEMA_TYPE_STRING;
	case JSON_INTEGER:
		return SCHEMA_TYPE_INTEGER;
	case JSON_REAL:
		return schema_is_integer(value) ? SCHEMA_TYPE_INTEGER
						: SCHEMA_TYPE_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE:
		return SCHEMA_TYPE_BOOLEAN;
	default:
		return SCHEMA_TYPE_NULL;
	}
}

static int
check_type(struct check *c, const struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	enum schema_type type = type_of(value);
	unsigned fits = 1u << type;
	char wanted[160] = "";
	size_t length = 0;

	if (type == SCHEMA_TYPE_INTEGER)
		fits |= 1u << SCHEMA_TYPE_NUMBER;
	if (!n->types || n->types & fits)
		return 0;
	for (unsigned i = 0; i < SCHEMA_TYPE_COUNT; i++)
		if (n->types & 1u << i)
			length += text_format(wanted + length,
				sizeof(wanted) - length, "%s%s",
				length ? " or " : "", articles[i]);
	return refuse(c, at, "must be %s, not %s", wanted, articles[type]);
}

/* ---- enum and const ---- */

static bool
has_number(const struct schema_choices *choices, schema_number wanted)
{
	uint32_t low = 0, high = choices->number_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (choices->numbers[middle] < wanted)
			low = middle + 1;
		else
			high = middle;
	}
	return low < choices->number_count && !(choices->numbers[low] > wanted);
}

static bool
has_choice(struct check *c, const struct schema_choices *choices,
	const json_t *value)
{
	schema_number number;

	c->cost.lookups++;
	if (json_is_string(value))
		return schema_strings_find(&choices->strings,
			(struct bytes){json_string_value(value),
				json_string_length(value)});
	if (schema_number_of(value, &number))
		return has_number(choices, number);
	return json_is_null(value)    ? choices->null
	       : json_is_true(value)  ? choices->yes
	       : json_is_false(value) ? choices->no
				      : false;
}

static int
check_choices(struct check *c, const struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	if (n->choices && !has_choice(c, n->choices, value))
		return refuse(c, at, "must be one of %s", n->choices->listing);
	if (n->constant && !has_choice(c, n->constant, value))
		return refuse(c, at, "must be %s", n->constant->listing);
	return 0;
}

/* ---- numbers and strings ---- */

/* An integer with all of its digits. */
static int
refuse_number(struct check *c, const struct value_path *at, const char *must,
	schema_number limit)
{
	bool is_integer = floorl(limit) >= limit && fabsl(limit) < 0x1p64L;
	struct buffer text = {0};
	int result;

	if (is_integer)
		buffer_format(&text, "%.0Lf", limit);
	else
		json_text_append_real(&text, (double)limit);
	result = refuse(c, at, "must be %s %.*s", must,
		(int)buffer_length(&text), (const char *)buffer_bytes(&text));
	buffer_finish(&text);
	return result;
}

static int
check_number(struct check *c, const struct schema_node *n, schema_number number,
	const struct value_path *at)
{
	if (n->minimum.is_set && number < n->minimum.at)
		return refuse_number(c, at, "at least", n->minimum.at);
	if (n->maximum.is_set && number > n->maximum.at)
		return refuse_number(c, at, "at most", n->maximum.at);
	if (n->above.is_set && number <= n->above.at)
		return refuse_number(c, at, "more than", n->above.at);
	if (n->below.is_set && number >= n->below.at)
		return refuse_number(c, at, "less than", n->below.at);
	return 0;
}

static int
check_count(struct check *c, uint64_t count, uint64_t min, uint64_t max,
	const char *noun, const struct value_path *at)
{
	if (count < min)
		return refuse(c, at, "must have at least %llu %s",
			(unsigned long long)min, noun);
	if (count > max)
		return refuse(c, at, "must have at most %llu %s",
			(unsigned long long)max, noun);
	return 0;
}

/* In characters, not bytes. */
static int
check_string(struct check *c, const struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	const char *text = json_string_value(value);
	uint64_t length = 0;

	if (!n->length_min && n->length_max == UINT64_MAX)
		return 0;
	for (size_t i = 0; i < json_string_length(value); i++)
		length += ((unsigned char)text[i] & 0xc0) != 0x80;
	return check_count(
		c, length, n->length_min, n->length_max, "characters", at);
}

/* ---- arrays and objects ---- */

static int
check_array(struct check *c, const struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	size_t count = json_array_size(value);

	if (check_count(c, count, n->items_min, n->items_max, "items", at) < 0)
		return -1;
	for (size_t i = 0; n->items && i < count; i++) {
		struct value_path inside = {.around = at, .index = (uint32_t)i};

		if (check_value(
			    c, n->items, json_array_get(value, i), &inside) < 0)
			return -1;
	}
	return 0;
}

static int
check_key(struct check *c, const struct schema_node *n, struct bytes key,
	const json_t *value, const struct value_path *around)
{
	struct value_path at = {.around = around, .key = key};
	const struct schema_string *property =
		schema_strings_find(&n->properties, key);
	const struct schema_node *node =
		property ? property->node : n->additional;

	c->cost.lookups++;
	if (!property && n->is_closed)
		return refuse(c, &at, "unknown key");
	return node ? check_value(c, node, value, &at) : 0;
}

/* The names are unique, and the first that is missing ends the check, so an
 * object takes at most one lookup more than it has keys. */
static int
check_required(struct check *c, const struct schema_node *n,
	const json_t *value, const struct value_path *at)
{
	for (uint32_t i = 0; i < n->required_count; i++) {
		struct value_path inside = {
			.around = at, .key = bytes_of(n->required[i])};

		c->cost.lookups++;
		if (!json_object_get(value, n->required[i]))
			return refuse(c, &inside, "is required");
	}
	return 0;
}

static int
check_object(struct check *c, const struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	json_t *object = (json_t *)(uintptr_t)value;

	if (check_required(c, n, value, at) < 0)
		return -1;
	if (!n->properties.count && !n->is_closed && !n->additional)
		return 0;
	for (void *i = json_object_iter(object); i;
		i = json_object_iter_next(object, i)) {
		struct bytes key = {
			json_object_iter_key(i), json_object_iter_key_len(i)};

		if (check_key(c, n, key, json_object_iter_value(i), at) < 0)
			return -1;
	}
	return 0;
}

static int
check_value(struct check *c, const struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	schema_number number;

	if (++c->cost.values > JSON_SCHEMA_VALUES_MAX)
		return refuse(
			c, at, "more than %d values", JSON_SCHEMA_VALUES_MAX);
	if (n->allows_nothing)
		return refuse(c, at, "no value is allowed");
	if (check_type(c, n, value, at) < 0 ||
		check_choices(c, n, value, at) < 0)
		return -1;
	if (schema_number_of(value, &number))
		return check_number(c, n, number, at);
	if (json_is_string(value))
		return check_string(c, n, value, at);
	if (json_is_array(value))
		return check_array(c, n, value, at);
	return json_is_object(value) ? check_object(c, n, value, at) : 0;
}

int
json_schema_check(const struct json_schema *s, const json_t *value,
	struct json_schema_cost *cost_out, struct error *err)
{
	struct check c = {.err = err};
	int failed = s->root ? check_value(&c, s->root, value, NULL) : 0;

	if (cost_out)
		*cost_out = c.cost;
	return failed;
}

bool
json_schema_takes_object(const struct json_schema *s)
{
	const struct schema_node *n = s->root;

	if (!n || n->types)
		return !n || n->types == 1u << SCHEMA_TYPE_OBJECT;
	return !n->choices && !n->constant;
}
