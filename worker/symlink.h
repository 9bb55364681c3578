/* symlink: decides what a package's symbolic links become in its copy. A link
 * stays a link if it leads to the same thing there. Otherwise its target is
 * copied in its place, so that the copy and its digest have all that runs. */
#pragma once

#include <limits.h>
#include <sys/stat.h>

#include "proto/util/error.h"
#include "worker/seen.h"
#include "worker/stage.h"

/* A folder that is copied as a whole: the package, or the target of a link. */
struct tree {
	const struct tree *outer; /* the tree that the link is in; NULL: none */
	const char *root;	  /* its real path */
	const char *prefix; /* of its copy in the stage; "": the package */
	int fd;
};

/* The part of an entry's path in the stage that is below its tree; "" for the
 * tree itself. */
const char *tree_rest(const struct tree *t, const char *path);

struct symlink_plan {
	bool stays;
	char text[PATH_MAX];   /* stays: of the link in the copy */
	char target[PATH_MAX]; /* else the real path of what is copied, */
	struct stat stat;      /* a regular file or a folder */
};

/* path is the link's path in the stage, stat the result of lstat. -1: the link
 * cannot be in a package, or could not be read. */
int symlink_plan(const struct stage_order *order, const struct tree *tree,
	const char *path, const struct stat *stat, struct seen *seen,
	struct symlink_plan *plan_out, struct error *err);

const char *symlink_special_name(mode_t mode); /* "a FIFO" */
