/* value: a walk over either tree. Depth is bounded by what was parsed: the
 * codec's limit on one side, jansson's on the other. */
#include "proto/value.h"

#include <math.h>
#include <stdio.h>

#include "proto/util/utf8.h"
#include "proto/value_path.h"

static void
value_pack_object(msgpack_packer *p, const json_t *value)
{
	json_t *object = (json_t *)(uintptr_t)value;
	void *i = json_object_iter(object);

	msgpack_pack_map(p, json_object_size(value));
	for (; i; i = json_object_iter_next(object, i)) {
		codec_str(p, (struct bytes){json_object_iter_key(i),
				     json_object_iter_key_len(i)});
		value_pack(p, json_object_iter_value(i));
	}
}

void
value_pack(msgpack_packer *p, const json_t *value)
{
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_OBJECT:
		value_pack_object(p, value);
		return;
	case JSON_ARRAY:
		msgpack_pack_array(p, json_array_size(value));
		for (size_t i = 0; i < json_array_size(value); i++)
			value_pack(p, json_array_get(value, i));
		return;
	case JSON_STRING:
		codec_str(p, (struct bytes){json_string_value(value),
				     json_string_length(value)});
		return;
	case JSON_INTEGER:
		msgpack_pack_int64(p, json_integer_value(value));
		return;
	case JSON_REAL:
		msgpack_pack_double(p, json_real_value(value));
		return;
	case JSON_TRUE:
		msgpack_pack_true(p);
		return;
	case JSON_FALSE:
		msgpack_pack_false(p);
		return;
	case JSON_NULL:
		msgpack_pack_nil(p);
		return;
	}
}

/* ---- from MessagePack ---- */

static json_t *
refuse(const struct value_path *p, struct error *err, const char *text)
{
	char path[VALUE_PATH_BYTES];

	value_path_text(p, path, sizeof(path));
	error_set(err, "%s: %s", path, text);
	return NULL;
}

static json_t *value_read(
	const msgpack_object *o, const struct value_path *p, struct error *err);

static json_t *
value_array(
	const msgpack_object *o, const struct value_path *p, struct error *err)
{
	json_t *array = json_array(), *item;

	for (uint32_t i = 0; i < o->via.array.size; i++) {
		struct value_path at = {.around = p, .index = i};

		item = value_read(&o->via.array.ptr[i], &at, err);
		if (!item || json_array_append_new(array, item) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* What is wrong with the key of a map, or NULL. */
static const char *
key_flaw(const json_t *object, const msgpack_object *key)
{
	struct bytes text = codec_bytes(key);

	if (key->type != MSGPACK_OBJECT_STR)
		return "a key of a map must be a string";
	if (!utf8_is_valid(text.at, text.length))
		return "a key of a map must be UTF-8";
	if (memchr(text.at, 0, text.length))
		return "a key of a map must not contain NUL";
	if (json_object_getn(object, text.at, text.length))
		return "duplicate key";
	return NULL;
}

static int
value_set(json_t *object, const msgpack_object_kv *pair,
	const struct value_path *p, struct error *err)
{
	struct value_path at = {.around = p, .key = codec_bytes(&pair->key)};
	const char *flaw = key_flaw(object, &pair->key);
	json_t *value;

	if (flaw) {
		refuse(pair->key.type == MSGPACK_OBJECT_STR ? &at : p, err,
			flaw);
		return -1;
	}
	value = value_read(&pair->val, &at, err);
	return value ? json_object_setn_new(
			       object, at.key.at, at.key.length, value)
		     : -1;
}

static json_t *
value_object(
	const msgpack_object *o, const struct value_path *p, struct error *err)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < o->via.map.size; i++)
		if (value_set(object, &o->via.map.ptr[i], p, err) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *
value_scalar(
	const msgpack_object *o, const struct value_path *p, struct error *err)
{
	struct bytes text = codec_bytes(o);

	switch (o->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (o->via.u64 <= INT64_MAX)
			return json_integer((json_int_t)o->via.u64);
		return refuse(p, err,
			"an integer must be from -2^63 to 2^63 - 1; send "
			"larger ones as strings");
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return json_integer(o->via.i64);
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		if (isfinite(o->via.f64))
			return json_real(o->via.f64);
		return refuse(p, err, "NaN and Infinity are not JSON");
	case MSGPACK_OBJECT_STR:
	case MSGPACK_OBJECT_BIN:
		if (utf8_is_valid(text.at, text.length))
			return json_stringn_nocheck(text.at, text.length);
		return refuse(p, err, "a string must be UTF-8");
	default:
		return refuse(p, err, "an extension type is not JSON");
	}
}

static json_t *
value_read(
	const msgpack_object *o, const struct value_path *p, struct error *err)
{
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		return json_null();
	case MSGPACK_OBJECT_BOOLEAN:
		return json_boolean(o->via.boolean);
	case MSGPACK_OBJECT_ARRAY:
		return value_array(o, p, err);
	case MSGPACK_OBJECT_MAP:
		return value_object(o, p, err);
	default:
		return value_scalar(o, p, err);
	}
}

json_t *
value_from(const msgpack_object *o, struct error *err)
{
	return value_read(o, NULL, err);
}

/* Takes the least that a value takes as JSON from *left. */
static bool
value_fits(const msgpack_object *o, size_t *left)
{
	size_t own = 1 + codec_bytes(o).length;
	bool fits = own <= *left;

	*left -= fits ? own : 0;
	if (o->type == MSGPACK_OBJECT_ARRAY)
		for (uint32_t i = 0; fits && i < o->via.array.size; i++)
			fits = value_fits(&o->via.array.ptr[i], left);
	if (o->type == MSGPACK_OBJECT_MAP)
		for (uint32_t i = 0; fits && i < o->via.map.size; i++)
			fits = value_fits(&o->via.map.ptr[i].key, left) &&
			       value_fits(&o->via.map.ptr[i].val, left);
	return fits;
}

bool
value_is_longer(const msgpack_object *o, size_t bytes)
{
	return !value_fits(o, &bytes);
}

bool
value_has_bin(const msgpack_object *o)
{
	bool found = o->type == MSGPACK_OBJECT_BIN;

	if (o->type == MSGPACK_OBJECT_ARRAY)
		for (uint32_t i = 0; !found && i < o->via.array.size; i++)
			found = value_has_bin(&o->via.array.ptr[i]);
	if (o->type == MSGPACK_OBJECT_MAP)
		for (uint32_t i = 0; !found && i < o->via.map.size; i++)
			found = value_has_bin(&o->via.map.ptr[i].val);
	return found;
}

bool
value_is_deeper(const json_t *value, unsigned depth)
{
	json_t *child, *object = (json_t *)(uintptr_t)value;
	const char *key;
	size_t i;

	if (!json_is_object(value) && !json_is_array(value))
		return false;
	if (!depth)
		return true;
	json_object_foreach(object, key, child)
	{
		if (value_is_deeper(child, depth - 1))
			return true;
	}
	json_array_foreach(value, i, child)
	{
		if (value_is_deeper(child, depth - 1))
			return true;
	}
	return false;
}

/* ---- memory ---- */

/* As jansson has them, with what the allocator adds. */
#define SCALAR_BYTES 32
#define LIST_BYTES 112	 /* with room for eight members */
#define OBJECT_BYTES 208 /* with eight buckets */
#define PAIR_BYTES 96

static size_t
object_memory(const json_t *value)
{
	size_t bytes = OBJECT_BYTES;
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)(uintptr_t)value, key, member)
	{
		bytes += PAIR_BYTES + strlen(key) + value_memory(member);
	}
	return bytes;
}

size_t
value_memory(const json_t *value)
{
	size_t bytes = LIST_BYTES;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return object_memory(value);
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(value); i++)
			bytes += 2 * sizeof(void *) +
				 value_memory(json_array_get(value, i));
		return bytes;
	case JSON_STRING:
		return SCALAR_BYTES + 32 + json_string_length(value);
	case JSON_INTEGER:
	case JSON_REAL:
		return SCALAR_BYTES;
	default:
		return 0;
	}
}
