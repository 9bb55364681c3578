/* fingerprint: what stat says of a package, in one short text. While it is the
 * same the content is; it reads no file. */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#define FINGERPRINT_BYTES 33 /* 32 hex digits and a NUL */

struct fingerprint {
	SHA256_CTX hash;
	struct timespec begun;
	bool fresh; /* something was touched just now */
};

void fingerprint_begin(struct fingerprint *f);
/* In the order of the walk; path is that within the package. */
void fingerprint_add(
	struct fingerprint *f, const char *path, const struct stat *stat);
/* "" if something was touched so lately that the next change could leave the
 * same times behind: then the content must be looked at again. */
void fingerprint_end(struct fingerprint *f, char text_out[FINGERPRINT_BYTES]);
