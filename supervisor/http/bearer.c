/* bearer: every token is compared, so that the time taken tells nothing. */
#include "supervisor/http/bearer.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>

static int
role_of_token(const struct config_admin *admin, struct bytes token)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	int role = -1;

	SHA256((const unsigned char *)token.at, token.length, digest);
	for (uint32_t i = 0; i < admin->tokens.count; i++)
		if (!CRYPTO_memcmp(digest, admin->tokens.items[i].sha256,
			    sizeof(digest)))
			role = admin->tokens.items[i].role;
	return role;
}

int
bearer_role(const struct config_admin *admin, const struct head *h)
{
	const struct head_field *f = h->known[HEAD_AUTHORIZATION];
	struct bytes token;

	if (!f || f->value.length < 8 || strncasecmp(f->value.at, "Bearer ", 7))
		return -1;
	token = (struct bytes){f->value.at + 7, f->value.length - 7};
	while (token.length && *token.at == ' ') {
		token.at++;
		token.length--;
	}
	return role_of_token(admin, token);
}
