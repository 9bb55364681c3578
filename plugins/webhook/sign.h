/* sign: how GitHub, Slack and Stripe sign what they send, for both directions.
 * Pure: it knows strings, bytes and a time, no request and no settings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRETS_MAX 8		/* of one endpoint: the new, the old, … */
#define SIGNATURES_MAX 16	/* that one header may carry (Stripe) */
#define SIGN_HEX_BYTES (64 + 1) /* SHA-256 in hex, and its NUL */

enum sign_scheme { SIGN_NONE, SIGN_GITHUB, SIGN_SLACK, SIGN_STRIPE };
#define SIGN_SCHEMES (SIGN_STRIPE + 1)

struct secrets {
	char *items[SECRETS_MAX];
	size_t count;
};

/* What a sender claims. A header that is absent, or there more than once, is
 * NULL. */
struct claim {
	const char *signature, *timestamp;
	const void *body;
	size_t body_bytes;
	int64_t now_s, window_s; /* the clock may differ by so much */
};

/* The names are those of the setting `sign`; -1: there is no such scheme. */
int sign_scheme_of(const char *name);
const char *sign_scheme_name(enum sign_scheme scheme);
/* The headers of a scheme; NULL if it has none. */
const char *sign_signature_header(enum sign_scheme scheme);
const char *sign_timestamp_header(enum sign_scheme scheme);

/* NULL if one of the secrets made the signature, in time; else what is wrong,
 * for the log and never for the sender. digest_out is the HMAC by the secret
 * that fits (of SIGN_NONE: the hash of the body). */
const char *sign_check(enum sign_scheme scheme, const struct secrets *secrets,
	const struct claim *claim, char digest_out[SIGN_HEX_BYTES]);

/* The value of the signature header, in `value`; the timestamp is decimal
 * text. Not for SIGN_NONE. */
#define SIGN_VALUE_BYTES 128
void sign_make(enum sign_scheme scheme, const char *secret,
	const char *timestamp, const void *body, size_t body_bytes,
	char value[SIGN_VALUE_BYTES]);

/* SHA-256 of bytes, in hex. */
void sign_hash(const void *bytes, size_t size, char hex_out[SIGN_HEX_BYTES]);
