/* files: whole files and folders, as tests need them. A failure ends the
 * test. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Replaces the file by rename, so that a reader sees the old or the new. */
void files_write(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* In place: truncated first, then written. */
void files_overwrite(const char *path, const void *bytes, size_t size);
char *files_read(const char *path); /* NULL if there is none; caller frees */
bool files_exist(const char *path);
/* The plain files of one folder, not those of its subfolders. */
void files_copy_folder(const char *from, const char *to);
void files_remove_tree(const char *path);
/* Entries of a folder without dots; 0 if there is no such folder. */
unsigned files_count(const char *folder);
