#include "sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAC_BYTES 32
#define TIMESTAMP_DIGITS_MAX 12

struct scheme {
	const char *name, *signature_header, *timestamp_header;
	const char *before, *after; /* the timestamp, in what is signed */
	const char *prefix;	    /* of the value of the header */
};

static const struct scheme schemes[SIGN_SCHEMES] = {
	[SIGN_NONE] = {.name = "none"},
	[SIGN_GITHUB] = {.name = "github",
		.signature_header = "X-Hub-Signature-256",
		.prefix = "sha256="},
	[SIGN_SLACK] = {.name = "slack",
		.signature_header = "X-Slack-Signature",
		.timestamp_header = "X-Slack-Request-Timestamp",
		.before = "v0:",
		.after = ":",
		.prefix = "v0="},
	[SIGN_STRIPE] = {.name = "stripe",
		.signature_header = "Stripe-Signature",
		.before = "",
		.after = ".",
		.prefix = "v1="},
};

int
sign_scheme_of(const char *name)
{
	for (int i = 0; i < SIGN_SCHEMES; i++)
		if (!strcmp(schemes[i].name, name))
			return i;
	return -1;
}

const char *
sign_scheme_name(enum sign_scheme scheme)
{
	return schemes[scheme].name;
}

const char *
sign_signature_header(enum sign_scheme scheme)
{
	return schemes[scheme].signature_header;
}

const char *
sign_timestamp_header(enum sign_scheme scheme)
{
	return schemes[scheme].timestamp_header;
}

/* ---- hashes ---- */

static void
to_hex(const unsigned char bytes[MAC_BYTES], char hex_out[SIGN_HEX_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < MAC_BYTES; i++) {
		hex_out[2 * i] = digits[bytes[i] >> 4];
		hex_out[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex_out[SIGN_HEX_BYTES - 1] = 0;
}

void
sign_hash(const void *bytes, size_t size, char hex_out[SIGN_HEX_BYTES])
{
	unsigned char sum[MAC_BYTES];

	if (!EVP_Digest(bytes, size, sum, NULL, EVP_sha256(), NULL))
		abort();
	to_hex(sum, hex_out);
}

/* Only a lack of memory makes this fail, and then no answer is safe. */
static void
compute(enum sign_scheme scheme, const char *secret, const char *timestamp,
	const void *body, size_t bytes, char hex_out[SIGN_HEX_BYTES])
{
	const struct scheme *s = &schemes[scheme];
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_end()};
	unsigned char sum[MAC_BYTES];
	char head[80] = "";
	size_t length;

	if (s->before)
		snprintf(head, sizeof(head), "%s%s%s", s->before, timestamp,
			s->after);
	if (!mac ||
		!EVP_MAC_init(mac, (const unsigned char *)secret,
			strlen(secret), params) ||
		!EVP_MAC_update(
			mac, (const unsigned char *)head, strlen(head)) ||
		!EVP_MAC_update(mac, body, bytes) ||
		!EVP_MAC_final(mac, sum, &length, sizeof(sum)))
		abort();
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	to_hex(sum, hex_out);
}

/* ---- reading headers ---- */

struct parsed {
	char timestamp[TIMESTAMP_DIGITS_MAX + 1];
	const char *signatures[SIGNATURES_MAX]; /* 64 characters each */
	size_t count;
};

static const char *
parse_timestamp(struct parsed *p, const char *text, size_t length)
{
	if (*p->timestamp)
		return "the header has two timestamps";
	if (!length || length > TIMESTAMP_DIGITS_MAX ||
		strspn(text, "0123456789") < length)
		return "the timestamp is not a number";
	memcpy(p->timestamp, text, length);
	p->timestamp[length] = 0;
	return NULL;
}

/* The digits need no check: what is not lower-case hex matches nothing. */
static const char *
parse_signature(struct parsed *p, const char *text, size_t length)
{
	if (length != SIGN_HEX_BYTES - 1)
		return "the signature has the wrong length";
	if (p->count == SIGNATURES_MAX)
		return "the header has too many signatures";
	p->signatures[p->count++] = text;
	return NULL;
}

/* "t=1,v1=…,v1=…,v0=…": versions other than v1 are ignored. */
static const char *
parse_stripe(struct parsed *p, const char *text)
{
	const char *wrong = NULL;

	while (!wrong && *text) {
		size_t length = strcspn(text, ",");

		if (!strncmp(text, "t=", 2))
			wrong = parse_timestamp(p, text + 2, length - 2);
		else if (!strncmp(text, "v1=", 3))
			wrong = parse_signature(p, text + 3, length - 3);
		text += length + (text[length] == ',');
	}
	if (wrong)
		return wrong;
	if (!*p->timestamp)
		return "the header has no timestamp";
	return p->count ? NULL : "the header has no v1 signature";
}

static const char *
parse(struct parsed *p, enum sign_scheme scheme, const struct claim *claim)
{
	const char *prefix = schemes[scheme].prefix, *wrong = NULL;
	const char *signature = claim->signature;
	size_t skip = strlen(prefix);

	if (!signature)
		return "the signature header is missing or repeated";
	if (scheme == SIGN_STRIPE)
		return parse_stripe(p, signature);
	if (schemes[scheme].timestamp_header && !claim->timestamp)
		return "the timestamp header is missing or repeated";
	if (claim->timestamp)
		wrong = parse_timestamp(
			p, claim->timestamp, strlen(claim->timestamp));
	if (wrong)
		return wrong;
	if (strncmp(signature, prefix, skip) != 0)
		return "the signature has the wrong prefix";
	return parse_signature(p, signature + skip, strlen(signature + skip));
}

static bool
is_in_time(const struct parsed *p, const struct claim *claim)
{
	int64_t at = strtoll(p->timestamp, NULL, 10);

	return at >= claim->now_s - claim->window_s &&
	       at <= claim->now_s + claim->window_s;
}

/* Compares every secret with every signature, also after a match, so that the
 * time taken does not tell which secret is in use. */
static bool
any_fits(const struct parsed *p, enum sign_scheme scheme,
	const struct secrets *secrets, const struct claim *claim,
	char digest_out[SIGN_HEX_BYTES])
{
	bool fits = false;

	for (size_t s = 0; s < secrets->count; s++) {
		char digest[SIGN_HEX_BYTES];

		compute(scheme, secrets->items[s], p->timestamp, claim->body,
			claim->body_bytes, digest);
		for (size_t i = 0; i < p->count; i++)
			if (!CRYPTO_memcmp(digest, p->signatures[i],
				    SIGN_HEX_BYTES - 1)) {
				memcpy(digest_out, digest, SIGN_HEX_BYTES);
				fits = true;
			}
	}
	return fits;
}

const char *
sign_check(enum sign_scheme scheme, const struct secrets *secrets,
	const struct claim *claim, char digest_out[SIGN_HEX_BYTES])
{
	struct parsed p = {.count = 0};
	const char *wrong;

	if (scheme == SIGN_NONE) {
		sign_hash(claim->body, claim->body_bytes, digest_out);
		return NULL;
	}
	wrong = parse(&p, scheme, claim);
	if (wrong)
		return wrong;
	if (!any_fits(&p, scheme, secrets, claim, digest_out))
		return "no secret matches the signature";
	if (schemes[scheme].before && !is_in_time(&p, claim))
		return "the timestamp is too far from now";
	return NULL;
}

void
sign_make(enum sign_scheme scheme, const char *secret, const char *timestamp,
	const void *body, size_t body_bytes, char value[SIGN_VALUE_BYTES])
{
	char hex[SIGN_HEX_BYTES];

	compute(scheme, secret, timestamp, body, body_bytes, hex);
	if (scheme == SIGN_STRIPE)
		snprintf(value, SIGN_VALUE_BYTES, "t=%.20s,v1=%s", timestamp,
			hex);
	else
		snprintf(value, SIGN_VALUE_BYTES, "%s%s",
			schemes[scheme].prefix, hex);
}
