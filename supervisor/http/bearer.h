/* bearer: who a request is from, by the token it carries (RFC 6750). Tokens
 * are compared as hashes, in constant time. Cookies are never looked at, so no
 * page of somebody else's can make a browser call. */
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/http/head.h"

/* The role of the request's token, -1: none, or none that is known. */
int bearer_role(const struct config_admin *admin, const struct head *h);
