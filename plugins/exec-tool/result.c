#include "result.h"

#include <jansson.h>
#include <string.h>

#define BLANKS " \t\r\n"

static bool
is_number(const char *text, size_t size)
{
	while (size && strchr(BLANKS, text[size - 1]))
		size--;
	return size && strspn(text, "+-.0123456789eE") >= size;
}

bool
result_is_defective(const char *text, size_t size)
{
	size_t blanks = strspn(text, BLANKS);
	json_error_t why;
	json_t *value = json_loadb(text, size,
		JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
		&why);

	if (value) {
		json_decref(value);
		return false;
	}
	text += blanks;
	size -= blanks;
	if (*text != '{' && *text != '[' && !is_number(text, size))
		return false;
	switch (json_error_code(&why)) {
	case json_error_numeric_overflow:
	case json_error_duplicate_key:
	case json_error_null_byte_in_key:
	case json_error_stack_overflow:
		return true;
	default:
		return false;
	}
}
