/* own_file: the files and folders of supd in its state and runtime directories.
 * Opening one never blocks, whatever is at its path (a FIFO, a folder, a
 * device, a huge file); unusable ones are renamed, never deleted. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "proto/util/error.h"

/* Opens a regular file and nothing else; flags as for open(2). -1 with err;
 * errno is ENOENT if it does not exist. */
int own_file_open(const char *path, int flags, mode_t mode, struct error *err);
/* Replaces the file atomically: a reader sees the old content or the new.
 * Anything else at the path is moved aside. */
int own_file_replace(
	const char *path, const char *bytes, size_t length, struct error *err);

/* Makes a folder. Anything else at the path, also a link to a folder, is moved
 * aside first, with an error in the log. */
int own_folder_make(const char *path, mode_t mode, struct error *err);
/* The same for a folder in which nothing is ever removed, so it may be a link.
 */
int own_folder_make_or_link(const char *path, mode_t mode, struct error *err);
/* Makes nothing, but moves aside anything that is not a folder, as above. -1:
 * that failed. */
int own_folder_check(const char *path, struct error *err);

/* Renames the path to the first free name of PATH.bad-1 … PATH.bad-9. If none
 * is free, a file replaces the last one, and folders get higher numbers.
 * name_out may be NULL; the caller owns it. -1: not renamed. */
int own_file_put_aside(const char *path, char **name_out, struct error *err);
/* The same for a part of the file, which is written there. */
int own_file_save_aside(const char *path, const char *bytes, size_t length,
	char **name_out, struct error *err);
