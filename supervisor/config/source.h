/* source: files as bytes, bounded; and which files make up a config. */
#pragma once

#include "proto/util/error.h"
#include "supervisor/config/config.h"

/* The caller frees; a NUL is added. NULL with "cannot be opened: …", "is not a
 * regular file", "larger than …", to be put after the path. */
char *source_read_bytes(
	const char *path, size_t most, size_t *length_out, struct error *err);
/* The caller frees. NULL with a problem: missing, unreadable, not a regular
 * file, larger than CONFIG_FILE_BYTES_MAX. */
char *source_read(
	const char *path, size_t *length_out, struct problems *problems);
/* `path`, then conf.d/<name>.yaml beside it in name order. */
void source_files(const char *path, struct text_list *files_out,
	struct problems *problems);
