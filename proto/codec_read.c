/* codec_read: what callers do with decoded values. */
#include "proto/codec.h"

#include "proto/util/text.h"

struct bytes
codec_bytes(const msgpack_object *o)
{
	if (o && o->type == MSGPACK_OBJECT_STR && o->via.str.size)
		return (struct bytes){o->via.str.ptr, o->via.str.size};
	if (o && o->type == MSGPACK_OBJECT_BIN && o->via.bin.size)
		return (struct bytes){o->via.bin.ptr, o->via.bin.size};
	return (struct bytes){"", 0};
}

const msgpack_object *
codec_field(const msgpack_object *o, const char *key)
{
	struct bytes wanted = bytes_of(key);

	if (!o || o->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < o->via.map.size; i++) {
		const msgpack_object_kv *pair = &o->via.map.ptr[i];

		if (pair->key.type == MSGPACK_OBJECT_STR &&
			bytes_equal(codec_bytes(&pair->key), wanted))
			return &pair->val;
	}
	return NULL;
}

static void
copy_clean(char *out, size_t size, struct bytes text)
{
	text_format(out, size, "%.*s", (int)text.length, text.at);
	for (; *out; out++)
		if ((unsigned char)*out < 0x20 || *out == 0x7f)
			*out = ' ';
}

enum wire_error
codec_read_error(const msgpack_object *error, char *text_out, size_t text_size)
{
	const msgpack_object *part;
	struct bytes code, text = codec_bytes(error);
	enum wire_error read = WIRE_FAILED;

	if (error && error->type == MSGPACK_OBJECT_ARRAY &&
		error->via.array.size) {
		part = error->via.array.ptr;
		code = codec_bytes(part);
		read = wire_error_by_text(code.at, code.length);
		text = error->via.array.size > 1 ? codec_bytes(part + 1) : code;
	}
	if (!text.length)
		text = bytes_of(wire_error_text(read));
	copy_clean(text_out, text_size, text);
	return read;
}
