/* pattern: parses route patterns and reports what is wrong with them. Never
 * allocates. path.c does request paths. */
#include <ctype.h>
#include <string.h>

#include "supervisor/route/path.h"

bool
path_is_reserved(struct bytes first_segment)
{
	static const char *const reserved[] = {
		"api", "ws", "livez", "readyz", "metrics"};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (bytes_equal(first_segment, bytes_of(reserved[i])))
			return true;
	return false;
}

static bool
is_param_name(struct bytes name)
{
	if (!name.length || isdigit((unsigned char)name.at[0]))
		return false;
	for (size_t i = 0; i < name.length; i++)
		if (!isalnum((unsigned char)name.at[i]) && name.at[i] != '_')
			return false;
	return true;
}

static bool
has_param(const struct path_pattern *p, struct bytes name)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->pieces[i].kind == PATH_PARAM &&
			bytes_equal(p->pieces[i].text, name))
			return true;
	return false;
}

/* Parses a segment with braces or a star. */
static int
parse_wildcard(struct path_pattern *p, struct bytes segment, bool last,
	struct error *err)
{
	struct path_piece *piece = &p->pieces[p->count];
	struct bytes name = {segment.at + 1, segment.length - 2};

	if (bytes_equal(segment, BYTES("*"))) {
		if (!last)
			return error_set(err, "* is not the last segment");
		*piece = (struct path_piece){PATH_REST, segment};
	} else {
		if (segment.length < 2 || segment.at[0] != '{' ||
			segment.at[segment.length - 1] != '}')
			return error_set(err,
				"'%.*s' is not a whole {name} or *",
				(int)segment.length, segment.at);
		if (!is_param_name(name))
			return error_set(err,
				"'%.*s' is not a valid parameter name",
				(int)name.length, name.at);
		if (has_param(p, name))
			return error_set(err, "{%.*s} is there twice",
				(int)name.length, name.at);
		*piece = (struct path_piece){PATH_PARAM, name};
	}
	if (++p->param_count > PATH_MAX_PARAMS)
		return error_set(
			err, "it has more than %d parameters", PATH_MAX_PARAMS);
	return 0;
}

static bool
is_wildcard(struct bytes segment)
{
	return memchr(segment.at, '{', segment.length) ||
	       memchr(segment.at, '}', segment.length) ||
	       memchr(segment.at, '*', segment.length);
}

/* Decoded literals are compared with what path_split() accepts, so path_split()
 * decides here, too; its segments are copied to *to. */
static int
parse_literal(struct path_pattern *p, struct bytes with_slash, char **to,
	struct error *err)
{
	struct path split;
	struct bytes text;

	if (path_split(&split, with_slash, err) == -1)
		return -1;
	text = split.segments[split.count - 1];
	if (split.count != 1 || (!text.length && with_slash.length > 1))
		return error_set(err, "it has a dot segment");
	memcpy(*to + 1, text.at, text.length);
	p->pieces[p->count] =
		(struct path_piece){PATH_LITERAL, {*to + 1, text.length}};
	*to += 1 + text.length;
	return 0;
}

static int
parse(struct path_pattern *p, const char *pattern, struct error *err)
{
	const char *at = pattern, *end = pattern + strlen(pattern);
	char *to = p->memory;

	p->count = p->param_count = 0;
	if (*pattern != '/')
		return error_set(err, "it does not begin with a slash");
	if (end - pattern > PATH_PATTERN_BYTES)
		return error_set(err, "must not be longer than %d bytes",
			PATH_PATTERN_BYTES);
	for (; at < end; p->count++) {
		const char *slash = strchr(at + 1, '/');
		const char *stop = slash ? slash : end;
		struct bytes segment = {at + 1, (size_t)(stop - at - 1)};
		struct bytes with_slash = {at, (size_t)(stop - at)};

		if (p->count == PATH_PATTERN_SEGMENTS)
			return error_set(err, "it has more than %d segments",
				PATH_PATTERN_SEGMENTS);
		if (!segment.length && slash)
			return error_set(err, "it has an empty segment");
		*to = '/';
		if (is_wildcard(segment)
				? parse_wildcard(p, segment, !slash, err)
				: parse_literal(p, with_slash, &to, err))
			return -1;
		at = stop;
	}
	p->text = (struct bytes){p->memory, (size_t)(to - p->memory)};
	return 0;
}

int
path_parse_pattern(
	struct path_pattern *out, const char *pattern, struct error *err)
{
	if (parse(out, pattern, err) == -1)
		return error_prefix(err, "path '%s': ", pattern);
	return 0;
}
