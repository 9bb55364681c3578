#include "tests/unit/frames.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 100

static unsigned
hex(const char *at)
{
	char digits[3] = {at[0], at[1], '\0'};

	return (unsigned)strtoul(digits, NULL, 16);
}

/* ---- writing ---- */

static void
write_frame(struct buffer *out, uint8_t first, bool masked, uint64_t announced,
	const uint8_t *payload, size_t size)
{
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t bit = masked ? 0x80 : 0;
	int digits = announced < 126 ? 0 : announced < 65536 ? 2 : 8;

	buffer_append_byte(out, first);
	buffer_append_byte(out, digits == 8 ? bit | 127
				: digits    ? bit | 126
					    : (uint8_t)(bit | announced));
	while (digits--)
		buffer_append_byte(out, (uint8_t)(announced >> (8 * digits)));
	if (masked)
		buffer_append(out, mask, 4);
	for (size_t i = 0; i < size; i++)
		buffer_append_byte(
			out, masked ? payload[i] ^ mask[i % 4] : payload[i]);
}

static const char *
read_payload(struct buffer *payload, const char *at)
{
	if (*at == '*') {
		char *end;
		unsigned long count = strtoul(at + 1, &end, 10);

		while (count--)
			buffer_append_byte(payload, 'a');
		return end;
	}
	for (at++; *at && *at != ' '; at++) {
		if (*at != '%') {
			buffer_append_byte(payload, (uint8_t)*at);
			continue;
		}
		buffer_append_byte(payload, (uint8_t)hex(at + 1));
		at += 2;
	}
	return at;
}

static const char *
write_word(struct buffer *out, const char *at)
{
	struct buffer payload = {0};
	uint64_t announced = 0;
	bool masked = true, announces = false;
	uint8_t first;

	if (*at == '=') {
		for (at++; isxdigit((unsigned char)*at); at += 2)
			buffer_append_byte(out, (uint8_t)hex(at));
		return at;
	}
	first = (uint8_t)hex(at);
	at += 2;
	if (*at == 'u') {
		masked = false;
		at++;
	}
	if (*at == '+') {
		announces = true;
		announced = strtoull(at + 1, (char **)(uintptr_t)&at, 10);
	}
	at = read_payload(&payload, at);
	write_frame(out, first, masked,
		announces ? announced : buffer_length(&payload),
		buffer_bytes(&payload), buffer_length(&payload));
	buffer_finish(&payload);
	return at;
}

void
frames_write(struct buffer *out, const char *notation)
{
	const char *at = notation;

	while (*at)
		at = *at == ' ' ? at + 1 : write_word(out, at);
}

/* ---- describing ---- */

static void
describe_payload(struct buffer *text, const uint8_t *at, size_t size)
{
	if (size > SHOWN_MAX) {
		buffer_format(text, "[%zu]", size);
		return;
	}
	buffer_append_byte(text, '(');
	buffer_append(text, at, size);
	buffer_append_byte(text, ')');
}

static void
describe_frame(
	struct buffer *text, uint8_t first, const uint8_t *at, size_t size)
{
	static const char *const names[16] = {[0] = "C",
		[1] = "T",
		[2] = "B",
		[8] = "close",
		[9] = "ping",
		[10] = "pong"};
	const char *name = names[first & 15];

	if (buffer_length(text))
		buffer_append_byte(text, ' ');
	buffer_format(text, "%s%s", name ? name : "?", first & 0x80 ? "" : "+");
	if (first & 0x70)
		buffer_append_text(text, "!rsv");
	if ((first & 15) == 8 && size >= 2) {
		buffer_format(text, "(%u%s%.*s)", at[0] << 8 | at[1],
			size > 2 ? " " : "", (int)size - 2,
			(const char *)at + 2);
		return;
	}
	describe_payload(text, at, size);
}

void
frames_describe(struct buffer *text, struct buffer *in)
{
	for (;;) {
		const uint8_t *at = buffer_bytes(in);
		size_t there = buffer_length(in), head = 2;
		uint64_t size;

		if (there < 2)
			return;
		size = at[1] & 127;
		head += size == 126 ? 2 : size == 127 ? 8 : 0;
		if (there < head)
			return;
		if (head > 2)
			size = 0;
		for (size_t i = 2; i < head; i++)
			size = size << 8 | at[i];
		if (there - head < size)
			return;
		describe_frame(text, at[0], at + head, size);
		buffer_consume(in, head + size);
	}
}
