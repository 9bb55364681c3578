/* pack: writes MessagePack values straight into reserved memory, for messages
 * that are packed per request. The caller reserves PACK_HEAD_BYTES for each
 * value on top of its bytes. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "proto/util/bytes.h"

#define PACK_HEAD_BYTES 5

static inline uint8_t *
pack_u16(uint8_t *at, uint8_t tag, uint16_t n)
{
	at[0] = tag;
	at[1] = (uint8_t)(n >> 8);
	at[2] = (uint8_t)n;
	return at + 3;
}

static inline uint8_t *
pack_u32(uint8_t *at, uint8_t tag, uint32_t n)
{
	at[0] = tag;
	at[1] = (uint8_t)(n >> 24);
	at[2] = (uint8_t)(n >> 16);
	at[3] = (uint8_t)(n >> 8);
	at[4] = (uint8_t)n;
	return at + 5;
}

static inline uint8_t *
pack_bytes(uint8_t *at, struct bytes b)
{
	if (b.length)
		memcpy(at, b.at, b.length);
	return at + b.length;
}

/* A length in 1, 2 or 4 bytes; tag: that of the shortest form, which those of
 * the longer ones follow. */
static inline uint8_t *
pack_length(uint8_t *at, uint8_t tag, size_t length)
{
	if (length >= 65536)
		return pack_u32(at, (uint8_t)(tag + 2), (uint32_t)length);
	if (length >= 256)
		return pack_u16(at, (uint8_t)(tag + 1), (uint16_t)length);
	*at++ = tag;
	*at++ = (uint8_t)length;
	return at;
}

static inline uint8_t *
pack_str(uint8_t *at, struct bytes text)
{
	if (text.length < 32)
		*at++ = (uint8_t)(0xa0 | text.length);
	else
		at = pack_length(at, 0xd9, text.length);
	return pack_bytes(at, text);
}

static inline uint8_t *
pack_bin(uint8_t *at, struct bytes bytes)
{
	return pack_bytes(pack_length(at, 0xc4, bytes.length), bytes);
}

static inline uint8_t *
pack_array(uint8_t *at, unsigned count)
{
	if (count >= 16)
		return pack_u16(at, 0xdc, (uint16_t)count);
	*at++ = (uint8_t)(0x90 | count);
	return at;
}

static inline uint8_t *
pack_map(uint8_t *at, unsigned count)
{
	if (count >= 16)
		return pack_u16(at, 0xde, (uint16_t)count);
	*at++ = (uint8_t)(0x80 | count);
	return at;
}

static inline uint8_t *
pack_bool(uint8_t *at, bool value)
{
	*at++ = value ? 0xc3 : 0xc2;
	return at;
}
