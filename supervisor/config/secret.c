/* secret: searches a key for words, in any case and however they are joined. */
#include "supervisor/config/secret.h"

#include <ctype.h>
#include <string.h>

/* Found anywhere in a key. */
static const char *const parts[] = {"password", "passwd", "passphrase", "token",
	"secret", "credential", "authorization", "apikey", "privatekey"};
/* Found only as a whole word of a key: "api_key", "apiKey", not "keyboard". */
static const char *const words[] = {"key", "keys", "pass", "pwd", "pw"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Copies the letters and digits in lower case. */
static void
squeeze(const char *key, char *out, size_t size)
{
	size_t length = 0;
	for (; *key && length + 1 < size; key++)
		if (isalnum((unsigned char)*key))
			out[length++] = (char)tolower((unsigned char)*key);
	out[length] = '\0';
}

/* The end of the word at `word`: before an upper-case letter or the first byte
 * that is not a letter. */
static const char *
word_end(const char *word)
{
	const char *end = word + 1;
	while (isalpha((unsigned char)*end) &&
		!(isupper((unsigned char)*end) &&
			islower((unsigned char)end[-1])))
		end++;
	return end;
}

static bool
has_word(const char *key)
{
	while (*key) {
		if (!isalpha((unsigned char)*key)) {
			key++;
			continue;
		}
		const char *end = word_end(key);
		for (size_t i = 0; i < COUNT(words); i++)
			if (strlen(words[i]) == (size_t)(end - key) &&
				!strncasecmp(
					words[i], key, (size_t)(end - key)))
				return true;
		key = end;
	}
	return false;
}

bool
secret_is_key(const char *key)
{
	char squeezed[256];
	squeeze(key, squeezed, sizeof(squeezed));
	for (size_t i = 0; i < COUNT(parts); i++)
		if (strstr(squeezed, parts[i]))
			return true;
	return has_word(key);
}

bool
secret_is_text(const char *text, size_t length)
{
	const char *end = text + length;
	const char *at = memmem(text, length, "://", 3);
	for (; at; at = memmem(at, (size_t)(end - at), "://", 3)) {
		at += 3;
		size_t host = 0;
		bool has_colon = false;
		while (at + host < end && !strchr("/@?# \t\n", at[host]))
			has_colon |= at[host++] == ':';
		if (has_colon && at + host < end && at[host] == '@')
			return true;
	}
	return false;
}
