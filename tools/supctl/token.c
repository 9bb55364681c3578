/* token: makes a token and its hash. Asks nobody and keeps nothing. */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/util/memory.h"
#include "tools/supctl/supctl.h"

#define TOKEN_BYTES 32
#define TOKEN_TEXT_BYTES 44 /* base64 without padding, and the NUL */

static void
encode_base64url(char *text, const unsigned char *bytes, size_t count)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned bits = 0, held = 0;

	for (size_t i = 0; i < count; i++) {
		bits = (bits << 8 | bytes[i]) & 0xffff;
		for (held += 8; held >= 6; held -= 6)
			*text++ = letters[bits >> (held - 6) & 63];
	}
	if (held)
		*text++ = letters[bits << (6 - held) & 63];
	*text = 0;
}

static void
hash_text(char *hex, const char *text)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text, strlen(text), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
}

static bool
is_name(const char *name)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-.";

	return *name && strlen(name) <= 64 &&
	       strspn(name, allowed) == strlen(name);
}

static void
print_token(const struct options *o, const char *name, const char *token,
	const char *hex)
{
	char *line = memory_format(
		"- {name: \"%s\", role: operator, sha256: \"%s\"}", name, hex);

	if (o->json) {
		json_t *document = json_pack("{s:s,s:s,s:s,s:s,s:s}", "name",
			name, "role", "operator", "token", token, "sha256", hex,
			"yaml", line);

		supctl_print_json(document);
		json_decref(document);
	} else {
		printf("token   %s\nsha256  %s\n\n"
		       "The token is for the client and is not kept here. This "
		       "line is for supd.yaml, under\nadmin: tokens: (roles "
		       "are "
		       "viewer, operator, admin):\n%s\n",
			token, hex, line);
	}
	free(line);
}

int
verb_token(const struct options *o)
{
	const char *name = o->word_count > 1 ? o->words[1] : "ops";
	unsigned char bytes[TOKEN_BYTES];
	char token[TOKEN_TEXT_BYTES], hex[2 * SHA256_DIGEST_LENGTH + 1];

	if (strcmp(o->words[0], "new"))
		return supctl_fail(o, EXIT_USAGE, "usage: supctl token %s",
			verb_rows[VERB_TOKEN].arguments);
	if (!is_name(name))
		return supctl_fail(o, EXIT_USAGE,
			"a token's name is letters, digits, '_', '-' and '.', "
			"at most 64");
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return supctl_fail(
			o, EXIT_FAILURE, "the system has no random bytes");
	encode_base64url(token, bytes, sizeof(bytes));
	hash_text(hex, token);
	print_token(o, name, token, hex);
	return 0;
}
