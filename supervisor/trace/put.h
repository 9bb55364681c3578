/* put: packs the values of a record into memory of records_begin(). A number
 * takes at most PUT_NUMBER_BYTES, a string its bytes and PACK_HEAD_BYTES. */
#pragma once

#include "proto/util/pack.h"
#include "proto/util/text.h"
#include "supervisor/trace/records.h"

#define PUT_BEGIN_BYTES 4
#define PUT_NUMBER_BYTES 9

static inline uint8_t *
put_number(uint8_t *at, uint64_t n)
{
	if (n < 128) {
		*at++ = (uint8_t)n;
		return at;
	}
	*at++ = 0xcf;
	for (int shift = 56; shift >= 0; shift -= 8)
		*at++ = (uint8_t)(n >> shift);
	return at;
}

static inline uint8_t *
put_bytes(uint8_t *at, struct bytes text)
{
	if (text.length > RECORD_TEXT_MAX)
		text.length = text_fit(text.at, text.length, RECORD_TEXT_MAX);
	return pack_str(at, text);
}

static inline uint8_t *
put_text(uint8_t *at, const char *text)
{
	if (text)
		return put_bytes(at, bytes_of(text));
	*at++ = 0xc0;
	return at;
}

/* The head of the array, and the type. */
static inline uint8_t *
put_begin(uint8_t *at, enum record_type type)
{
	static const uint8_t value_counts[RECORD_TYPE_COUNT] = {
#define X(name, values) [RECORD_##name] = values,
		RECORD_TYPES(X)
#undef X
	};

	at = pack_array(at, value_counts[type]);
	return put_number(at, type);
}
