/* sha256: the one hash of the project. Only OpenSSL's low-level functions are
 * used: they are a few kilobytes of code when linked in, whereas SHA256() and
 * EVP bring all of libcrypto, 340 KiB of relocated pages in every process. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#define SHA256_HEX_BYTES (2 * SHA256_DIGEST_LENGTH + 1)

void sha256_of(const void *bytes, size_t length,
	unsigned char sum_out[SHA256_DIGEST_LENGTH]);
/* Lower-case hex and a NUL. */
void sha256_hex(const unsigned char sum[SHA256_DIGEST_LENGTH],
	char hex_out[SHA256_HEX_BYTES]);
/* In a time that does not depend on the bytes. */
bool sha256_equal(const unsigned char a[SHA256_DIGEST_LENGTH],
	const unsigned char b[SHA256_DIGEST_LENGTH]);
