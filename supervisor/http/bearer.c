/* bearer: compares every token, so that the time taken reveals nothing. */
#include "supervisor/http/bearer.h"

#include <strings.h>

#include "proto/util/sha256.h"

int
bearer_role_now(const struct config_admin *admin, const struct bearer *b)
{
	int role = -1;

	for (uint32_t i = 0; i < admin->tokens.count; i++)
		if (sha256_equal(b->sha256, admin->tokens.items[i].sha256))
			role = admin->tokens.items[i].role;
	return role;
}

const char *
bearer_name(const struct config_admin *admin, const struct bearer *b)
{
	const char *name = NULL;

	for (uint32_t i = 0; i < admin->tokens.count; i++)
		if (sha256_equal(b->sha256, admin->tokens.items[i].sha256))
			name = admin->tokens.items[i].name;
	return name;
}

void
bearer_set(struct bearer *b, struct bytes token)
{
	sha256_of(token.at, token.length, b->sha256);
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
	bearer_set(b, token);
	return true;
}

int
bearer_role(const struct config_admin *admin, const struct head *h)
{
	struct bearer b;

	return bearer_read(&b, h) ? bearer_role_now(admin, &b) : -1;
}
