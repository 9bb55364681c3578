/* node_json: converts the one construct of JSON that is not YAML: surrogate
 * pairs (\ud83d\ude00), as written by encoders of ASCII JSON. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/buffer.h"
#include "proto/util/memory.h"
#include "supervisor/config/node.h"

/* The number in four hex digits, or -1. */
static long
hex4(const char *text)
{
	char digits[5];
	memcpy(digits, text, 4);
	digits[4] = '\0';
	return strspn(digits, "0123456789abcdefABCDEF") == 4
		       ? strtol(digits, NULL, 16)
		       : -1;
}

/* "\uD83D\uDE00" as its character, or 0. */
static long
pair_at(const char *text, size_t length)
{
	if (length < 12 || memcmp(text, "\\u", 2) || memcmp(text + 6, "\\u", 2))
		return 0;
	long high = hex4(text + 2), low = hex4(text + 8);
	if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff)
		return 0;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static bool
is_json(const char *text, size_t length)
{
	size_t blank = 0;
	while (blank < length && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	if (blank == length || text[blank] != '{' ||
		!memmem(text, length, "\\u", 2))
		return false;
	json_t *json = json_loadb(text, length, JSON_ALLOW_NUL, NULL);
	json_decref(json);
	return json;
}

/* In JSON a backslash stands only within double quotes, where YAML's \U means
 * what two of JSON's \u mean. */
char *
node_json_as_yaml(const char *text, size_t length, size_t *length_out)
{
	struct buffer yaml = {0};
	if (!is_json(text, length))
		return NULL;
	for (size_t i = 0; i < length;) {
		long character = pair_at(text + i, length - i);
		bool is_escape = text[i] == '\\' && i + 1 < length;
		if (character)
			buffer_format(
				&yaml, "\\U%08lx", (unsigned long)character);
		else
			buffer_append(&yaml, text + i, is_escape ? 2 : 1);
		i += character ? 12 : is_escape ? 2 : 1;
	}
	*length_out = buffer_length(&yaml);
	char *copy = memory_copy_bytes(buffer_bytes(&yaml), *length_out);
	buffer_finish(&yaml);
	return copy;
}
