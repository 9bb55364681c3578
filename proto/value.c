/* value: a walk over either tree. Depth is bounded by what was parsed: the
 * codec's limit on one side, jansson's on the other. */
#include "proto/value.h"

#include <math.h>

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

static json_t *
value_array(const msgpack_object *o, struct error *err)
{
	json_t *array = json_array(), *item;

	for (uint32_t i = 0; i < o->via.array.size; i++) {
		item = value_from(&o->via.array.ptr[i], err);
		if (!item || json_array_append_new(array, item) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static int
value_set(json_t *object, const msgpack_object_kv *pair, struct error *err)
{
	struct bytes key = codec_bytes(&pair->key);
	json_t *value;

	if (pair->key.type != MSGPACK_OBJECT_STR)
		return error_set(err, "a map key is not a str");
	value = value_from(&pair->val, err);
	if (!value)
		return -1;
	if (json_object_setn_new(object, key.at, key.length, value) < 0)
		return error_set(err, "a map key is not UTF-8");
	return 0;
}

static json_t *
value_object(const msgpack_object *o, struct error *err)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < o->via.map.size; i++)
		if (value_set(object, &o->via.map.ptr[i], err) < 0) {
			json_decref(object);
			return NULL;
		}
	return object;
}

static json_t *
value_scalar(const msgpack_object *o, struct error *err)
{
	struct bytes text = codec_bytes(o);
	json_t *value = NULL;

	switch (o->type) {
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (o->via.u64 <= INT64_MAX)
			return json_integer((json_int_t)o->via.u64);
		error_set(err, "an integer is out of range");
		return NULL;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return json_integer(o->via.i64);
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		if (!isfinite(o->via.f64))
			error_set(err, "a number is not finite");
		else
			value = json_real(o->via.f64);
		return value;
	case MSGPACK_OBJECT_STR:
	case MSGPACK_OBJECT_BIN:
		value = json_stringn(text.at, text.length);
		if (!value)
			error_set(err, "a string is not UTF-8");
		return value;
	default:
		error_set(err, "an extension type has no place in JSON");
		return NULL;
	}
}

json_t *
value_from(const msgpack_object *o, struct error *err)
{
	switch (o->type) {
	case MSGPACK_OBJECT_NIL:
		return json_null();
	case MSGPACK_OBJECT_BOOLEAN:
		return json_boolean(o->via.boolean);
	case MSGPACK_OBJECT_ARRAY:
		return value_array(o, err);
	case MSGPACK_OBJECT_MAP:
		return value_object(o, err);
	default:
		return value_scalar(o, err);
	}
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
