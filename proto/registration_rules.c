/* registration_rules: what names, methods and path patterns may look like. */
#include "proto/registration_rules.h"

#include "proto/util/utf8.h"

#define METHOD_MAX_BYTES 32
#define PATH_MAX_BYTES 1024

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static bool
consists_of(struct bytes text, const char *allowed, size_t max_bytes)
{
	if (!text.length || text.length > max_bytes)
		return false;
	for (size_t i = 0; i < text.length; i++)
		if (!text.at[i] || !strchr(allowed, text.at[i]))
			return false;
	return true;
}

bool
registration_name_is_valid(struct bytes name)
{
	return consists_of(
		name, LETTERS DIGITS "_.:/-", REGISTRATION_NAME_BYTES);
}

bool
registration_method_is_valid(struct bytes method)
{
	return consists_of(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-",
		       METHOD_MAX_BYTES) &&
	       method.at[0] != '-';
}

/* A parameter `{name}` whose name no earlier segment of path has. */
static int
path_check_parameter(struct bytes path, struct bytes segment, struct error *err)
{
	struct bytes name = {segment.at + 1, segment.length - 2};
	const char *same;

	if (segment.length < 3 || segment.at[segment.length - 1] != '}' ||
		!consists_of(
			name, LETTERS DIGITS "_", REGISTRATION_NAME_BYTES) ||
		strchr(DIGITS, name.at[0]))
		return error_set(err, "\"%.*s\" is not a {name}",
			(int)segment.length, segment.at);
	same = memmem(path.at, (size_t)(segment.at - path.at), segment.at,
		segment.length);
	if (same)
		return error_set(err, "two parameters are called %.*s",
			(int)segment.length, segment.at);
	return 0;
}

static int
path_check_segment(struct bytes path, struct bytes segment, struct error *err)
{
	bool last = segment.at + segment.length == path.at + path.length;

	if (!segment.length)
		return last ? 0 : error_set(err, "it contains //");
	if (bytes_equal(segment, BYTES(".")) ||
		bytes_equal(segment, BYTES("..")))
		return error_set(err, "it contains a dot segment");
	if (segment.at[0] == '{')
		return path_check_parameter(path, segment, err);
	if (bytes_equal(segment, BYTES("*")))
		return last ? 0 : error_set(err, "* must be the last segment");
	for (size_t i = 0; i < segment.length; i++) {
		unsigned char byte = (unsigned char)segment.at[i];

		if (byte <= ' ' || byte == 0x7f || strchr("?#%\\{}*", byte))
			return error_set(err,
				"byte 0x%02x has no place in a segment", byte);
	}
	return 0;
}

int
registration_check_path(struct bytes path, struct error *err)
{
	const char *at = path.at, *end = path.at + path.length, *slash;

	if (!path.length || *at != '/')
		return error_set(err, "it does not begin with /");
	if (path.length > PATH_MAX_BYTES)
		return error_set(err, "it is longer than %d", PATH_MAX_BYTES);
	if (!utf8_is_valid(path.at, path.length))
		return error_set(err, "it is not UTF-8");
	for (; at < end; at = slash) {
		at++;
		slash = memchr(at, '/', (size_t)(end - at));
		slash = slash ? slash : end;
		if (path_check_segment(path,
			    (struct bytes){at, (size_t)(slash - at)}, err) < 0)
			return -1;
	}
	return 0;
}
