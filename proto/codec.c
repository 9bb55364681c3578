/* codec: decoding. A bounded scan of ours first, then msgpack-c on what the
 * scan found sound. codec_read.c reads the values, codec_encode.c writes. */
#include "proto/codec.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

#define CODEC_ZONE_BYTES 8192

struct codec {
	msgpack_zone zone;
	bool forgives;
	uint32_t values_max; /* 0: no bound */
	/* The error of a response that has more, and its result. */
	char oversized_text[64];
	msgpack_object oversized_parts[2], oversized_error, oversized_result;
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
codec_bound_values(struct codec *c, uint32_t most)
{
	int length = snprintf(c->oversized_text, sizeof(c->oversized_text),
		"the answer has more than %u values", most);

	c->values_max = most;
	c->oversized_parts[0] = (msgpack_object){.type = MSGPACK_OBJECT_STR,
		.via.str = {sizeof("failed") - 1, "failed"}};
	c->oversized_parts[1] = (msgpack_object){.type = MSGPACK_OBJECT_STR,
		.via.str = {(uint32_t)length, c->oversized_text}};
	c->oversized_error = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY,
		.via.array = {2, c->oversized_parts}};
	c->oversized_result.type = MSGPACK_OBJECT_NIL;
}

void
codec_destroy(struct codec *c)
{
	if (!c)
		return;
	msgpack_zone_destroy(&c->zone);
	free(c);
}

void
codec_forgive(struct codec *c)
{
	c->forgives = true;
}

struct codec *
codec_create_like(const struct codec *c)
{
	struct codec *like = codec_create();

	like->forgives = c->forgives;
	codec_bound_values(like, c->values_max);
	return like;
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

/* The tags 0xc0 to 0xdf: how many bytes follow the tag; the first `length` of
 * these are the number of bytes or elements that follow. */
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

/* *values_out: the number of values in it, including itself. */
static size_t
scan_value(const uint8_t *bytes, size_t size, uint32_t *values_out)
{
	uint64_t waiting[WIRE_DEPTH_MAX + 1], skip, values;
	const uint8_t *at = bytes, *end = bytes + size;
	unsigned depth = 0;

	waiting[0] = 1;
	*values_out = 0;
	for (;;) {
		bool container;

		if (at == end)
			return 0;
		container = scan_tag(at, (size_t)(end - at), &skip, &values);
		at++;
		if (skip > (uint64_t)(end - at))
			return 0;
		at += skip;
		++*values_out;
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

bool
codec_answer_goes_on(const struct message *m, enum wire_answer_form form)
{
	static const uint32_t more_at[] = {
		[WIRE_ANSWER_HTTP] = 3, [WIRE_ANSWER_STATE] = 2};
	const msgpack_object *o = m->result, *more;

	if (form == WIRE_ANSWER_SINGLE || m->error ||
		o->type != MSGPACK_OBJECT_ARRAY ||
		o->via.array.size <= more_at[form])
		return false;
	more = &o->via.array.ptr[more_at[form]];
	return more->type == MSGPACK_OBJECT_BOOLEAN && more->via.boolean;
}

size_t
codec_value_size(const uint8_t *bytes, size_t size)
{
	uint32_t values;

	return scan_value(bytes, size, &values);
}

/* ---- decoding ---- */

/* One value that the scan found sound through msgpack-c. */
static bool
codec_unpack_scanned(struct codec *c, const uint8_t *bytes, size_t size,
	msgpack_object *object)
{
	size_t offset = 0;

	if (!size)
		return false;
	msgpack_zone_clear(&c->zone);
	return msgpack_unpack((const char *)bytes, size, &offset, &c->zone,
		       object) == MSGPACK_UNPACK_SUCCESS;
}

/* One value through scan and msgpack-c; NULL if malformed. */
static const msgpack_object *
codec_unpack(struct codec *c, const uint8_t *bytes, size_t size,
	size_t *used_out, msgpack_object *object)
{
	*used_out = codec_value_size(bytes, size);
	return codec_unpack_scanned(c, bytes, *used_out, object) ? object
								 : NULL;
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

/* Params against the table; a newer peer may send more params. */
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
codec_read_call(const struct codec *c, struct message *m,
	const msgpack_object *name, const msgpack_object *params,
	struct error *err)
{
	if (name->type != MSGPACK_OBJECT_STR || !name->via.str.size)
		return error_set(err, "the method is not a str");
	if (params->type != MSGPACK_OBJECT_ARRAY)
		return error_set(err, "params are not an array");
	m->method = (struct bytes){name->via.str.ptr, name->via.str.size};
	m->params = params->via.array.ptr;
	m->param_count = params->via.array.size;
	m->name = message_by_name(m->method.at, m->method.length);
	if (m->name == MESSAGE_UNKNOWN || codec_check_params(m, err) == 0)
		return 0;
	m->name = MESSAGE_UNKNOWN;
	return c->forgives ? 0 : -1;
}

static int
codec_read_envelope(const struct codec *c, struct message *m,
	const msgpack_object *o, struct error *err)
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
		return codec_read_call(c, m, part + 1, part + 2, err);
	if (part[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
		part[1].via.u64 > UINT32_MAX)
		return error_set(err, "the id is not a 32-bit number");
	m->id = (uint32_t)part[1].via.u64;
	if (m->kind == MESSAGE_REQUEST)
		return codec_read_call(c, m, part + 2, part + 3, err);
	m->error = part[2].type == MSGPACK_OBJECT_NIL ? NULL : part + 2;
	m->result = part + 3;
	return 0;
}

/* Reads only kind, id and method. */
static int
codec_read_oversized(struct codec *c, struct message *m, const uint8_t *bytes,
	size_t size, struct error *err)
{
	size_t at = *bytes == 0xdc ? 3 : *bytes == 0xdd ? 5 : 1, used;
	msgpack_object part = {0};

	if (at >= size || bytes[at] > MESSAGE_NOTIFICATION)
		return error_set(err, "not MessagePack-RPC");
	*m = (struct message){.kind = (enum message_kind)bytes[at++],
		.name = MESSAGE_UNKNOWN,
		.oversized = true};
	if (m->kind != MESSAGE_NOTIFICATION) {
		if (!codec_unpack(c, bytes + at, size - at, &used, &part) ||
			part.type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
			part.via.u64 > UINT32_MAX)
			return error_set(err, "the id is not a 32-bit number");
		m->id = (uint32_t)part.via.u64;
		at += used;
	}
	if (m->kind == MESSAGE_RESPONSE) {
		m->error = &c->oversized_error;
		m->result = &c->oversized_result;
		return 0;
	}
	if (!codec_unpack(c, bytes + at, size - at, &used, &part) ||
		part.type != MSGPACK_OBJECT_STR)
		return error_set(err, "the method is not a str");
	m->method = (struct bytes){part.via.str.ptr, part.via.str.size};
	return 0;
}

int
codec_decode(struct codec *c, const uint8_t *bytes, size_t size, size_t *offset,
	struct message *message_out, struct error *err)
{
	const uint8_t *start = bytes + *offset;
	msgpack_object object;
	uint32_t values;
	size_t used;
	int result = -1;

	if (*offset >= size)
		return 0;
	used = scan_value(start, size - *offset, &values);
	if (used && c->values_max && values > c->values_max)
		result = codec_read_oversized(c, message_out, start, used, err);
	else if (!codec_unpack_scanned(c, start, used, &object))
		error_set(err, "not a MessagePack value");
	else
		result = codec_read_envelope(c, message_out, &object, err);
	if (result == 0) {
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
