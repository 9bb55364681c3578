/* json_schema: a JSON Schema in compiled form, and whether a value fits it. It
 * knows what arguments of tools need: type, required, properties,
 * additionalProperties, items, enum and const (of strings, numbers, booleans
 * and null), minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength,
 * maxLength, minItems, maxItems. All else says nothing about a value here:
 * above all `pattern` and `$ref`, whose cost whoever wrote the schema would
 * choose. Each value is looked at once, whatever the schema is. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/error.h"

#define JSON_SCHEMA_PARTS_MAX 4096   /* schemas, choices of enum, names */
#define JSON_SCHEMA_DEPTH_MAX 24     /* of these within each other */
#define JSON_SCHEMA_VALUES_MAX 65536 /* in a value that is checked */

struct json_schema;

/* NULL with err for one that is malformed or too large; it names the path:
 * "$.properties.a.type: unknown type 'int'". Owner: json_schema_unref(). */
struct json_schema *json_schema_compile(
	const json_t *schema, struct error *err);
struct json_schema *json_schema_ref(struct json_schema *s);
void json_schema_unref(struct json_schema *s); /* NULL-safe */
/* What a check took: at most four lookups for each value. */
struct json_schema_cost {
	uint32_t values, lookups;
};

/* 0, or -1 with err: "$.a[3]: must be an integer, not a string". cost_out may
 * be NULL. */
int json_schema_check(const struct json_schema *s, const json_t *value,
	struct json_schema_cost *cost_out, struct error *err);
/* How many parts it has, at most JSON_SCHEMA_PARTS_MAX; NULL: none. */
uint32_t json_schema_parts(const struct json_schema *s);
/* Whether its type is an object, or it has none (nor enum or const). */
bool json_schema_takes_object(const struct json_schema *s);
