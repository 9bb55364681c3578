/* utf8: the well-formed byte sequences of Unicode, table 3-7. */
#include "proto/util/utf8.h"

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

bool
utf8_is_valid(const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	size_t length;

	for (; size; at += length, size -= length)
		if (!(length = utf8_length(at, size)))
			return false;
	return true;
}
