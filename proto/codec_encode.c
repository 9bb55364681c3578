/* codec: encoding. Envelopes are written byte by byte, values by msgpack-c. */
#include <endian.h>
#include <string.h>

#include "proto/codec.h"

static int
codec_write(void *data, const char *bytes, size_t size)
{
	buffer_append(data, bytes, size);
	return 0;
}

void
codec_packer(msgpack_packer *packer_out, struct buffer *b)
{
	msgpack_packer_init(packer_out, b, codec_write);
}

/* Writes an unsigned number or the head of an array in its shortest form. */
static inline uint8_t *
put_id(uint8_t *at, uint32_t id)
{
	uint32_t big = htobe32(id);

	if (id < 0x80) {
		*at++ = (uint8_t)id;
		return at;
	}
	if (id < 0x10000) {
		*at++ = 0xcd;
		*at++ = (uint8_t)(id >> 8);
		*at++ = (uint8_t)id;
		return at;
	}
	*at++ = 0xce;
	memcpy(at, &big, 4);
	return at + 4;
}

static inline uint8_t *
put_name(uint8_t *at, enum message_name name)
{
	size_t length = strlen(message_rows[name].name);

	*at++ = (uint8_t)(0xa0 | length); /* names are shorter than 32 */
	memcpy(at, message_rows[name].name, length);
	return at + length;
}

static void
codec_call(msgpack_packer *p, uint8_t *head, uint8_t *at,
	enum message_name name, uint32_t param_count)
{
	at = put_name(at, name);
	if (param_count < 16) {
		*at++ = (uint8_t)(0x90 | param_count);
		buffer_append(p->data, head, (size_t)(at - head));
	} else {
		buffer_append(p->data, head, (size_t)(at - head));
		msgpack_pack_array(p, param_count);
	}
}

void
codec_request(msgpack_packer *p, uint32_t id, enum message_name name,
	uint32_t param_count)
{
	uint8_t head[64] = {0x94, MESSAGE_REQUEST};

	codec_call(p, head, put_id(head + 2, id), name, param_count);
}

void
codec_notification(
	msgpack_packer *p, enum message_name name, uint32_t param_count)
{
	uint8_t head[64] = {0x93, MESSAGE_NOTIFICATION};

	codec_call(p, head, head + 2, name, param_count);
}

void
codec_result(msgpack_packer *p, uint32_t id)
{
	uint8_t head[16] = {0x94, MESSAGE_RESPONSE}, *at;

	at = put_id(head + 2, id);
	*at++ = 0xc0;
	buffer_append(p->data, head, (size_t)(at - head));
}

void
codec_error(
	msgpack_packer *p, uint32_t id, enum wire_error code, const char *text)
{
	uint8_t head[16] = {0x94, MESSAGE_RESPONSE}, *at;

	at = put_id(head + 2, id);
	*at++ = 0x92;
	buffer_append(p->data, head, (size_t)(at - head));
	codec_text(p, wire_error_text(code));
	codec_text(p, text ? text : "");
	msgpack_pack_nil(p);
}

void
codec_raw(msgpack_packer *p, struct bytes packed)
{
	buffer_append(p->data, packed.at, packed.length);
}

void
codec_raw_buffer(msgpack_packer *p, const struct buffer *packed)
{
	buffer_append(p->data, buffer_bytes(packed), buffer_length(packed));
}

void
codec_str(msgpack_packer *p, struct bytes text)
{
	if (text.length < 32) {
		buffer_append_byte(p->data, (uint8_t)(0xa0 | text.length));
		buffer_append(p->data, text.at, text.length);
		return;
	}
	msgpack_pack_str(p, text.length);
	buffer_append(p->data, text.at, text.length);
}

void
codec_text(msgpack_packer *p, const char *text)
{
	if (text)
		codec_str(p, bytes_of(text));
	else
		msgpack_pack_nil(p);
}

void
codec_bin(msgpack_packer *p, struct bytes bytes)
{
	msgpack_pack_bin(p, bytes.length);
	buffer_append(p->data, bytes.at, bytes.length);
}
