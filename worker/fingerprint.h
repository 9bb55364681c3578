/* fingerprint: the results of stat for a package, in one short string. While it
 * is the same, so is the content. It reads no file. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "proto/util/sha256.h"

#define FINGERPRINT_BYTES 33 /* 32 hex digits and a NUL */

struct fingerprint {
	SHA256_CTX hash;
	struct timespec begun;
	bool fresh; /* something was touched just now */
};

void fingerprint_begin(struct fingerprint *f);
/* In the order of the walk; path is relative to the package. */
void fingerprint_add(
	struct fingerprint *f, const char *path, const struct stat *stat);
/* "" if something was touched so recently that a further change might leave the
 * same times: then the content must be read again. */
void fingerprint_end(struct fingerprint *f, char text_out[FINGERPRINT_BYTES]);
