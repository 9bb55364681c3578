#include "line.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

char *
line_reader_room(struct line_reader *r, size_t *room_out)
{
	if (r->begin == r->end)
		r->begin = r->end = 0;
	*room_out = sizeof(r->input) - r->end;
	return r->input + r->end;
}

void
line_reader_add(struct line_reader *r, size_t bytes)
{
	r->end += bytes;
}

static void
append(struct line_reader *r, const char *bytes, size_t size)
{
	for (size_t i = 0; i < size && r->length < LINE_BYTES_MAX; i++)
		if (bytes[i] && bytes[i] != '\r')
			r->text[r->length++] = bytes[i];
}

/* Takes input up to the end of the line. */
static bool
complete(struct line_reader *r)
{
	const char *at = r->input + r->begin;
	size_t left = r->end - r->begin;
	const char *end = memchr(at, '\n', left);
	size_t size = end ? (size_t)(end - at) : left;

	append(r, at, size);
	r->begin += size + (end != NULL);
	return end != NULL;
}

/* Ends the word at `at`; what follows it and the blanks behind it. */
static char *
cut_word(char *at)
{
	at += strcspn(at, " ");
	while (*at == ' ')
		*at++ = '\0';
	return at;
}

/* Behind the tags; NULL if they are too long. */
static char *
parse_tags(char *at, struct line *line)
{
	size_t length;

	line->tags = "";
	if (*at != '@')
		return at;
	length = strcspn(at, " ");
	if (length >= LINE_TAGS_MAX || !at[length])
		return NULL;
	line->tags = at + 1;
	return cut_word(at);
}

static bool
parse(char *at, struct line *line)
{
	at = parse_tags(at, line);
	if (!at)
		return false;
	if (strlen(at) > LINE_BODY_MAX)
		at[LINE_BODY_MAX] = '\0';
	while (*at == ' ')
		at++;
	line->source = "";
	if (*at == ':') {
		line->source = at + 1;
		at = cut_word(at);
	}
	line->command = at;
	at = cut_word(at);
	for (line->count = 0; *at && line->count < LINE_PARAMS_MAX;) {
		bool is_last = *at == ':' || line->count == LINE_PARAMS_MAX - 1;

		line->params[line->count++] = at + (*at == ':');
		if (is_last)
			break;
		at = cut_word(at);
	}
	return *line->command != '\0';
}

bool
line_reader_next(struct line_reader *r, struct line *line)
{
	while (complete(r)) {
		r->text[r->length] = '\0';
		r->length = 0;
		if (parse(r->text, line))
			return true;
	}
	return false;
}

const char *
line_param(const struct line *line, size_t number)
{
	return number < line->count ? line->params[number] : "";
}

bool
line_is(const struct line *line, const char *command)
{
	return !strcasecmp(line->command, command);
}

/* ---- tags ---- */

static char
unescaped(char c)
{
	static const char from[] = ":srn", to[] = "; \r\n";
	const char *at = c ? strchr(from, c) : NULL;

	return at ? to[at - from] : c;
}

static void
unescape(const char *at, size_t length, char *value, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 1 < size; i++) {
		if (at[i] != '\\')
			value[used++] = at[i];
		else if (++i < length)
			value[used++] = unescaped(at[i]);
	}
	value[used] = '\0';
}

bool
line_tag(const struct line *line, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);

	for (const char *at = line->tags; *at;) {
		size_t all = strcspn(at, ";");

		if (all > length + 1 && !strncmp(at, key, length) &&
			at[length] == '=') {
			unescape(
				at + length + 1, all - length - 1, value, size);
			return *value != '\0';
		}
		at += all + (at[all] == ';');
	}
	return false;
}

void
line_nick(const struct line *line, char *nick, size_t size)
{
	snprintf(nick, size, "%.*s", (int)strcspn(line->source, "!@"),
		line->source);
}
