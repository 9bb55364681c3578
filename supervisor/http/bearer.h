/* bearer: who a request is from, by the token it carries (RFC 6750). Tokens
 * are compared as hashes, in constant time. Cookies are never looked at, so no
 * page of somebody else's can make a browser call. */
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/http/head.h"

/* A token as the configuration knows it: for what goes on after its request,
 * since tokens change while supd runs. */
struct bearer {
	uint8_t sha256[32];
};

/* The role of the request's token, -1: none, or none that is known. */
int bearer_role(const struct config_admin *admin, const struct head *h);
/* The same of a request that bearer_read() read; false: it has no token. */
bool bearer_read(struct bearer *b, const struct head *h);
int bearer_role_now(const struct config_admin *admin, const struct bearer *b);
