/* walk_item: what a walk does with one entry; only walk.c includes it. */
#pragma once

#include "worker/walk.h"

/* An entry vanished or changed its type: the walk is void. */
int walk_tear(struct walk *w, const char *path);
/* type is f, x (executable), d or l. */
void walk_hash_head(struct walk *w, char type, const char *path);
/* source is where it is read, relative to a folder as in openat(2), path where
 * its copy is; they differ for the target of a link. */
int walk_file(struct walk *w, int folder, const char *source, const char *path,
	const struct stat *stat);
int walk_put_link(struct walk *w, const char *path, const char *text,
	const struct stat *stat);
/* Keeps the times, so that an unchanged file looks unchanged over any number of
 * stagings. The access time is the copy's own. */
int walk_keep_time(struct walk *w, const char *path, const struct stat *stat);
