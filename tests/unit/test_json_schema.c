/* JSON Schemas: what they accept and refuse, what is wrong with malformed
 * ones, and that the cost is the value's. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "proto/json_schema.h"
#include "proto/util/error.h"

TestSuite(json_schema);

static json_t *
json(const char *text)
{
	json_error_t why;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &why);

	cr_assert(value, "%s: %s", text, why.text);
	return value;
}

static struct json_schema *
compile(const char *text)
{
	struct error err = {.text = ""};
	json_t *from = json(text);
	struct json_schema *s = json_schema_compile(from, &err);

	cr_assert(s, "%s: %s", text, err.text);
	json_decref(from);
	return s;
}

static const struct {
	const char *schema, *value, *says; /* NULL: it fits */
} values[] = {
	{"{}", "[1, {\"a\": null}]", NULL},
	{"true", "1", NULL},
	{"false", "1", "$: no value is allowed"},
	{"{\"type\": \"integer\"}", "7", NULL},
	{"{\"type\": \"integer\"}", "7.0", NULL},
	{"{\"type\": \"integer\"}", "7.5",
		"$: must be an integer, not a number"},
	{"{\"type\": \"integer\"}", "\"7\"",
		"$: must be an integer, not a string"},
	{"{\"type\": \"number\"}", "7", NULL},
	{"{\"type\": [\"string\", \"null\"]}", "null", NULL},
	{"{\"type\": [\"string\", \"null\"]}", "[]",
		"$: must be null or a string, not an array"},
	{"{\"type\": \"boolean\"}", "false", NULL},
	{"{\"required\": [\"a\", \"b\"]}", "{\"a\": 1}", "$.b: is required"},
	{"{\"required\": [\"a\"]}", "[]", NULL},
	{"{\"properties\": {\"a\": {\"items\": {\"type\": "
	 "\"string\"}}}}",
		"{\"a\": [\"x\", 2]}",
		"$.a[1]: must be a string, not an integer"},
	{"{\"properties\": {\"a\": true}, \"additionalProperties\": "
	 "false}",
		"{\"a\": 1, \"b c\": 2}", "$['b c']: unknown key"},
	{"{\"additionalProperties\": {\"type\": \"null\"}}", "{\"x\": 1}",
		"$.x: must be null, not an integer"},
	{"{\"properties\": {\"a\": {}, \"b\": {\"const\": 3}}}",
		"{\"a\": 1, \"b\": 3.0, \"c\": 1}", NULL},
	{"{\"const\": \"yes\"}", "\"no\"", "$: must be \"yes\""},
	{"{\"enum\": [\"a\", 7, null, 1.5, true]}", "7.0", NULL},
	{"{\"enum\": [\"a\", 7, null, 1.5, true]}", "1.5", NULL},
	{"{\"enum\": [\"a\", 7, null, 1.5, true]}", "true", NULL},
	{"{\"enum\": [\"a\", 7, null, 1.5, true]}", "\"7\"",
		"$: must be one of \"a\", 7, null, 1.5, true"},
	{"{\"enum\": [\"a\", 7]}", "false", "$: must be one of"},
	{"{\"enum\": [\"a\", 7]}", "{}", "$: must be one of"},
	{"{\"enum\": [9007199254740993]}", "9007199254740993", NULL},
	{"{\"enum\": [9007199254740993]}", "9007199254740992",
		"$: must be one of"},
	{"{\"minimum\": 0, \"maximum\": 9}", "0", NULL},
	{"{\"minimum\": 0, \"maximum\": 9}", "-1", "$: must be at least 0"},
	{"{\"minimum\": 0, \"maximum\": 9}", "9.5", "$: must be at most 9"},
	{"{\"exclusiveMinimum\": 0}", "0", "$: must be more than 0"},
	{"{\"exclusiveMaximum\": 1}", "1.0", "$: must be less than 1"},
	{"{\"maximum\": 9223372036854775806}", "9223372036854775807",
		"$: must be at most 9223372036854775806"},
	{"{\"minimum\": -9223372036854775808}", "-1e300",
		"$: must be at least -9223372036854775808"},
	{"{\"minimum\": 0.1}", "0", "$: must be at least 0.1"},
	{"{\"minimum\": 1e300}", "0", "$: must be at least 1e300"},
	{"{\"minimum\": 5}", "\"1\"", NULL},
	{"{\"minLength\": 2, \"maxLength\": 3}", "\"\\u00e4\\u00e4\"", NULL},
	{"{\"minLength\": 2}", "\"\\u00e4\"",
		"$: must have at least 2 characters"},
	{"{\"maxLength\": 1}", "\"ab\"", "$: must have at most 1 characters"},
	{"{\"minItems\": 1}", "[]", "$: must have at least 1 items"},
	{"{\"maxItems\": 1}", "[1, 2]", "$: must have at most 1 items"},
	/* what says nothing here */
	{"{\"pattern\": \"^(a+)+$\", \"format\": \"x\"}", "\"b\"", NULL},
	{"{\"$ref\": \"#/x\", \"type\": \"null\"}", "1", NULL},
	{"{\"anyOf\": [{\"type\": \"null\"}]}", "1", NULL},
	{"{\"enum\": [[1]]}", "2", NULL},
	{"{\"prefixItems\": [{}], \"items\": false}", "[1]", NULL},
	{"{\"items\": [{\"type\": \"null\"}]}", "[1]", NULL},
	{"{\"patternProperties\": {}, \"additionalProperties\": "
	 "false}",
		"{\"a\": 1}", NULL},
};

Test(json_schema, values_fit_or_are_refused_with_their_place)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		struct json_schema *s = compile(values[i].schema);
		struct error err = {.text = ""};
		json_t *value = json(values[i].value);
		int failed = json_schema_check(s, value, NULL, &err);

		cr_expect_eq(failed, values[i].says ? -1 : 0, "%s with %s: %s",
			values[i].schema, values[i].value, err.text);
		if (values[i].says)
			cr_expect(!strncmp(err.text, values[i].says,
					  strlen(values[i].says)),
				"%s with %s: %s", values[i].schema,
				values[i].value, err.text);
		json_decref(value);
		json_schema_unref(s);
	}
}

Test(json_schema, a_malformed_one_is_refused_with_its_place)
{
	static const struct {
		const char *schema, *says;
	} rows[] = {
		{"7", "$: must be an object or a boolean"},
		{"{\"type\": \"int\"}", "$.type: unknown type 'int'"},
		{"{\"type\": 3}",
			"$.type: must be a string or an array of strings"},
		{"{\"type\": []}", "$.type: must name at least one type"},
		{"{\"properties\": {\"a\": {\"minimum\": \"1\"}}}",
			"$.properties.a.minimum: must be a number"},
		{"{\"properties\": [\"a\"]}",
			"$.properties: must be an object of schemas"},
		{"{\"required\": \"a\"}",
			"$.required: must be an array of strings"},
		{"{\"required\": [1]}",
			"$.required: must be an array of strings"},
		{"{\"required\": [\"a\", \"b\", \"a\"]}",
			"$.required: 'a' is named twice"},
		{"{\"enum\": []}", "$.enum: must be an array of at least"},
		{"{\"items\": 1}", "$.items: must be an object or a boolean"},
		{"{\"additionalProperties\": []}", "$.additionalProperties: "},
		{"{\"minLength\": -1}",
			"$.minLength: must be an integer of at least 0"},
		{"{\"maxItems\": 1.5}",
			"$.maxItems: must be an integer of at least 0"},
		{"{\"exclusiveMinimum\": true}",
			"$.exclusiveMinimum: must be a number"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct error err = {.text = ""};
		json_t *from = json(rows[i].schema);

		cr_expect_null(
			json_schema_compile(from, &err), "%s", rows[i].schema);
		cr_expect(
			!strncmp(err.text, rows[i].says, strlen(rows[i].says)),
			"%s: %s", rows[i].schema, err.text);
		json_decref(from);
	}
}

/* {"items": {"items": ... {}}} */
static json_t *
nested(unsigned depth)
{
	json_t *schema = json_object();

	while (depth--)
		schema = json_pack("{s:o}", "items", schema);
	return schema;
}

Test(json_schema, one_that_is_too_deep_or_has_too_many_parts_is_refused)
{
	struct error err = {.text = ""};
	json_t *schema = nested(JSON_SCHEMA_DEPTH_MAX - 1), *properties;
	json_t *names, *part;
	const char *key;
	struct json_schema *s = json_schema_compile(schema, &err);

	cr_expect(s, "%s", err.text);
	json_schema_unref(s);
	json_decref(schema);
	schema = nested(JSON_SCHEMA_DEPTH_MAX);
	cr_expect_null(json_schema_compile(schema, &err));
	cr_expect(strstr(err.text, "nested too deeply"), "%s", err.text);
	json_decref(schema);

	properties = json_object();
	names = json_array();
	for (unsigned i = 0; i <= JSON_SCHEMA_PARTS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "k%u", i);
		json_object_set_new(properties, name, json_true());
		json_array_append_new(names, json_string(name));
	}
	schema = json_pack("{s:{s:o}, s:{s:O}, s:{s:O}}", "properties",
		"properties", properties, "enum", "enum", names, "required",
		"required", names);
	json_decref(names);
	json_object_foreach(schema, key, part)
	{
		cr_expect_null(json_schema_compile(part, &err), "%s", key);
		cr_expect(strstr(err.text, "too many parts"), "%s", err.text);
	}
	json_decref(schema);
}

/* The schema requires 1,000 keys and has a node for each of 1,000, whose value
 * may be one of 1,000; a value costs what it has. */
Test(json_schema, each_value_is_looked_at_once_whatever_the_schema_is)
{
	json_t *allowed = json_array(), *required = json_array();
	json_t *properties = json_object(), *schema, *value;
	struct error err = {.text = ""};
	struct json_schema *s;
	struct json_schema_cost cost;
	char key[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		json_array_append_new(allowed, json_string(key));
		json_array_append_new(required, json_string(key));
		json_object_set_new(properties, key, json_object());
	}
	schema = json_pack("{s:{s:o,s:o,s:{s:o}}}", "items", "required",
		required, "properties", properties, "additionalProperties",
		"enum", allowed);
	s = json_schema_compile(schema, &err);
	cr_assert(s, "%s", err.text);
	value = json_array();
	for (unsigned i = 0; i < 1000; i++)
		json_array_append_new(value, json_object());
	cr_expect_eq(json_schema_check(s, value, &cost, &err), -1);
	cr_expect_str_eq(err.text, "$[0].k0: is required");
	cr_expect_eq(cost.values, 2);
	cr_expect_eq(cost.lookups, 1);
	json_decref(value);
	value = json_pack("[o]", json_deep_copy(properties));
	cr_expect_eq(
		json_schema_check(s, value, &cost, &err), 0, "%s", err.text);
	cr_expect_eq(cost.values, 1002);
	/* each key as required and as a property */
	cr_expect_eq(cost.lookups, 2000);
	json_decref(value);
	json_decref(schema);
	json_schema_unref(s);
}

/* Small objects meet a schema that names 4,000 keys: each fits as far as it can
 * before it is refused, and a name that is given 4,000 times is refused when
 * the schema is compiled. */
Test(json_schema, a_large_required_does_not_multiply_the_cost_of_small_objects)
{
	json_t *required = json_array(), *schema, *value;
	struct error err = {.text = ""};
	struct json_schema_cost cost;
	struct json_schema *s;
	char key[16];

	for (unsigned i = 0; i < 4000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		json_array_append_new(required, json_string(key));
	}
	schema = json_pack("{s:{s:O}}", "items", "required", required);
	s = json_schema_compile(schema, &err);
	cr_assert(s, "%s", err.text);
	value = json_pack("[{s:i,s:i}, {}]", "k0", 1, "k1", 2);
	cr_expect_eq(json_schema_check(s, value, &cost, &err), -1);
	cr_expect_str_eq(err.text, "$[0].k2: is required");
	cr_expect_eq(cost.lookups, 3);
	json_schema_unref(s);
	for (unsigned i = 0; i < 4000; i++)
		json_array_set_new(required, i, json_string("a"));
	cr_expect_null(json_schema_compile(schema, &err));
	cr_expect_str_eq(err.text, "$.items.required: 'a' is named twice");
	json_decref(required);
	json_decref(schema);
	json_decref(value);
}

Test(json_schema, a_value_with_too_many_values_is_refused)
{
	struct json_schema *s = compile("{\"items\": {\"type\": \"null\"}}");
	json_t *value = json_array();
	struct error err = {.text = ""};
	struct json_schema_cost cost;

	for (unsigned i = 1; i < JSON_SCHEMA_VALUES_MAX; i++)
		json_array_append_new(value, json_null());
	cr_expect_eq(json_schema_check(s, value, &cost, &err), 0);
	cr_expect_eq(cost.values, JSON_SCHEMA_VALUES_MAX);
	json_array_append_new(value, json_null());
	cr_expect_eq(json_schema_check(s, value, &cost, &err), -1);
	cr_expect(strstr(err.text, "more than 65536 values"), "%s", err.text);
	json_decref(value);
	json_schema_unref(s);
}

/* What a schema with `keyword` says about true. */
static void
expect_refusal(const char *keyword, json_t *allowed, const char *says)
{
	json_t *schema = json_pack("{s:o}", keyword, allowed);
	struct error err = {.text = ""};
	struct json_schema *s = json_schema_compile(schema, &err);

	cr_assert(s, "%s", err.text);
	cr_expect_eq(json_schema_check(s, json_true(), NULL, &err), -1);
	cr_expect_str_eq(err.text, says);
	json_schema_unref(s);
	json_decref(schema);
}

#define Z10 "zzzzzzzzzz"

Test(json_schema, what_is_cut_in_a_refusal_ends_with_an_ellipsis)
{
	json_t *numbers = json_array();
	char z[1001];

	memset(z, 'z', sizeof(z) - 1);
	z[sizeof(z) - 1] = '\0';
	expect_refusal("const", json_string(z),
		"$: must be \"" Z10 Z10 "zzzzzzzzz\u2026" Z10 Z10 Z10 "\"");
	for (int i = 1; i <= 100; i++)
		json_array_append_new(numbers, json_integer(i));
	expect_refusal("enum", numbers,
		"$: must be one of 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, "
		"14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, "
		"29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, "
		"44, 45, 46, 47, 48, 49, 50, 51, \u2026");
}

Test(json_schema, long_texts_in_a_refusal_are_cut)
{
	struct json_schema *s;
	struct error err = {.text = ""};
	json_t *allowed = json_array(), *schema, *value;
	char key[400];

	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	for (unsigned i = 0; i < 100; i++)
		json_array_append_new(allowed, json_string(key));
	schema = json_pack("{s:{s:{s:o}}}", "properties", key, "enum", allowed);
	s = json_schema_compile(schema, &err);
	cr_assert(s, "%s", err.text);
	value = json_pack("{s:i}", key, 1);
	cr_expect_eq(json_schema_check(s, value, NULL, &err), -1);
	cr_expect(strlen(err.text) < sizeof(err.text));
	json_decref(value);
	json_decref(schema);
	json_schema_unref(s);
}
