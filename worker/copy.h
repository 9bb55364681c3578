/* copy: one regular file copied, and hashed as it was written. Knows nothing
 * of packages. */
#pragma once

#include <stdint.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include "proto/util/error.h"

/* A reflink where the file system has them, else read and write. Adds the
 * copied bytes to digest; fails beyond limit_bytes. path is for messages. */
int copy_file(int from, int to, uint64_t limit_bytes, SHA256_CTX *digest,
	uint64_t *bytes_out, const char *path, struct error *err);
/* The same digest, and no copy. */
int copy_hash(int from, uint64_t limit_bytes, SHA256_CTX *digest,
	uint64_t *bytes_out, const char *path, struct error *err);
