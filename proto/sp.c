/* sp: the framing itself. */
#include "proto/sp.h"

#include <endian.h>
#include <string.h>

void
sp_greeting(uint8_t out[SP_GREETING_BYTES], uint16_t protocol)
{
	const uint8_t greeting[SP_GREETING_BYTES] = {0, 'S', 'P', 0,
		(uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0};

	memcpy(out, greeting, sizeof(greeting));
}

int
sp_check_greeting(const uint8_t in[SP_GREETING_BYTES], uint16_t protocol,
	struct error *err)
{
	uint16_t theirs = (uint16_t)(in[4] << 8 | in[5]);

	if (in[0] || in[1] != 'S' || in[2] != 'P' || in[3] || in[6] || in[7])
		return error_set(err, "the other side does not speak SP");
	if (theirs != protocol)
		return error_set(err,
			"the other side speaks SP protocol 0x%04x, not 0x%04x",
			theirs, protocol);
	return 0;
}

void
sp_header(uint8_t out[SP_HEADER_BYTES], uint64_t payload_bytes)
{
	uint64_t big = htobe64(payload_bytes);

	out[0] = 1;
	memcpy(out + 1, &big, sizeof(big));
}

int
sp_frame(const uint8_t *bytes, size_t size, size_t limit, size_t *payload_out,
	struct error *err)
{
	uint64_t length;

	*payload_out = 0;
	if (!size)
		return 0;
	if (bytes[0] != 1)
		return error_set(err,
			"a frame begins with 0x%02x instead of 0x01", bytes[0]);
	if (size < SP_HEADER_BYTES)
		return 0;
	memcpy(&length, bytes + 1, sizeof(length));
	length = be64toh(length);
	if (length > limit)
		return error_set(err,
			"a frame of %llu bytes is larger than the limit of %zu",
			(unsigned long long)length, limit);
	*payload_out = (size_t)length;
	return size - SP_HEADER_BYTES >= length;
}
