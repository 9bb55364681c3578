/* registration: reads and checks what a worker says it offers. Whether two
 * plugins collide is the route table's business. */
#include "proto/registration.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/registration_rules.h"
#include "proto/util/map.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"
#include "proto/value.h"

const struct registration_kind_row registration_kinds[REGISTRATION_KIND_COUNT] =
	{
#define X(symbol, text, key, has_names, works)                                 \
	[REGISTRATION_##symbol] = {                                            \
		.wire = text,                                                  \
		.receipt = key,                                                \
		.named = has_names,                                            \
		.supported = works,                                            \
	},
		REGISTRATION_KINDS(X)
#undef X
};

int
registration_kind_by_wire(const char *text, size_t length)
{
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		if (strlen(registration_kinds[i].wire) == length &&
			!memcmp(registration_kinds[i].wire, text, length))
			return i;
	return -1;
}

/* ---- reading one ---- */

/* *text_out: a copy, NULL if the field is absent. */
static int
read_text(const msgpack_object *item, const char *field, char **text_out,
	struct error *err)
{
	const msgpack_object *o = codec_field(item, field);
	struct bytes text = codec_bytes(o);

	*text_out = NULL;
	if (!o || o->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (o->type != MSGPACK_OBJECT_STR ||
		!utf8_is_valid(text.at, text.length) ||
		memchr(text.at, 0, text.length))
		return error_set(err, "%s is not text", field);
	*text_out = memory_copy_bytes(text.at, text.length);
	return 0;
}

/* Leaves *value_out alone if the field is absent. */
static int
read_bool(const msgpack_object *item, const char *field, int *value_out,
	struct error *err)
{
	const msgpack_object *o = codec_field(item, field);

	if (!o || o->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (o->type != MSGPACK_OBJECT_BOOLEAN)
		return error_set(err, "%s is not a boolean", field);
	*value_out = o->via.boolean;
	return 0;
}

static int
read_http(struct registration *r, const msgpack_object *item, struct error *err)
{
	const msgpack_object *o;
	int streams = 0;

	if (read_text(item, "method", &r->method, err) < 0 ||
		read_text(item, "path", &r->path, err) < 0)
		return -1;
	if (!r->method || !registration_method_is_valid(bytes_of(r->method)))
		return error_set(err, "method must be an upper case token");
	if (!r->path)
		return error_set(err, "path is missing");
	if (registration_check_path(bytes_of(r->path), err) < 0)
		return error_prefix(err, "path \"%s\": ", r->path);
	if (read_bool(item, "idempotent", &r->idempotent, err) < 0 ||
		read_bool(item, "streams_body", &streams, err) < 0)
		return -1;
	r->streams_body = streams;
	o = codec_field(item, "body_limit");
	if (o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
		o->via.u64 <= INT64_MAX)
		r->body_limit = (int64_t)o->via.u64;
	else if (o && o->type != MSGPACK_OBJECT_NIL)
		return error_set(err, "body_limit is not a number of bytes");
	free(r->name);
	r->name = memory_format("%s %s", r->method, r->path);
	return 0;
}

/* A schema is a map, or JSON text of one. */
static int
read_schema(struct registration *r, const msgpack_object *o, struct error *err)
{
	struct bytes text = codec_bytes(o);
	json_t *schema;

	if (!o || o->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (o->type == MSGPACK_OBJECT_STR)
		schema = json_loadb(text.at, text.length, 0, NULL);
	else
		schema = value_from(o, NULL);
	if (json_is_object(schema))
		r->schema_json = json_dumps(schema, JSON_COMPACT);
	json_decref(schema);
	return r->schema_json ? 0 : error_set(err, "schema is not an object");
}

static int
read_named(
	struct registration *r, const msgpack_object *item, struct error *err)
{
	const msgpack_object *o = codec_field(item, "idempotent");

	if (!r->name)
		return error_set(err, "name is missing");
	if (!registration_name_is_valid(bytes_of(r->name)))
		return error_set(err,
			"a name has 1 to %d of letters, digits and _.:/-",
			REGISTRATION_NAME_BYTES);
	if (o && o->type == MSGPACK_OBJECT_BOOLEAN)
		r->idempotent = o->via.boolean;
	return read_schema(r, codec_field(item, "schema"), err);
}

static int
registration_read(
	struct registration *r, const msgpack_object *item, struct error *err)
{
	struct bytes text = codec_bytes(codec_field(item, "kind"));
	int kind = registration_kind_by_wire(text.at, text.length);

	*r = (struct registration){.idempotent = -1, .body_limit = -1};
	if (item->type != MSGPACK_OBJECT_MAP)
		return error_set(err, "it is not a map");
	if (kind < 0)
		return error_set(err, "there is no kind \"%.*s\"",
			(int)(text.length < 40 ? text.length : 40), text.at);
	if (!registration_kinds[kind].supported)
		return error_set(err, "kind \"%s\" is not supported yet",
			registration_kinds[kind].wire);
	r->kind = (enum registration_kind)kind;
	if (read_text(item, "name", &r->name, err) < 0 ||
		read_text(item, "description", &r->description, err) < 0 ||
		read_text(item, "help", &r->help, err) < 0)
		return -1;
	return r->kind == REGISTRATION_HTTP ? read_http(r, item, err)
					    : read_named(r, item, err);
}

/* ---- sets ---- */

static void
registration_finish(struct registration *r)
{
	free(r->name);
	free(r->method);
	free(r->path);
	free(r->description);
	free(r->help);
	free(r->schema_json);
}

char *
registration_label(const struct registration *r)
{
	return memory_format(
		"%s:%s", registration_kinds[r->kind].wire, r->name);
}

/* The label with the names of path parameters left out: what collides. */
static char *
registration_shape(const struct registration *r)
{
	char *label = registration_label(r), *to = label;
	bool inside = false;

	for (const char *from = label; *from; from++) {
		if (*from == '}')
			inside = false;
		if (!inside)
			*to++ = *from;
		if (*from == '{')
			inside = true;
	}
	*to = '\0';
	return label;
}

/* Reads item i and files it in `seen` by shape. */
static int
set_read_one(struct registration_set *set, struct map *seen,
	const msgpack_object *item, struct error *err)
{
	struct registration *r = &set->items[set->count++];
	int result = 0;
	char *shape;

	if (registration_read(r, item, err) < 0)
		return -1;
	shape = registration_shape(r);
	if (map_get(seen, shape, strlen(shape)))
		result = error_set(err, "%s is registered twice", shape);
	map_set(seen, shape, strlen(shape), r);
	free(shape);
	return result;
}

int
registration_set_read(struct registration_set *set, const msgpack_object *list,
	struct error *err)
{
	struct map seen = {0};
	uint32_t count;

	*set = (struct registration_set){0};
	if (list->type != MSGPACK_OBJECT_ARRAY)
		return error_set(err, "registrations are not an array");
	count = list->via.array.size;
	if (count > REGISTRATIONS_MAX)
		return error_set(err, "%u registrations are more than %d",
			count, REGISTRATIONS_MAX);
	set->items = memory_alloc(count * sizeof(*set->items));
	while (set->count < count) {
		uint32_t i = set->count;

		if (set_read_one(set, &seen, &list->via.array.ptr[i], err) <
			0) {
			map_finish(&seen);
			registration_set_finish(set);
			return error_prefix(err, "registration %u: ", i);
		}
	}
	map_finish(&seen);
	return 0;
}

void
registration_set_finish(struct registration_set *set)
{
	for (uint32_t i = 0; i < set->count; i++)
		registration_finish(&set->items[i]);
	free(set->items);
	*set = (struct registration_set){0};
}

const struct registration *
registration_find(const struct registration_set *set,
	enum registration_kind kind, const char *name)
{
	for (uint32_t i = 0; i < set->count; i++)
		if (set->items[i].kind == kind &&
			!strcmp(set->items[i].name, name))
			return &set->items[i];
	return NULL;
}

/* Names are unique in a set, so same size and all found is the same set; an
 * http name holds method and path. */
bool
registration_set_equal(
	const struct registration_set *a, const struct registration_set *b)
{
	struct map labels = {0};
	bool equal = a->count == b->count;

	for (uint32_t i = 0; equal && i < a->count; i++) {
		char *label = registration_label(&a->items[i]);

		map_set(&labels, label, strlen(label), &a->items[i]);
		free(label);
	}
	for (uint32_t i = 0; equal && i < b->count; i++) {
		char *label = registration_label(&b->items[i]);

		equal = map_get(&labels, label, strlen(label));
		free(label);
	}
	map_finish(&labels);
	return equal;
}

bool
registration_is_idempotent(
	const struct registration *r, const char *method, size_t method_length)
{
	static const char *const safe[] = {
		"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
	struct bytes asked = {method, method_length};

	if (r->idempotent >= 0)
		return r->idempotent;
	if (r->kind != REGISTRATION_HTTP)
		return false;
	for (size_t i = 0; i < sizeof(safe) / sizeof(*safe); i++)
		if (bytes_equal(asked, bytes_of(safe[i])))
			return true;
	return false;
}
