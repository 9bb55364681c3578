/* grammar: see grammar.h. */
#include "tools/supctl/grammar.h"

#include <ctype.h>
#include <string.h>

#include "proto/registration.h"

static bool
is(const char *text, size_t length, const char *what)
{
	return strlen(what) == length && !memcmp(text, what, length);
}

static void
put_kinds(struct buffer *texts)
{
	for (int i = 0; i < REGISTRATION_KIND_COUNT; i++)
		buffer_format(texts, "%s%s", buffer_length(texts) ? " " : "",
			registration_kinds[i]->wire);
}

static enum word_kind
kind_of(const char *text, size_t length)
{
	static const struct {
		const char *text;
		enum word_kind kind;
	} kinds[] = {{"ID", WORD_ID}, {"PLUGIN", WORD_ID}, {"FILE", WORD_FILE},
		{"PATH", WORD_FILE}, {"DIR", WORD_DIR}, {"KIND", WORD_CHOICE}};

	if (islower((unsigned char)*text))
		return WORD_CHOICE;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (is(text, length, kinds[i].text))
			return kinds[i].kind;
	return WORD_FREE;
}

static struct word
word_make(const char *text, size_t length)
{
	struct word w = {0};

	while (length && (*text == '[' || *text == '(')) {
		text++;
		length--;
	}
	while (length && strchr("]).", text[length - 1])) {
		w.repeats |= text[length - 1] == '.';
		length--;
	}
	w.kind = kind_of(text, length);
	buffer_append(&w.name, text, length);
	if (is(text, length, "KIND"))
		put_kinds(&w.texts);
	else if (w.kind == WORD_CHOICE)
		for (size_t i = 0; i < length; i++)
			buffer_append_byte(&w.texts,
				text[i] == '|' ? ' ' : (uint8_t)text[i]);
	buffer_append(&w.name, "", 1);
	buffer_append(&w.texts, "", 1);
	return w;
}

/* Behind "[--kind KIND]" or "[-f]". */
static const char *
skip_option(const char *at)
{
	at += strcspn(at, "]");
	return at + (*at == ']');
}

struct word
grammar_word(enum verb verb, unsigned number)
{
	const char *at = verb_rows[verb].usage;

	for (;;) {
		size_t length;

		at += strspn(at, " ");
		length = strcspn(at, " ");
		if (!*at || *at == '|')
			return (struct word){0};
		if (at[0] == '[' && at[1] == '-') {
			at = skip_option(at);
			continue;
		}
		if (!number || at[length - 1] == '.') {
			struct word w = word_make(at, length);

			/* `call` is the one verb whose NAME is a plugin's. */
			if (verb == VERB_CALL && w.kind == WORD_FREE &&
				!strcmp((char *)buffer_bytes(&w.name), "NAME"))
				w.kind = WORD_OFFERED;
			if (verb == VERB_X &&
				!strcmp((char *)buffer_bytes(&w.name), "VERB"))
				w.kind = WORD_CLI;
			return w;
		}
		number--;
		at += length;
	}
}

/* Alternatives ("ID... | --all") may be options alone. */
bool
grammar_takes(enum verb verb, int count)
{
	const char *at = verb_rows[verb].usage;
	int least = 0, most = 0;

	for (; at += strspn(at, " "), *at && *at != '|';) {
		size_t length = strcspn(at, " ");

		if (at[0] == '[' && at[1] == '-') {
			at = skip_option(at);
			continue;
		}
		most = at[length - 1] == '.' || most < 0 ? -1 : most + 1;
		least += *at != '[';
		at += length;
	}
	return count >= (*at ? 0 : least) && (most < 0 || count <= most);
}

struct word
grammar_value(enum option_id id)
{
	const char *text = option_rows[id].argument;
	struct word w = {0};

	if (text)
		w = word_make(text, strlen(text));
	if (id == OPTION_PACKAGE) /* a NAME of those that are in use */
		w.kind = WORD_PACKAGE;
	return w;
}

void
word_finish(struct word *w)
{
	buffer_finish(&w->name);
	buffer_finish(&w->texts);
}
