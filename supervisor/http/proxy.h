/* proxy: what is believed of those who pass requests on: which peers are
 * trusted, the PROXY protocol's header (versions 1 and 2), X-Forwarded-For.
 * Pure. */
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/config/network.h"
#include "supervisor/http/address.h"
#include "supervisor/http/head.h"

struct proxies {
	struct network *items;
	uint32_t count;
};

/* From the texts of trusted_proxies, which were checked. */
void proxies_init(struct proxies *p, const struct text_list *texts);
void proxies_finish(struct proxies *p);
bool proxies_trust(const struct proxies *p, const struct address *peer);

enum proxy_scan {
	PROXY_NONE, /* the connection begins without it */
	PROXY_MORE, /* it may be one: more bytes are needed */
	PROXY_DONE,
	PROXY_BAD,
};

/* Looks at the first bytes of a connection. DONE: *used_out bytes are the
 * header, and *source is what it says; as it was if it says nothing (LOCAL,
 * UNKNOWN). */
enum proxy_scan proxy_scan(const char *bytes, size_t size, size_t *used_out,
	struct address *source);

/* The client as a trusted peer tells it: the rightmost address of all
 * X-Forwarded-For that is not trusted itself; if all are, the leftmost. What
 * stands before something malformed is not believed. */
struct address proxy_client(const struct proxies *p, const struct address *peer,
	const struct head *h);
/* X-Forwarded-For, X-Forwarded-Proto: passed on as supd writes them. */
bool proxy_field_is_rewritten(struct bytes name);
/* Forwarded, X-Forwarded-*, X-Real-IP: passed on from trusted peers only. */
bool proxy_field_is_claim(struct bytes name);
/* "http" unless the (trusted) peer says "https". */
struct bytes proxy_scheme(const struct head *h);
