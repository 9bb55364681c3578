/* seen: what a walk over a package has read, so that a change during the walk
 * is noticed at its end. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "proto/util/map.h"
#include "worker/fingerprint.h"

struct seen_entry;

struct seen {
	struct seen_entry *last;
	struct map links;		/* path to its entry */
	struct fingerprint fingerprint; /* of all of them, in their order */
};

void seen_init(struct seen *s);
void seen_finish(struct seen *s);
/* path is as *at() functions take it: absolute, or relative to the folder that
 * seen_find_changed() is given. */
void seen_add(struct seen *s, const char *path, const struct stat *stat);
/* The target of a symbolic link. Each link is read once, so that everything
 * found through it during a walk comes from the same folder, even if the link
 * is replaced meanwhile. stat is the result of lstat. NULL: errno. */
const char *seen_read_link(
	struct seen *s, const char *absolute_path, const struct stat *stat);
/* One that was removed or changed; NULL if there is none. */
const char *seen_find_changed(const struct seen *s, int folder);
bool seen_is_same(const struct stat *a, const struct stat *b);
