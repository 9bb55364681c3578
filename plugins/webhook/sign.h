/* sign: checks and makes signatures as GitHub, Slack and Stripe do. Pure: works
 * on strings, bytes and a time, and knows no request and no settings. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRETS_MAX 8		/* of one endpoint, for rotation */
#define SIGNATURES_MAX 16	/* in one header (Stripe) */
#define SIGN_HEX_BYTES (64 + 1) /* SHA-256 in hex, and its NUL */

enum sign_scheme { SIGN_NONE, SIGN_GITHUB, SIGN_SLACK, SIGN_STRIPE };
#define SIGN_SCHEMES (SIGN_STRIPE + 1)

struct secrets {
	char *items[SECRETS_MAX];
	size_t count;
};

/* A delivery to check. A header that is absent or repeated is NULL. */
struct claim {
	const char *signature, *timestamp;
	const void *body;
	size_t body_bytes;
	/* the timestamp may differ from now_s by window_s */
	int64_t now_s, window_s;
};

/* The scheme with that name in the setting `sign`; -1: there is none. */
int sign_scheme_of(const char *name);
const char *sign_scheme_name(enum sign_scheme scheme);
/* The headers of a scheme; NULL if it has none. */
const char *sign_signature_header(enum sign_scheme scheme);
const char *sign_timestamp_header(enum sign_scheme scheme);

/* NULL: one of the secrets matches the signature, and the timestamp is within
 * the window. Otherwise what is wrong, for the log and never for the sender.
 * digest_out: the HMAC with the secret that matches; the hash of the body for
 * SIGN_NONE. */
const char *sign_check(enum sign_scheme scheme, const struct secrets *secrets,
	const struct claim *claim, char digest_out[SIGN_HEX_BYTES]);

/* Writes the value of the signature header to `value`. The timestamp is a
 * decimal number. Not for SIGN_NONE. */
#define SIGN_VALUE_BYTES 128
void sign_make(enum sign_scheme scheme, const char *secret,
	const char *timestamp, const void *body, size_t body_bytes,
	char value[SIGN_VALUE_BYTES]);

/* SHA-256 of bytes, in hex. */
void sign_hash(const void *bytes, size_t size, char hex_out[SIGN_HEX_BYTES]);
