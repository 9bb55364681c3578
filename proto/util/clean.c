/* clean: see clean.h. */
#include "proto/util/clean.h"

#include <string.h>

#include "proto/util/utf8.h"

bool
clean_is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static bool
is_kept(uint32_t c, const char *keep)
{
	return !clean_is_harmful(c) || (c && c < 0x80 && strchr(keep, (int)c));
}

size_t
clean_bytes(char *text, size_t length, const char *keep)
{
	char *out = text;
	size_t size;
	uint32_t c;

	for (const char *at = text, *end = text + length; at < end;
		at += size ? size : 1) {
		size = utf8_read((const uint8_t *)at, (size_t)(end - at), &c);
		if (size && is_kept(c, keep)) {
			memmove(out, at, size);
			out += size;
		} else {
			*out++ = '?';
		}
	}
	return (size_t)(out - text);
}

char *
clean_text(char *text, const char *keep)
{
	text[clean_bytes(text, strlen(text), keep)] = '\0';
	return text;
}
