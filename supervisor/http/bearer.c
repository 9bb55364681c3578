/* bearer: every token is compared, so that the time taken tells nothing. */
#include "supervisor/http/bearer.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <strings.h>

int
bearer_role_now(const struct config_admin *admin, const struct bearer *b)
{
	int role = -1;

	for (uint32_t i = 0; i < admin->tokens.count; i++)
		if (!CRYPTO_memcmp(b->sha256, admin->tokens.items[i].sha256,
			    sizeof(b->sha256)))
			role = admin->tokens.items[i].role;
	return role;
}

bool
bearer_read(struct bearer *b, const struct head *h)
{
	const struct head_field *f = h->known[HEAD_AUTHORIZATION];
	struct bytes token;

	if (!f || f->value.length < 8 || strncasecmp(f->value.at, "Bearer ", 7))
		return false;
	token = (struct bytes){f->value.at + 7, f->value.length - 7};
	while (token.length && *token.at == ' ') {
		token.at++;
		token.length--;
	}
	SHA256((const unsigned char *)token.at, token.length, b->sha256);
	return true;
}

int
bearer_role(const struct config_admin *admin, const struct head *h)
{
	struct bearer b;

	return bearer_read(&b, h) ? bearer_role_now(admin, &b) : -1;
}
