/* bearer: identifies the sender of a request by its bearer token (RFC 6750).
 * Tokens are compared as hashes, in constant time. Cookies are ignored, so a
 * foreign web page cannot make a browser call the API. */
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/http/head.h"

/* The hash of a token. A session or a stream keeps it and looks the token up
 * again, because tokens can be changed while supd runs. */
struct bearer {
	uint8_t sha256[32];
};

/* The role of the request's token; -1: it has none, or an unknown one. */
int bearer_role(const struct config_admin *admin, const struct head *h);
/* Reads the token of a request. false: it has none. */
bool bearer_read(struct bearer *b, const struct head *h);
void bearer_set(struct bearer *b, struct bytes token);
/* The name of the token, NULL if it is unknown; and its current role, -1 if it
 * is unknown. */
const char *bearer_name(
	const struct config_admin *admin, const struct bearer *b);
int bearer_role_now(const struct config_admin *admin, const struct bearer *b);
