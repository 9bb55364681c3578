/* json_schema: compiles a schema: one row per keyword. What it makes is a tree
 * that json_schema_check.c walks together with a value. */
#include "proto/json_schema.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_schema_node.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "proto/value_path.h"

struct compile {
	struct json_schema *schema;
	unsigned depth;
	struct error *err;
};

static int compile_node(struct compile *c, const json_t *from,
	const struct value_path *at, struct schema_node **out);

/* ---- strings ---- */

static int
compare_strings(const void *a, const void *b)
{
	const struct schema_string *x = a, *y = b;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return memcmp(x->text, y->text, x->length);
}

struct schema_string *
schema_strings_add(struct schema_strings *s, struct bytes text)
{
	struct schema_string *item = &s->items[s->count++];

	*item = (struct schema_string){
		memory_copy_bytes(text.at, text.length), text.length, NULL};
	return item;
}

void
schema_strings_sort(struct schema_strings *s)
{
	qsort(s->items, s->count, sizeof(*s->items), compare_strings);
}

const struct schema_string *
schema_strings_find(const struct schema_strings *s, struct bytes text)
{
	struct schema_string wanted = {
		(char *)(uintptr_t)text.at, text.length, NULL};

	if (!s->count)
		return NULL;
	return bsearch(&wanted, s->items, s->count, sizeof(*s->items),
		compare_strings);
}

/* ---- lifetime ---- */

static void node_destroy(struct schema_node *n);

void
schema_strings_finish(struct schema_strings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->items[i].text);
		node_destroy(s->items[i].node);
	}
	free(s->items);
}

static void
node_destroy(struct schema_node *n)
{
	if (!n)
		return;
	schema_strings_finish(&n->properties);
	node_destroy(n->items);
	node_destroy(n->additional);
	for (uint32_t i = 0; i < n->required_count; i++)
		free(n->required[i]);
	free(n->required);
	schema_choices_destroy(n->choices);
	schema_choices_destroy(n->constant);
	free(n);
}

struct json_schema *
json_schema_ref(struct json_schema *s)
{
	if (s)
		s->references++;
	return s;
}

void
json_schema_unref(struct json_schema *s)
{
	if (!s || --s->references)
		return;
	node_destroy(s->root);
	free(s);
}

uint32_t
json_schema_parts(const struct json_schema *s)
{
	return s ? s->part_count : 0;
}

/* ---- what keywords need ---- */

static int
refuse(struct compile *c, const struct value_path *at, const char *text)
{
	char path[VALUE_PATH_BYTES];

	value_path_text(at, path, sizeof(path));
	return error_set(c->err, "%s: %s", path, text);
}

/* Also what a look-up has to choose from, so that it costs little. */
static int
count_parts(struct compile *c, size_t count, const struct value_path *at)
{
	if (count > JSON_SCHEMA_PARTS_MAX - c->schema->part_count)
		return refuse(c, at, "the schema has too many parts");
	c->schema->part_count += (uint32_t)count;
	return 0;
}

bool
schema_is_integer(const json_t *value)
{
	double real = json_real_value(value);

	return json_is_integer(value) ||
	       (json_is_real(value) && floor(real) >= real);
}

bool
schema_number_of(const json_t *value, schema_number *out)
{
	if (json_is_integer(value))
		*out = (schema_number)json_integer_value(value);
	else
		*out = (schema_number)json_real_value(value);
	return json_is_number(value);
}

/* ---- enum and const ---- */

static int
read_enum(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	size_t count = json_array_size(value);
	const json_t **values;

	if (!json_is_array(value) || !count)
		return refuse(c, at, "must be an array of at least one value");
	if (count_parts(c, count, at) < 0)
		return -1;
	values = memory_alloc(count * sizeof(*values));
	for (size_t i = 0; i < count; i++)
		values[i] = json_array_get(value, i);
	n->choices = schema_choices_create(values, count);
	free(values);
	return 0;
}

static int
read_const(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	(void)c, (void)at;
	n->constant = schema_choices_create(&value, 1);
	return 0;
}

/* ---- types ---- */

static int
add_type(struct compile *c, struct schema_node *n, const json_t *name,
	const struct value_path *at)
{
	static const char *const names[SCHEMA_TYPE_COUNT] = {
#define X(symbol, name, article) [SCHEMA_TYPE_##symbol] = name,
		SCHEMA_TYPES(X)
#undef X
	};
	char text[80];

	if (!json_is_string(name))
		return refuse(c, at, "must be a string or an array of strings");
	for (unsigned i = 0; i < SCHEMA_TYPE_COUNT; i++)
		if (!strcmp(json_string_value(name), names[i])) {
			n->types |= 1u << i;
			return 0;
		}
	text_format(text, sizeof(text), "unknown type '%.*s'",
		TEXT_FIT(json_string_value(name), 40));
	return refuse(c, at, text);
}

static int
read_type(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	if (!json_is_array(value))
		return add_type(c, n, value, at);
	if (!json_array_size(value))
		return refuse(c, at, "must name at least one type");
	for (size_t i = 0; i < json_array_size(value); i++)
		if (add_type(c, n, json_array_get(value, i), at) < 0)
			return -1;
	return 0;
}

/* ---- objects and arrays ---- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A name that is given twice would be looked up twice in each object. */
static int
check_unique(struct compile *c, const struct schema_node *n,
	const struct value_path *at)
{
	size_t bytes = (n->required_count + 1) * sizeof(*n->required);
	char **sorted = memory_alloc(bytes), text[80];
	int result = 0;

	memcpy(sorted, n->required, n->required_count * sizeof(*sorted));
	qsort(sorted, n->required_count, sizeof(*sorted), compare_names);
	for (uint32_t i = 1; !result && i < n->required_count; i++)
		if (!strcmp(sorted[i - 1], sorted[i])) {
			text_format(text, sizeof(text), "'%.*s' is named twice",
				TEXT_FIT(sorted[i], 40));
			result = refuse(c, at, text);
		}
	free(sorted);
	return result;
}

static int
read_required(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	size_t count = json_array_size(value);

	if (!json_is_array(value))
		return refuse(c, at, "must be an array of strings");
	if (count_parts(c, count, at) < 0)
		return -1;
	n->required = memory_alloc((count + 1) * sizeof(*n->required));
	for (size_t i = 0; i < count; i++) {
		const json_t *name = json_array_get(value, i);

		if (!json_is_string(name) || strlen(json_string_value(name)) !=
						     json_string_length(name))
			return refuse(c, at, "must be an array of strings");
		n->required[n->required_count++] =
			memory_copy_text(json_string_value(name));
	}
	return check_unique(c, n, at);
}

static int
read_properties(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	json_t *object = (json_t *)(uintptr_t)value;
	void *i = json_object_iter(object);

	if (!json_is_object(value))
		return refuse(c, at, "must be an object of schemas");
	if (count_parts(c, json_object_size(value), at) < 0)
		return -1;
	n->properties.items = memory_alloc(
		(json_object_size(value) + 1) * sizeof(*n->properties.items));
	for (; i; i = json_object_iter_next(object, i)) {
		struct bytes key = {
			json_object_iter_key(i), json_object_iter_key_len(i)};
		struct value_path inside = {.around = at, .key = key};

		if (compile_node(c, json_object_iter_value(i), &inside,
			    &schema_strings_add(&n->properties, key)->node) < 0)
			return -1;
	}
	schema_strings_sort(&n->properties);
	return 0;
}

static int
read_additional(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	n->is_closed = json_is_false(value);
	return n->is_closed ? 0 : compile_node(c, value, at, &n->additional);
}

static int
read_items(struct compile *c, struct schema_node *n, const json_t *value,
	const struct value_path *at)
{
	/* One schema per item is an older form of prefixItems. */
	return json_is_array(value) ? 0 : compile_node(c, value, at, &n->items);
}

/* ---- bounds ---- */

static int
read_limit(struct compile *c, const json_t *value, const struct value_path *at,
	struct schema_limit *out)
{
	out->is_set = schema_number_of(value, &out->at);
	return out->is_set ? 0 : refuse(c, at, "must be a number");
}

static int
read_count(struct compile *c, const json_t *value, const struct value_path *at,
	uint64_t *out)
{
	schema_number number;

	if (!schema_number_of(value, &number) || !schema_is_integer(value) ||
		number < 0)
		return refuse(c, at, "must be an integer of at least 0");
	*out = number < 0x1p63L ? (uint64_t)number : (uint64_t)INT64_MAX;
	return 0;
}

#define READER(name, read, member)                                             \
	static int name(struct compile *c, struct schema_node *n,              \
		const json_t *value, const struct value_path *at)              \
	{                                                                      \
		return read(c, value, at, &n->member);                         \
	}
READER(read_minimum, read_limit, minimum)
READER(read_maximum, read_limit, maximum)
READER(read_above, read_limit, above)
READER(read_below, read_limit, below)
READER(read_length_min, read_count, length_min)
READER(read_length_max, read_count, length_max)
READER(read_items_min, read_count, items_min)
READER(read_items_max, read_count, items_max)
#undef READER

/* ---- a schema ---- */

/* unless: with that keyword beside it the keyword means something else. */
static const struct keyword {
	const char *name, *unless;
	int (*read)(struct compile *c, struct schema_node *n,
		const json_t *value, const struct value_path *at);
} keywords[] = {
	{"type", NULL, read_type},
	{"enum", NULL, read_enum},
	{"const", NULL, read_const},
	{"required", NULL, read_required},
	{"properties", NULL, read_properties},
	{"additionalProperties", "patternProperties", read_additional},
	{"items", "prefixItems", read_items},
	{"minimum", NULL, read_minimum},
	{"maximum", NULL, read_maximum},
	{"exclusiveMinimum", NULL, read_above},
	{"exclusiveMaximum", NULL, read_below},
	{"minLength", NULL, read_length_min},
	{"maxLength", NULL, read_length_max},
	{"minItems", NULL, read_items_min},
	{"maxItems", NULL, read_items_max},
};

static int
read_keywords(struct compile *c, struct schema_node *n, const json_t *from,
	const struct value_path *at)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		const struct keyword *k = &keywords[i];
		const json_t *value = json_object_get(from, k->name);
		struct value_path inside = {
			.around = at, .key = bytes_of(k->name)};

		if (!value || (k->unless && json_object_get(from, k->unless)))
			continue;
		if (k->read(c, n, value, &inside) < 0)
			return -1;
	}
	return 0;
}

/* *out is NULL if anything fits. What stands beside a $ref may not count. */
static int
compile_node(struct compile *c, const json_t *from, const struct value_path *at,
	struct schema_node **out)
{
	int failed;

	*out = NULL;
	if (json_is_true(from))
		return 0;
	if (!json_is_object(from) && !json_is_false(from))
		return refuse(c, at, "must be an object or a boolean");
	c->depth++;
	if (count_parts(c, 1, at) < 0)
		return -1;
	if (c->depth > JSON_SCHEMA_DEPTH_MAX)
		return refuse(c, at, "the schema is nested too deeply");
	*out = memory_alloc(sizeof(**out));
	**out = (struct schema_node){.allows_nothing = json_is_false(from),
		.length_max = UINT64_MAX,
		.items_max = UINT64_MAX};
	failed = json_object_get(from, "$ref")
			 ? 0
			 : read_keywords(c, *out, from, at);
	c->depth--;
	if (failed) {
		node_destroy(*out);
		*out = NULL;
	}
	return failed;
}

struct json_schema *
json_schema_compile(const json_t *schema, struct error *err)
{
	struct json_schema *s = memory_alloc(sizeof(*s));
	struct compile c = {.schema = s, .err = err};

	*s = (struct json_schema){.references = 1};
	if (!compile_node(&c, schema, NULL, &s->root))
		return s;
	json_schema_unref(s);
	return NULL;
}
