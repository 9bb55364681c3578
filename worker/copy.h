/* copy: one regular file copied, and hashed as it was written. Knows nothing
 * of packages. */
#pragma once

#include <stdint.h>

#include "proto/util/error.h"
#include "proto/util/sha256.h"
#include "worker/pace.h"

struct copy_order {
	uint64_t limit_bytes;
	SHA256_CTX *digest;
	struct pace *pace;
	const char *path; /* for messages */
};

/* A reflink where the file system has them, else read and write. Adds the
 * copied bytes to the digest; fails beyond the limit. */
int copy_file(int from, int to, const struct copy_order *order,
	uint64_t *bytes_out, struct error *err);
/* The same digest, and no copy. */
int copy_hash(int from, const struct copy_order *order, uint64_t *bytes_out,
	struct error *err);
