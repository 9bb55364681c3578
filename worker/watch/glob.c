/* glob: see the header. */
#include "worker/watch/glob.h"

#include <fnmatch.h>
#include <string.h>

#define SEGMENT_MAX 255 /* bytes; NAME_MAX of the kernel */

/* The first segment of `at`, which is moved behind it and its slash. False: it
 * is longer than a name can be. */
static bool
next_segment(const char **at, char out[SEGMENT_MAX + 1])
{
	size_t length = strcspn(*at, "/");

	if (length > SEGMENT_MAX)
		return false;
	memcpy(out, *at, length);
	out[length] = '\0';
	*at += length + ((*at)[length] == '/');
	return true;
}

/* Segment by segment. After a mismatch only the last ** is tried further down,
 * so the time grows with the product of both lengths, not faster. */
static bool
matches_path(const char *pattern, const char *path)
{
	const char *after_stars = NULL, *from = NULL;
	char want[SEGMENT_MAX + 1], have[SEGMENT_MAX + 1];

	while (*path) {
		const char *pattern_next = pattern, *path_next = path;

		if (!next_segment(&pattern_next, want) ||
			!next_segment(&path_next, have))
			return false;
		if (*pattern && !strcmp(want, "**")) {
			after_stars = pattern = pattern_next;
			from = path;
			if (!*pattern)
				return true;
		} else if (*pattern && !fnmatch(want, have, 0)) {
			pattern = pattern_next;
			path = path_next;
		} else if (after_stars) {
			pattern = after_stars;
			from += strcspn(from, "/");
			from += *from == '/';
			path = from;
		} else {
			return false;
		}
	}
	while (!strcmp(pattern, "**") || !strncmp(pattern, "**/", 3))
		pattern += 2 + (pattern[2] == '/');
	return !*pattern;
}

bool
glob_matches(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (strchr(pattern, '/'))
		return matches_path(pattern + (*pattern == '/'), path);
	return !fnmatch(pattern, slash ? slash + 1 : path, 0);
}

static bool
matches_any(const json_t *patterns, const char *path)
{
	for (size_t i = 0; i < json_array_size(patterns); i++) {
		const char *pattern =
			json_string_value(json_array_get(patterns, i));

		if (pattern && glob_matches(pattern, path))
			return true;
	}
	return false;
}

bool
globs_ignore_name(const struct globs *g, const char *name)
{
	for (size_t i = 0; i < json_array_size(g->ignore); i++) {
		const char *pattern =
			json_string_value(json_array_get(g->ignore, i));

		if (pattern && !strchr(pattern, '/') &&
			glob_matches(pattern, name))
			return true;
	}
	return false;
}

bool
globs_ignore(const struct globs *g, const char *path)
{
	return matches_any(g->ignore, path);
}

bool
globs_have(const struct globs *g, const char *path)
{
	return !globs_ignore(g, path) && matches_any(g->include, path);
}
