/* snapshot: the files below some paths at one moment, by the results of stat,
 * and the difference between two snapshots. Opens no file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "worker/watch/glob.h"

/* Files beyond these limits are left out. */
#define SNAPSHOT_ENTRIES_MAX 250000
#define SNAPSHOT_DEPTH_MAX 64

struct snapshot_entry {
	size_t path;   /* where it begins in `paths` */
	uint64_t look; /* type, inode, size and times */
};

struct snapshot {
	struct buffer paths;		/* with a NUL behind each */
	struct snapshot_entry *entries; /* in the order of strcmp() */
	size_t count, capacity;
	bool is_missing; /* the first root does not exist */
	bool is_cut;	 /* there are more than SNAPSHOT_ENTRIES_MAX */
	bool is_deep;	 /* there are more than SNAPSHOT_DEPTH_MAX folders */
};

/* Called for each folder, before it is read, and for each symbolic link; path
 * is absolute. */
struct snapshot_visitor {
	void (*on_folder)(void *user, const char *path);
	void (*on_link)(void *user, const char *path);
	void *user;
};

/* roots: an array of absolute paths, of files or folders. Paths below the
 * first are relative to it, others are absolute. */
void snapshot_take(struct snapshot *s, const json_t *roots,
	const struct globs *globs, const struct snapshot_visitor *visitor);
void snapshot_finish(struct snapshot *s);
/* One number for all of it: equal snapshots have the same. */
uint64_t snapshot_sum(const struct snapshot *s);
/* How many entries differ; *path_out is one of them, a file if there is one
 * (valid as long as both snapshots are), or NULL. */
size_t snapshot_compare(const struct snapshot *before,
	const struct snapshot *now, const char **path_out);
/* Calls for each that differs; is_new: it is not in `before`. */
void snapshot_each_difference(const struct snapshot *before,
	const struct snapshot *now,
	void (*on_difference)(void *user, const char *path, bool is_new),
	void *user);
