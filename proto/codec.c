/* codec: decoding. A bounded scan of ours first, then msgpack-c on what the
 * scan found sound. codec_read.c reads the values, codec_encode.c writes. */
#include "proto/codec.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define CODEC_ZONE_BYTES 8192

struct codec {
	msgpack_zone zone;
};

struct codec *
codec_create(void)
{
	struct codec *c = memory_alloc(sizeof(*c));

	if (!msgpack_zone_init(&c->zone, CODEC_ZONE_BYTES))
		abort();
	return c;
}

void
codec_destroy(struct codec *c)
{
	if (!c)
		return;
	msgpack_zone_destroy(&c->zone);
	free(c);
}

/* ---- the scan ---- */

static inline uint64_t
scan_number(const uint8_t *at, unsigned width)
{
	uint16_t two;
	uint32_t four;

	switch (width) {
	case 1:
		return *at;
	case 2:
		memcpy(&two, at, 2);
		return be16toh(two);
	default:
		memcpy(&four, at, 4);
		return be32toh(four);
	}
}

/* What the tags 0xc0 to 0xdf mean: bytes that follow the tag, and of these
 * the first `length` bytes say how many bytes or elements come after. */
static const struct scan_tag {
	uint8_t fixed, length, elements; /* elements: values per count */
} scan_tags[32] = {
	[0xc4 - 0xc0] = {1, 1, 0}, /* bin 8, 16, 32 */
	[0xc5 - 0xc0] = {2, 2, 0},
	[0xc6 - 0xc0] = {4, 4, 0},
	[0xc7 - 0xc0] = {2, 1, 0}, /* ext 8, 16, 32: and a type byte */
	[0xc8 - 0xc0] = {3, 2, 0},
	[0xc9 - 0xc0] = {5, 4, 0},
	[0xca - 0xc0] = {4, 0, 0}, /* floats */
	[0xcb - 0xc0] = {8, 0, 0},
	[0xcc - 0xc0] = {1, 0, 0}, /* unsigned and signed integers */
	[0xcd - 0xc0] = {2, 0, 0},
	[0xce - 0xc0] = {4, 0, 0},
	[0xcf - 0xc0] = {8, 0, 0},
	[0xd0 - 0xc0] = {1, 0, 0},
	[0xd1 - 0xc0] = {2, 0, 0},
	[0xd2 - 0xc0] = {4, 0, 0},
	[0xd3 - 0xc0] = {8, 0, 0},
	[0xd4 - 0xc0] = {2, 0, 0}, /* fixext: a type byte and 1 to 16 more */
	[0xd5 - 0xc0] = {3, 0, 0},
	[0xd6 - 0xc0] = {5, 0, 0},
	[0xd7 - 0xc0] = {9, 0, 0},
	[0xd8 - 0xc0] = {17, 0, 0},
	[0xd9 - 0xc0] = {1, 1, 0}, /* str 8, 16, 32 */
	[0xda - 0xc0] = {2, 2, 0},
	[0xdb - 0xc0] = {4, 4, 0},
	[0xdc - 0xc0] = {2, 2, 1}, /* array 16, 32 */
	[0xdd - 0xc0] = {4, 4, 1},
	[0xde - 0xc0] = {2, 2, 2}, /* map 16, 32 */
	[0xdf - 0xc0] = {4, 4, 2},
};

/* Reads one tag. *skip_out: bytes after it that belong to it; *values_out:
 * values that follow; true if it is a container. */
static inline bool
scan_tag(const uint8_t *at, size_t left, uint64_t *skip_out,
	uint64_t *values_out)
{
	const struct scan_tag *tag;
	uint64_t count;

	*skip_out = *values_out = 0;
	if (*at < 0x80 || *at >= 0xe0)
		return false;
	if (*at < 0xa0) {
		*values_out = *at & 15;
		if (*at < 0x90)
			*values_out *= 2;
		return true;
	}
	if (*at < 0xc0) {
		*skip_out = *at & 31;
		return false;
	}
	tag = &scan_tags[*at - 0xc0];
	*skip_out = *at == 0xc1 ? UINT64_MAX : tag->fixed;
	if (!tag->length || left <= tag->length)
		return false; /* cut short: skip_out is beyond left */
	count = scan_number(at + 1, tag->length);
	if (tag->elements)
		*values_out = count * tag->elements;
	else
		*skip_out += count;
	return tag->elements;
}

size_t
codec_value_size(const uint8_t *bytes, size_t size)
{
	uint64_t waiting[WIRE_DEPTH_MAX + 1], skip, values;
	const uint8_t *at = bytes, *end = bytes + size;
	unsigned depth = 0;

	waiting[0] = 1;
	for (;;) {
		bool container;

		if (at == end)
			return 0;
		container = scan_tag(at, (size_t)(end - at), &skip, &values);
		at++;
		if (skip > (uint64_t)(end - at))
			return 0;
		at += skip;
		waiting[depth]--;
		if (container) {
			if (values > (uint64_t)(end - at) ||
				depth == WIRE_DEPTH_MAX)
				return 0;
			waiting[++depth] = values;
		}
		while (!waiting[depth]) {
			if (!depth)
				return (size_t)(at - bytes);
			depth--;
		}
	}
}

/* ---- decoding ---- */

/* One value through scan and msgpack-c; NULL if malformed. */
static const msgpack_object *
codec_unpack(struct codec *c, const uint8_t *bytes, size_t size,
	size_t *used_out, msgpack_object *object)
{
	size_t offset = 0;
	msgpack_unpack_return result;

	*used_out = codec_value_size(bytes, size);
	if (!*used_out)
		return NULL;
	msgpack_zone_clear(&c->zone);
	result = msgpack_unpack(
		(const char *)bytes, *used_out, &offset, &c->zone, object);
	return result == MSGPACK_UNPACK_SUCCESS ? object : NULL;
}

static bool
codec_fits(const msgpack_object *o, char letter)
{
	switch (letter) {
	case 'u':
		return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER;
	case 'i':
		return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
		       o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;
	case 's':
		return o->type == MSGPACK_OBJECT_STR;
	case 'b':
		return o->type == MSGPACK_OBJECT_BIN;
	case 'o':
		return o->type == MSGPACK_OBJECT_BOOLEAN;
	case 'm':
		return o->type == MSGPACK_OBJECT_MAP;
	case 'a':
		return o->type == MSGPACK_OBJECT_ARRAY;
	default:
		return true;
	}
}

/* Params against the table; more than the table knows are a newer peer's. */
static int
codec_check_params(const struct message *m, struct error *err)
{
	const struct message_row *row = &message_rows[m->name];
	bool required = true;
	uint32_t i = 0;

	if (row->kind != m->kind)
		return error_set(err, "%s is a %s", row->name,
			row->kind == MESSAGE_REQUEST ? "request"
						     : "notification");
	for (const char *letter = row->params; *letter; letter++) {
		if (*letter == '|') {
			required = false;
			continue;
		}
		if (i == m->param_count) {
			if (!required)
				break;
			return error_set(err, "%s has %u params, too few",
				row->name, m->param_count);
		}
		if (!codec_fits(&m->params[i], *letter))
			return error_set(err,
				"param %u of %s has the wrong type", i + 1,
				row->name);
		i++;
	}
	return 0;
}

static int
codec_read_call(struct message *m, const msgpack_object *name,
	const msgpack_object *params, struct error *err)
{
	if (name->type != MSGPACK_OBJECT_STR || !name->via.str.size)
		return error_set(err, "the method is not a str");
	if (params->type != MSGPACK_OBJECT_ARRAY)
		return error_set(err, "params are not an array");
	m->method = (struct bytes){name->via.str.ptr, name->via.str.size};
	m->params = params->via.array.ptr;
	m->param_count = params->via.array.size;
	m->name = message_by_name(m->method.at, m->method.length);
	return m->name == MESSAGE_UNKNOWN ? 0 : codec_check_params(m, err);
}

static int
codec_read_envelope(
	struct message *m, const msgpack_object *o, struct error *err)
{
	const msgpack_object *part = o->via.array.ptr;
	uint32_t count;

	if (o->type != MSGPACK_OBJECT_ARRAY || !o->via.array.size ||
		part->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		part->via.u64 > MESSAGE_NOTIFICATION)
		return error_set(err, "not MessagePack-RPC");
	*m = (struct message){
		.kind = (enum message_kind)part->via.u64,
		.name = MESSAGE_UNKNOWN,
	};
	count = m->kind == MESSAGE_NOTIFICATION ? 3 : 4;
	if (o->via.array.size != count)
		return error_set(err, "a MessagePack-RPC object of %u parts",
			o->via.array.size);
	if (m->kind == MESSAGE_NOTIFICATION)
		return codec_read_call(m, part + 1, part + 2, err);
	if (part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		part[1].via.u64 > UINT32_MAX)
		return error_set(err, "the id is not a 32-bit number");
	m->id = (uint32_t)part[1].via.u64;
	if (m->kind == MESSAGE_REQUEST)
		return codec_read_call(m, part + 2, part + 3, err);
	m->error = part[2].type == MSGPACK_OBJECT_NIL ? NULL : part + 2;
	m->result = part + 3;
	return 0;
}

int
codec_decode(struct codec *c, const uint8_t *bytes, size_t size, size_t *offset,
	struct message *message_out, struct error *err)
{
	msgpack_object object;
	size_t used;

	if (*offset >= size)
		return 0;
	if (!codec_unpack(c, bytes + *offset, size - *offset, &used, &object))
		error_set(err, "not a MessagePack value");
	else if (codec_read_envelope(message_out, &object, err) == 0) {
		*offset += used;
		return 1;
	}
	return error_prefix(err, "malformed message at byte %zu: ", *offset);
}

const msgpack_object *
codec_decode_value(
	struct codec *c, const uint8_t *bytes, size_t size, struct error *err)
{
	msgpack_object object, *kept;
	size_t used;

	if (!codec_unpack(c, bytes, size, &used, &object) || used != size) {
		error_set(err, "not one MessagePack value");
		return NULL;
	}
	kept = msgpack_zone_malloc(&c->zone, sizeof(*kept));
	if (!kept)
		abort();
	*kept = object;
	return kept;
}
