#include "word.h"

#include <ctype.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char
fold(char c)
{
	static const char from[] = "[]\\~", to[] = "{}|^";
	const char *at = c ? strchr(from, c) : NULL;

	if (at)
		return to[at - from];
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

void
word_fold(const char *name, char *folded, size_t size)
{
	size_t i = 0;

	for (; name[i] && i + 1 < size; i++)
		folded[i] = fold(name[i]);
	folded[i] = '\0';
}

bool
word_equal(const char *a, const char *b)
{
	for (; *a && fold(*a) == fold(*b); a++)
		b++;
	return !*a && !*b;
}

/* Goes back to the last "*" only, so it takes at most as many steps as both
 * lengths multiplied. */
bool
word_matches(const char *mask, const char *text)
{
	const char *star = NULL, *from = NULL;

	while (*text) {
		if (*mask == '*') {
			star = mask++;
			from = text;
		} else if (*mask &&
			   (*mask == '?' || fold(*mask) == fold(*text))) {
			mask++;
			text++;
		} else if (star) {
			mask = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*mask == '*')
		mask++;
	return !*mask;
}

static bool
is_one_word(const char *name)
{
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == ',' || *at == 0x7f)
			return false;
	return *name && *name != ':';
}

bool
word_is_channel(const char *name)
{
	return strchr("#&+!", *name) && is_one_word(name) && name[1] &&
	       strlen(name) <= WORD_NICK_MAX;
}

bool
word_is_nick(const char *name)
{
	return is_one_word(name) && !strpbrk(name, "!@*?.") &&
	       !strchr("#&+$-0123456789", *name) && strlen(name) <= 32;
}

bool
word_is_target(const char *name)
{
	return is_one_word(name) && strlen(name) <= WORD_NICK_MAX;
}

/* ---- mentions ---- */

static bool
is_of_nick(char c)
{
	return (c && isalnum((unsigned char)c)) || (unsigned char)c >= 0x80 ||
	       (c && strchr("_-[]\\`^{}|", c));
}

static bool
begins_with(const char *text, const char *nick)
{
	for (; *nick; nick++, text++)
		if (fold(*nick) != fold(*text))
			return false;
	return true;
}

bool
word_is_in(const char *nick, const char *text)
{
	size_t length = strlen(nick);

	for (const char *at = text; *at; at++)
		if ((at == text || !is_of_nick(at[-1])) &&
			begins_with(at, nick) && !is_of_nick(at[length]))
			return true;
	return false;
}

const char *
word_behind_nick(const char *nick, const char *text)
{
	const char *at = text + strlen(nick);

	if (!begins_with(text, nick) || (*at != ':' && *at != ','))
		return NULL;
	at++;
	return at + strspn(at, " ");
}

/* ---- formatting ---- */

/* Digits of a colour, at most `most`, hexadecimal or not. */
static size_t
digits(const char *at, size_t most, bool hex)
{
	size_t n = 0;

	while (n < most && (hex ? isxdigit((unsigned char)at[n])
				: isdigit((unsigned char)at[n])))
		n++;
	return n;
}

/* Behind the colour that follows \x03 (two digits) or \x04 (six). */
static const char *
skip_colour(const char *at, bool hex)
{
	size_t most = hex ? 6 : 2, n = digits(at, most, hex);

	at += n;
	if (n && *at == ',' && digits(at + 1, most, hex))
		at += 1 + digits(at + 1, most, hex);
	return at;
}

static bool
is_utf8(const char *text)
{
	json_t *string = json_string(text); /* it looks */

	json_decref(string);
	return string != NULL;
}

void
word_clean(const char *text, char clean[WORD_TEXT_MAX + 1])
{
	bool is_valid = is_utf8(text);
	size_t used = 0;

	while (*text && used + 2 <= WORD_TEXT_MAX) {
		unsigned char c = (unsigned char)*text++;

		if (c == 3 || c == 4) {
			text = skip_colour(text, c == 4);
		} else if (c < 0x80 || is_valid) {
			if ((c >= ' ' && c != 0x7f) || c == '\t')
				clean[used++] = (char)c;
		} else if (c >= 0xa0) {
			clean[used++] = (char)(0xc0 | c >> 6);
			clean[used++] = (char)(0x80 | (c & 0x3f));
		}
	}
	clean[used] = '\0';
}
