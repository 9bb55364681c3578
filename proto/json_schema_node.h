/* json_schema_node: the compiled form, shared by json_schema*.c. Nobody else
 * includes it. */
#pragma once

#include "proto/json_schema.h"
#include "proto/util/bytes.h"

/* X(ENUM, "name", "with its article") */
#define SCHEMA_TYPES(X)                                                        \
	X(NULL, "null", "null")                                                \
	X(BOOLEAN, "boolean", "a boolean")                                     \
	X(INTEGER, "integer", "an integer")                                    \
	X(NUMBER, "number", "a number")                                        \
	X(STRING, "string", "a string")                                        \
	X(ARRAY, "array", "an array")                                          \
	X(OBJECT, "object", "an object")

enum schema_type {
#define X(symbol, ...) SCHEMA_TYPE_##symbol,
	SCHEMA_TYPES(X)
#undef X
		SCHEMA_TYPE_COUNT,
};

/* Exact for every int64_t and every double. */
typedef long double schema_number;

/* Sorted, and searched by halves: of a hash, whoever wrote the schema could
 * choose what a look-up costs. */
struct schema_strings {
	struct schema_string {
		char *text;
		size_t length;
		struct schema_node *node; /* of a property; NULL: anything */
	} * items;
	size_t count;
};

/* What `enum` or `const` allows. */
struct schema_choices {
	struct schema_strings strings;
	schema_number *numbers; /* sorted */
	uint32_t number_count;
	bool null, yes, no;
	char listing[200]; /* for a refusal: "a", 7, null, … */
	bool is_listing_full;
};

struct schema_limit {
	bool is_set;
	schema_number at;
};

struct schema_node {
	unsigned types; /* bits of enum schema_type; 0: any */
	bool allows_nothing;
	bool is_closed; /* no keys but those of properties */
	/* NULL: anything. */
	struct schema_node *items, *additional;
	struct schema_strings properties;
	char **required;
	uint32_t required_count;
	struct schema_choices *choices, *constant;
	struct schema_limit minimum, maximum, above, below;
	uint64_t length_min, length_max, items_min, items_max;
};

struct json_schema {
	unsigned references;
	uint32_t part_count;
	struct schema_node *root; /* NULL: anything */
};

/* Integers are numbers as well; a real without a fraction is an integer. */
bool schema_number_of(const json_t *value, schema_number *out);
bool schema_is_integer(const json_t *value);
/* NULL: it is not there. */
const struct schema_string *schema_strings_find(
	const struct schema_strings *s, struct bytes text);
/* There is room for one more. */
struct schema_string *schema_strings_add(
	struct schema_strings *s, struct bytes text);
void schema_strings_sort(struct schema_strings *s);
void schema_strings_finish(struct schema_strings *s);
/* NULL: some values are arrays or objects, which are not compared. */
struct schema_choices *schema_choices_create(
	const json_t *const *values, size_t count);
void schema_choices_destroy(struct schema_choices *c); /* NULL-safe */
