/* utf8: the well-formed byte sequences of Unicode, table 3-7. */
#include "proto/util/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u

static bool
utf8_follows(const uint8_t *at, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((at[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t
utf8_length(const uint8_t *at, size_t left)
{
	if (!left)
		return 0;
	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		return left >= 2 && utf8_follows(at + 1, 1) ? 2 : 0;
	if ((at[0] & 0xf0) == 0xe0) {
		if (left < 3 || !utf8_follows(at + 1, 2) ||
			(at[0] == 0xe0 && at[1] < 0xa0) ||
			(at[0] == 0xed && at[1] > 0x9f))
			return 0;
		return 3;
	}
	if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		if (left < 4 || !utf8_follows(at + 1, 3) ||
			(at[0] == 0xf0 && at[1] < 0x90) ||
			(at[0] == 0xf4 && at[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

size_t
utf8_read(const uint8_t *at, size_t left, uint32_t *character_out)
{
	static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t length = utf8_length(at, left);

	*character_out = length ? at[0] & first_bits[length] : 0;
	for (size_t i = 1; i < length; i++)
		*character_out = *character_out << 6 | (at[i] & 0x3fu);
	return length;
}

/* How many bytes at the front are ASCII, in whole words: most text is, and a
 * megabyte of it must not cost a loop turn. */
static size_t
ascii_words(const uint8_t *at, size_t size)
{
	size_t length = 0;
	uint64_t word;

	for (; size - length >= sizeof(word); length += sizeof(word)) {
		memcpy(&word, at + length, sizeof(word));
		if (word & HIGH_BITS)
			break;
	}
	return length;
}

bool
utf8_is_valid(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	size_t length;

	for (; size; at += length, size -= length) {
		length = *at < 0x80 ? ascii_words(at, size) : 0;
		if (!length && !(length = utf8_length(at, size)))
			return false;
	}
	return true;
}

/* Notes what must follow the first byte of a character. */
static bool
begin_character(struct utf8_pieces *p, uint8_t first)
{
	p->low = 0x80;
	p->high = 0xbf;
	if (first < 0x80)
		p->left = 0;
	else if (first >= 0xc2 && first <= 0xdf)
		p->left = 1;
	else if ((first & 0xf0) == 0xe0)
		p->left = 2;
	else if (first >= 0xf0 && first <= 0xf4)
		p->left = 3;
	else
		return false;
	if (first == 0xe0)
		p->low = 0xa0;
	else if (first == 0xed)
		p->high = 0x9f;
	else if (first == 0xf0)
		p->low = 0x90;
	else if (first == 0xf4)
		p->high = 0x8f;
	return true;
}

bool
utf8_take_piece(struct utf8_pieces *p, const void *bytes, size_t size)
{
	const uint8_t *at = bytes, *end = at + size;

	while (at < end) {
		if (!p->left) {
			at += ascii_words(at, (size_t)(end - at));
			if (at < end && !begin_character(p, *at++))
				return false;
			continue;
		}
		if (*at < p->low || *at > p->high)
			return false;
		p->low = 0x80;
		p->high = 0xbf;
		p->left--;
		at++;
	}
	return true;
}

bool
utf8_is_control(const uint8_t *at, size_t length)
{
	if (length == 1)
		return at[0] < 0x20 || at[0] == 0x7f;
	return length == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

bool
utf8_is_clean(const void *bytes, size_t size, bool lines)
{
	const uint8_t *at = bytes;
	size_t length;

	for (; size; at += length, size -= length) {
		length = *at < 0x80 ? 1 : utf8_length(at, size);
		if (!length)
			return false;
		if (utf8_is_control(at, length) &&
			!(lines && (*at == '\t' || *at == '\n')))
			return false;
	}
	return true;
}
