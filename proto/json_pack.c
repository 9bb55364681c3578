/* json_pack: walks over the text with a stack of open containers. The number of
 * elements is known at a container's end: its head reserves four bytes. */
#include "proto/json_pack.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/util/text.h"

#define NUMBER_BYTES 64
#define HEAD_BYTES 5
#define HEAD_ARRAY 0xdd
#define HEAD_MAP 0xdf
#define HEAD_STRING 0xdb

static void
put_count(struct buffer *out, size_t head, uint32_t count)
{
	uint32_t big = htobe32(count);

	memcpy(buffer_bytes(out) + head + 1, &big, sizeof(big));
}

static size_t
put_head(struct buffer *out, uint8_t kind)
{
	uint8_t head[HEAD_BYTES] = {kind};
	size_t at = buffer_length(out);

	buffer_append(out, head, sizeof(head));
	return at;
}

/* ---- strings ---- */

/* The four digits after "\u"; -1: there are none. */
static int32_t
read_unit(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = text_hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static void
put_character(struct buffer *out, uint32_t c)
{
	if (c < 0x80) {
		buffer_append_byte(out, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buffer_append_byte(out, (uint8_t)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buffer_append_byte(out, (uint8_t)(0xe0 | c >> 12));
		} else {
			buffer_append_byte(out, (uint8_t)(0xf0 | c >> 18));
			buffer_append_byte(
				out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		}
		buffer_append_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	}
	buffer_append_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* "\u00e9", or two of them for a character beyond 16 bits. Returns the length,
 * 0: malformed. */
static size_t
put_unicode(struct buffer *out, const char *at, const char *end)
{
	int32_t unit = read_unit(at, end), low;

	if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000))
		return 0;
	if (unit < 0xd800 || unit >= 0xe000) {
		put_character(out, (uint32_t)unit);
		return 6;
	}
	low = read_unit(at + 6, end);
	if (low < 0xdc00 || low >= 0xe000)
		return 0;
	put_character(out, 0x10000 + ((uint32_t)(unit - 0xd800) << 10) +
				   (uint32_t)(low - 0xdc00));
	return 12;
}

/* Returns the length of the escape at the backslash, 0: malformed. */
static size_t
put_escape(struct buffer *out, const char *at, const char *end)
{
	static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t";

	if (at[1] == 'u')
		return put_unicode(out, at, end);
	for (size_t i = 0; i + 1 < sizeof(letters); i += 2)
		if (letters[i] == at[1]) {
			buffer_append_byte(out, (uint8_t)letters[i + 1]);
			return 2;
		}
	return 0;
}

static int
put_escaped(struct buffer *out, const char *at, const char *end)
{
	size_t head = put_head(out, HEAD_STRING), length;

	while (at < end) {
		const char *escape = memchr(at, '\\', (size_t)(end - at));
		const char *plain_end = escape ? escape : end;

		buffer_append(out, at, (size_t)(plain_end - at));
		at = plain_end;
		length = escape ? put_escape(out, at, end) : 0;
		if (escape && !length)
			return -1;
		at += length;
	}
	put_count(
		out, head, (uint32_t)(buffer_length(out) - head - HEAD_BYTES));
	return 0;
}

/* The quote that ends the string; NULL: there is none. */
static const char *
find_end(const char *at, const char *end, bool *is_plain_out)
{
	*is_plain_out = true;
	for (; at < end && *at != '"'; at++)
		if (*at == '\\') {
			*is_plain_out = false;
			at++;
		}
	return at < end ? at : NULL;
}

static int
pack_string(struct json_pack *p, struct bytes text, struct buffer *out)
{
	const char *at = text.at + p->at + 1, *end;
	msgpack_packer packer;
	bool is_plain;

	end = find_end(at, text.at + text.length, &is_plain);
	if (!end)
		return -1;
	p->at = (size_t)(end + 1 - text.at);
	if (!is_plain)
		return put_escaped(out, at, end);
	codec_packer(&packer, out);
	codec_str(&packer, (struct bytes){at, (size_t)(end - at)});
	return 0;
}

/* ---- numbers and words ---- */

static int
pack_number(msgpack_packer *packer, const char *number, size_t length)
{
	char copy[NUMBER_BYTES], *end;
	double real;

	if (length >= sizeof(copy))
		return -1;
	memcpy(copy, number, length);
	copy[length] = 0;
	if (!strpbrk(copy, ".eE")) {
		msgpack_pack_int64(packer, strtoll(copy, &end, 10));
		return *end ? -1 : 0;
	}
	real = strtod(copy, &end);
	if (*end || !isfinite(real))
		return -1;
	msgpack_pack_double(packer, real);
	return 0;
}

static int
pack_plain(struct json_pack *p, struct bytes text, struct buffer *out)
{
	const char *at = text.at + p->at;
	size_t left = text.length - p->at, length = 0;
	struct bytes word = {at, 0};
	msgpack_packer packer;

	while (length < left && !strchr(",:]} \t\r\n", at[length]))
		length++;
	word.length = length;
	p->at += length;
	codec_packer(&packer, out);
	if (bytes_equal(word, BYTES("null")))
		msgpack_pack_nil(&packer);
	else if (bytes_equal(word, BYTES("true")))
		msgpack_pack_true(&packer);
	else if (bytes_equal(word, BYTES("false")))
		msgpack_pack_false(&packer);
	else if (length && (*at == '-' || (*at >= '0' && *at <= '9')))
		return pack_number(&packer, at, length);
	else
		return -1;
	return 0;
}

/* ---- containers ---- */

static int
begin(struct json_pack *p, bool is_map, struct buffer *out)
{
	if (p->depth == WIRE_DEPTH_MAX)
		return -1;
	p->open[p->depth].head = put_head(out, is_map ? HEAD_MAP : HEAD_ARRAY);
	p->open[p->depth].count = 0;
	p->open[p->depth++].is_map = is_map;
	p->at++;
	return 0;
}

static int
end(struct json_pack *p, bool is_map, struct buffer *out)
{
	uint32_t count;

	if (!p->depth || p->open[p->depth - 1].is_map != is_map)
		return -1;
	count = p->open[--p->depth].count;
	if (is_map && count % 2)
		return -1;
	put_count(out, p->open[p->depth].head, is_map ? count / 2 : count);
	p->at++;
	return 0;
}

static int
pack_value(struct json_pack *p, struct bytes text, struct buffer *out)
{
	char c = text.at[p->at];

	if (p->depth) {
		bool is_key = p->open[p->depth - 1].is_map &&
			      p->open[p->depth - 1].count % 2 == 0;

		if (is_key && c != '"')
			return -1;
		p->open[p->depth - 1].count++;
	}
	if (c == '"')
		return pack_string(p, text, out);
	if (c == '{' || c == '[')
		return begin(p, c == '{', out);
	return pack_plain(p, text, out);
}

/* Skips separators: supd wrote the text, so they are correct. */
static bool
skip(struct json_pack *p, struct bytes text)
{
	while (p->at < text.length &&
		strchr(",: \t\r\n", text.at[p->at] ? text.at[p->at] : 'x'))
		p->at++;
	return p->at < text.length;
}

int
json_pack_step(
	struct json_pack *p, struct bytes text, size_t most, struct buffer *out)
{
	size_t until = most < text.length - p->at ? p->at + most : text.length;

	do {
		char c;
		int result;

		if (!skip(p, text))
			return -1;
		c = text.at[p->at];
		result = c == ']' || c == '}' ? end(p, c == '}', out)
					      : pack_value(p, text, out);
		if (result < 0)
			return -1;
		if (!p->depth)
			return 1;
	} while (p->at < until);
	return 0;
}
