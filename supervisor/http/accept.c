/* accept: see accept.h. One pass over the value. */
#include "supervisor/http/accept.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t"

/* Cuts the part before `separator` off the front and trims its blanks. */
static struct bytes
cut(struct bytes *rest, char separator)
{
	const char *end =
		rest->length ? memchr(rest->at, separator, rest->length) : NULL;
	size_t length = end ? (size_t)(end - rest->at) : rest->length;
	struct bytes item = {rest->at, length};

	rest->at += length + (end ? 1 : 0);
	rest->length -= length + (end ? 1 : 0);
	while (item.length && strchr(BLANKS, item.at[0])) {
		item.at++;
		item.length--;
	}
	while (item.length && strchr(BLANKS, item.at[item.length - 1]))
		item.length--;
	return item;
}

static bool
equals(struct bytes a, struct bytes b)
{
	return a.length == b.length && !strncasecmp(a.at, b.at, a.length);
}

/* "q=0", "q=0.0" */
static bool
is_zero_quality(struct bytes parameter)
{
	struct bytes name = cut(&parameter, '=');
	struct bytes digits = cut(&parameter, '=');

	if (!equals(name, BYTES("q")) || !digits.length)
		return false;
	for (size_t i = 0; i < digits.length; i++)
		if (digits.at[i] != '0' && digits.at[i] != '.')
			return false;
	return true;
}

bool
accept_has_json(struct bytes value)
{
	while (value.length) {
		struct bytes range = cut(&value, ',');
		bool refused = false;

		if (!equals(cut(&range, ';'), BYTES("application/json")))
			continue;
		while (range.length)
			refused |= is_zero_quality(cut(&range, ';'));
		return !refused;
	}
	return false;
}
