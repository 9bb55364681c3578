/* token: makes a token and its hash. Needs no supd and stores nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "proto/util/memory.h"
#include "proto/util/sha256.h"
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
	unsigned char sum[SHA256_DIGEST_LENGTH];

	sha256_of(text, strlen(text), sum);
	sha256_hex(sum, hex);
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
	const char *role = o->role ? o->role : "operator";
	char *line = memory_format(
		"- {name: \"%s\", role: %s, sha256: \"%s\"}", name, role, hex);

	if (o->json) {
		json_t *document = json_pack("{s:s,s:s,s:s,s:s,s:s}", "name",
			name, "role", role, "token", token, "sha256", hex,
			"yaml", line);

		supctl_print_json(document);
		json_decref(document);
	} else {
		printf("token   %s\nsha256  %s\n\n"
		       "The token is for the client and is not kept here. This "
		       "line is for supd.yaml, under\nadmin: tokens:\n%s\n",
			token, hex, line);
	}
	free(line);
}

int
verb_token(const struct options *o)
{
	const char *name = o->word_count > 1 ? o->words[1] : "ops";
	unsigned char bytes[TOKEN_BYTES];
	char token[TOKEN_TEXT_BYTES], hex[SHA256_HEX_BYTES];

	if (strcmp(o->words[0], "new"))
		return supctl_fail(o, EXIT_USAGE, "usage: supctl token %s",
			verb_rows[VERB_TOKEN].usage);
	if (!is_name(name))
		return supctl_fail(o, EXIT_USAGE,
			"a token's name must be at most 64 letters, digits, "
			"'_', '-' and '.'");
	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return supctl_fail(o, EXIT_FAILURE, "cannot get random bytes");
	encode_base64url(token, bytes, sizeof(bytes));
	hash_text(hex, token);
	print_token(o, name, token, hex);
	return 0;
}
