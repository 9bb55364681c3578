/* glob: which files of a watched folder count, by patterns. A pattern without
 * a slash is for one segment of a path, at any depth; one with a slash is for
 * the whole path below the folder, segment by segment, where ** stands for any
 * number of segments. See fnmatch(3); a leading dot is like any other byte. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

struct globs {
	const json_t *include, *ignore; /* arrays of strings, borrowed */
};

/* path is relative, without a leading slash. Folders are asked for one after
 * the other, from the top: what is in an ignored one is not asked for. */
bool globs_ignore(const struct globs *g, const char *path);
/* Whether an entry of that name is ignored in whatever folder it is. */
bool globs_ignore_name(const struct globs *g, const char *name);
/* Of a file whose folders are not ignored. */
bool globs_have(const struct globs *g, const char *path);
/* One pattern, for one path. */
bool glob_matches(const char *pattern, const char *path);
