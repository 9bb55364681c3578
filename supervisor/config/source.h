/* source: reads files up to a limit, and lists the files of a config. */
#pragma once

#include "proto/util/error.h"
#include "supervisor/config/config.h"

/* Reads a file; a NUL is added, the caller frees. NULL with "cannot be opened:
 * …", "is not a regular file" or "larger than …", to follow the path in a
 * message. */
char *source_read_bytes(
	const char *path, size_t most, size_t *length_out, struct error *err);
/* Reads a file, which the caller frees. NULL with a problem: missing,
 * unreadable, not a regular file, or larger than CONFIG_FILE_BYTES_MAX. */
char *source_read(
	const char *path, size_t *length_out, struct problems *problems);
/* Lists `path`, then conf.d/<name>.yaml beside it in name order. */
void source_files(const char *path, struct text_list *files_out,
	struct problems *problems);
