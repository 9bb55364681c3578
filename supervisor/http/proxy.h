/* proxy: reads the client's address from trusted proxies: by the PROXY protocol
 * (versions 1 and 2) or X-Forwarded-For. Pure. */
#pragma once

#include "supervisor/config/config.h"
#include "supervisor/config/network.h"
#include "supervisor/http/address.h"
#include "supervisor/http/head.h"

struct proxies {
	struct network *items;
	uint32_t count;
};

/* Parses trusted_proxies, which the configuration has checked. */
void proxies_init(struct proxies *p, const struct text_list *texts);
void proxies_finish(struct proxies *p);
bool proxies_trust(const struct proxies *p, const struct address *peer);

enum proxy_scan {
	PROXY_NONE, /* the connection begins without a header */
	PROXY_MORE, /* may be a header: more bytes are needed */
	PROXY_DONE,
	PROXY_BAD,
};

/* Reads the first bytes of a connection. DONE: *used_out bytes are the header,
 * and *source is its source address, or unchanged if it names none (LOCAL,
 * UNKNOWN). */
enum proxy_scan proxy_scan(const char *bytes, size_t size, size_t *used_out,
	struct address *source);

/* The client according to a trusted peer: the rightmost address in
 * X-Forwarded-For that is not trusted itself, or the leftmost if all are
 * trusted. Everything left of a malformed item is ignored. */
struct address proxy_client(const struct proxies *p, const struct address *peer,
	const struct head *h);
/* X-Forwarded-For, X-Forwarded-Proto: supd writes these itself. */
bool proxy_field_is_rewritten(struct bytes name);
/* Forwarded, X-Forwarded-*, X-Real-IP: passed on from trusted peers only. */
bool proxy_field_is_claim(struct bytes name);
/* "http" unless the (trusted) peer says "https". */
struct bytes proxy_scheme(const struct head *h);
