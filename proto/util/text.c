/* text: formats as printf does, then looks at the result. */
#include "proto/util/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "proto/util/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define CHARACTER_BYTES_MAX 4

size_t
text_fit(const char *at, size_t length, size_t max)
{
	size_t end = max;

	if (length <= max)
		return length;
	while (end && max - end < CHARACTER_BYTES_MAX &&
		((unsigned char)at[end] & 0xc0) == 0x80)
		end--;
	return ((unsigned char)at[end] & 0xc0) == 0x80 ? max : end;
}

void
text_shorten(char *text, size_t max)
{
	static const char ellipsis[] = "\xe2\x80\xa6";
	size_t length = strlen(text), head, tail;

	if (length <= max)
		return;
	head = text_fit(text, length, (max - strlen(ellipsis)) / 2);
	tail = length - (max - strlen(ellipsis) - head);
	while (((unsigned char)text[tail] & 0xc0) == 0x80)
		tail++;
	memcpy(text + head, ellipsis, strlen(ellipsis));
	memmove(text + head + strlen(ellipsis), text + tail, length - tail + 1);
}

char *
text_valid_copy(struct bytes bytes)
{
	const uint8_t *at = (const uint8_t *)bytes.at;
	size_t left = bytes.length, length;
	struct buffer b = {0};

	if (utf8_is_valid(at, left) && (!left || !memchr(at, 0, left)))
		return memory_copy_bytes(bytes.at, bytes.length);
	for (; left; at += length, left -= length) {
		length = *at ? utf8_length(at, left) : 0;
		if (length)
			buffer_append(&b, at, length);
		else
			buffer_append_text(&b, REPLACEMENT);
		length = length ? length : 1;
	}
	buffer_append(&b, "", 1);
	return (char *)b.memory; /* nothing was consumed: it begins there */
}

/* Cuts a character that is not whole off the end. */
static size_t
trim(const char *text, size_t length)
{
	size_t begin = length;

	while (begin && length - begin < CHARACTER_BYTES_MAX) {
		unsigned char byte = (unsigned char)text[--begin];

		if ((byte & 0xc0) == 0x80)
			continue;
		return byte < 0xc0 || utf8_length((const uint8_t *)text + begin,
					      length - begin)
			       ? length
			       : begin;
	}
	return length;
}

size_t
text_vformat(char *out, size_t size, const char *format, va_list list)
{
	int wanted = vsnprintf(out, size, format, list);
	size_t length = wanted < 0 ? 0 : (size_t)wanted;
	char *valid;

	if (length >= size)
		length = trim(out, size - 1);
	out[length] = '\0';
	if (utf8_is_valid(out, length))
		return length;
	valid = text_valid_copy((struct bytes){out, length});
	length = text_fit(valid, strlen(valid), size - 1);
	memcpy(out, valid, length);
	out[length] = '\0';
	free(valid);
	return length;
}

size_t
text_format(char *out, size_t size, const char *format, ...)
{
	va_list list;
	size_t length;

	va_start(list, format);
	length = text_vformat(out, size, format, list);
	va_end(list);
	return length;
}

bool
text_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

int
text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
