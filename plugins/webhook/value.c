#include "value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int
value_fail(char why[256], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, 256, format, arguments);
	va_end(arguments);
	return -1;
}

/* Without NUL, controls and blanks around: it may become a header. */
static bool
is_plain(const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || !*text || strlen(text) != json_string_length(value))
		return false;
	for (const char *at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			return false;
	return true;
}

int
value_text(const json_t *map, const char *key, char **text_out, char why[256])
{
	const json_t *value = json_object_get(map, key);

	if (!value)
		return 0;
	if (!is_plain(value))
		return value_fail(why, "%s must be a string", key);
	*text_out = strdup(json_string_value(value));
	return 0;
}

int
value_list(const json_t *map, const char *key, char **items, size_t max,
	size_t *count_out, char why[256])
{
	const json_t *list = json_object_get(map, key);

	if (list && !json_is_array(list))
		return value_fail(why, "%s must be a list", key);
	if (json_array_size(list) > max)
		return value_fail(
			why, "%s has more than %zu entries", key, max);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *value = json_array_get(list, i);

		if (!is_plain(value))
			return value_fail(
				why, "%s must be a list of strings", key);
		items[(*count_out)++] = strdup(json_string_value(value));
	}
	return 0;
}

int
value_check_keys(const json_t *map, const char *const *known, char why[256])
{
	const char *key;
	json_t *value, *all = (json_t *)(uintptr_t)map;

	if (!json_is_object(map))
		return value_fail(why, "must be a map");
	json_object_foreach(all, key, value)
	{
		size_t k = 0;

		while (known[k] && strcmp(known[k], key) != 0)
			k++;
		if (!known[k])
			return value_fail(why, "unknown setting %.100s", key);
	}
	return 0;
}
