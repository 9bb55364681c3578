/* sha256: the whole of it in one call, and as text. */
#include "proto/util/sha256.h"

#include <openssl/crypto.h>

void
sha256_of(const void *bytes, size_t length,
	unsigned char sum_out[SHA256_DIGEST_LENGTH])
{
	SHA256_CTX context;

	SHA256_Init(&context);
	SHA256_Update(&context, bytes, length);
	SHA256_Final(sum_out, &context);
}

void
sha256_hex(const unsigned char sum[SHA256_DIGEST_LENGTH],
	char hex_out[SHA256_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
		*hex_out++ = digits[sum[i] >> 4];
		*hex_out++ = digits[sum[i] & 15];
	}
	*hex_out = '\0';
}

bool
sha256_equal(const unsigned char a[SHA256_DIGEST_LENGTH],
	const unsigned char b[SHA256_DIGEST_LENGTH])
{
	return !CRYPTO_memcmp(a, b, SHA256_DIGEST_LENGTH);
}
