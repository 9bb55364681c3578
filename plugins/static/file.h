/* file: a file beneath a folder, opened so that no name leads out of it, and
 * what it was when it was opened. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "condition.h"

enum file_result {
	FILE_IS_OPEN,
	FILE_IS_FOLDER,
	FILE_IS_MISSING,   /* or hidden, or neither file nor folder */
	FILE_IS_DENIED,	   /* the worker may not read it */
	FILE_NO_ROOT,	   /* the folder itself is not there */
	FILE_NO_RESOURCES, /* too many are open: errno says more */
};

struct file {
	int fd;
	struct stat stat;
	struct facts facts;
};

/* name is relative to root and may have any bytes but NUL. "" is the root.
 * What begins with a dot is missing unless hidden is true. Symbolic links are
 * followed as long as they stay beneath the root. */
enum file_result file_open(
	struct file *f, const char *root, const char *name, bool hidden);
/* True if it is no longer what it was when it was opened. */
bool file_has_changed(const struct file *f);
/* -1 if the kernel cannot open beneath a folder (openat2, Linux 5.6). */
int file_check_kernel(void);
