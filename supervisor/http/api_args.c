/* api_args: a query as text arguments, and a body's beside those of the path.
 * Which arguments there are is the command table's business. */
#include "supervisor/http/api_args.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"

/* -1: it has been said already, or its name is no text. */
static int
add_argument(json_t *args, struct bytes name, json_t *value)
{
	char *key = memory_copy_bytes(name.at, name.length);
	int result = json_object_get(args, key)
			     ? -1
			     : json_object_set(args, key, value);

	free(key);
	json_decref(value);
	return result;
}

/* NULL: the percent coding is malformed, or gives no text. */
static json_t *
decode(struct bytes coded)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	char *text = memory_copy_bytes(coded.at, coded.length);
	size_t length = 0;
	json_t *value = NULL;

	for (const char *at = text; *at; at++) {
		const char *high, *low;

		text[length] = (char)(*at == '+' ? ' ' : *at);
		if (*at == '%') {
			if (!at[1] || !at[2] ||
				!(high = strchr(digits, at[1])) ||
				!(low = strchr(digits, at[2])))
				goto end;
			text[length] = (char)((high - digits) % 16 * 16 +
					      (low - digits) % 16);
			at += 2;
		}
		length++;
	}
	value = json_stringn(text, length);
end:
	free(text);
	return value;
}

/* "kind=tool&plugin=hello"; the command table knows which there are. */
int
api_args_read_query(json_t *args, struct bytes query)
{
	const char *at = query.at, *end = query.at + query.length;

	while (at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at));
		const char *next = stop ? stop : end;
		const char *equals = memchr(at, '=', (size_t)(next - at));
		json_t *value;

		if (!equals || equals == at)
			return -1;
		value = decode((struct bytes){
			equals + 1, (size_t)(next - equals - 1)});
		if (!value || add_argument(args,
				      (struct bytes){at, (size_t)(equals - at)},
				      value))
			return -1;
		at = next + 1;
	}
	return 0;
}

int
api_args_add(json_t *args, const json_t *more)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)more, key, value)
	{
		if (add_argument(args, bytes_of(key), json_incref(value)))
			return -1;
	}
	return 0;
}
