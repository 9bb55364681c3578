/* trace: reads and writes `traceparent`: "00-TRACE-PARENT-FLAGS", all of it hex
 * digits in lower case. */
#include "proto/trace.h"

#define VERSION_INVALID 0xff
#define FLAG_SAMPLED 0x01

/* Reads that many digits; false: one of them is not a digit. */
static bool
read_hex(const char *at, unsigned digits, uint64_t *out)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < digits; i++) {
		unsigned char c = (unsigned char)at[i];

		if (c >= '0' && c <= '9')
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*out = n;
	return true;
}

static void
write_hex(uint64_t n, unsigned digits, char *at)
{
	static const char hex[] = "0123456789abcdef";

	for (unsigned i = digits; i > 0; i--, n >>= 4)
		at[i - 1] = hex[n & 15];
}

bool
traceparent_read(struct bytes value, struct trace_context *out)
{
	const char *at = value.at;
	struct trace_context c = {0};
	uint64_t version, flags;

	*out = c;
	if (value.length < TRACEPARENT_BYTES || at[2] != '-' || at[35] != '-' ||
		at[52] != '-')
		return false;
	if (!read_hex(at, 2, &version) || !read_hex(at + 3, 16, &c.high) ||
		!read_hex(at + 19, 16, &c.low) ||
		!read_hex(at + 36, 16, &c.span) ||
		!read_hex(at + 53, 2, &flags))
		return false;
	if (version == VERSION_INVALID || !(c.high | c.low) || !c.span)
		return false;
	if (value.length > TRACEPARENT_BYTES &&
		(!version || at[TRACEPARENT_BYTES] != '-'))
		return false;
	c.sampling = flags & FLAG_SAMPLED ? TRACE_SAMPLED : TRACE_UNSAMPLED;
	*out = c;
	return true;
}

void
traceparent_write(
	const struct trace_context *c, char out[TRACEPARENT_BYTES + 1])
{
	out[0] = out[1] = '0';
	out[2] = out[35] = out[52] = '-';
	write_hex(c->high, 16, out + 3);
	write_hex(c->low, 16, out + 19);
	write_hex(c->span, 16, out + 36);
	out[53] = '0';
	out[54] = c->sampling == TRACE_SAMPLED ? '1' : '0';
	out[TRACEPARENT_BYTES] = '\0';
}
