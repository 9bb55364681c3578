/* fuzz_irc: what a server of IRC may send: the same lines come out however it
 * is cut, none is longer than it may be, and their texts stay in their
 * bounds. The same bytes as a text to be sent: no piece ends a line. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/irc/line.h"
#include "plugins/irc/markdown.h"
#include "plugins/irc/split.h"
#include "plugins/irc/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static uint64_t
hash(uint64_t all, const char *text)
{
	do {
		all = (all ^ (unsigned char)*text) * 0x100000001b3;
	} while (*text++);
	return all;
}

static uint64_t
take(uint64_t all, const struct line *line)
{
	char value[100], nick[WORD_NICK_MAX + 1], clean[WORD_TEXT_MAX + 1];

	assert(strlen(line->tags) < LINE_TAGS_MAX);
	assert(strlen(line->source) + strlen(line->command) <= LINE_BODY_MAX);
	all = hash(hash(hash(all, line->tags), line->source), line->command);
	for (size_t i = 0; i < line->count; i++) {
		assert(!strpbrk(line->params[i], "\r\n"));
		word_clean(line->params[i], clean);
		word_matches(line->source, line->params[i]);
		word_is_in(line->command, clean);
		word_behind_nick(line->command, clean);
		all = hash(all, clean);
	}
	line_nick(line, nick, sizeof(nick));
	if (line_tag(line, "msgid", value, sizeof(value)))
		all = hash(all, value);
	return hash(all, nick);
}

static uint64_t
read_all(const uint8_t *bytes, size_t size, size_t piece)
{
	struct line_reader *r = calloc(1, sizeof(*r));
	uint64_t all = 0;
	struct line line;
	size_t room;
	char *at;

	while (size) {
		size_t now = size < piece ? size : piece;

		at = line_reader_room(r, &room);
		assert(room);
		now = now < room ? now : room;
		memcpy(at, bytes, now);
		line_reader_add(r, now);
		bytes += now;
		size -= now;
		while (line_reader_next(r, &line))
			all = take(all, &line);
	}
	free(r);
	return all;
}

static void
send_all(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + 1), *reduced;
	struct split s;
	const char *piece;
	size_t length;

	memcpy(text, bytes, size);
	text[size] = '\0';
	reduced = markdown_reduce(text);
	assert(strlen(reduced) <= strlen(text));
	free(reduced);
	split_clean(text, &size);
	s = (struct split){.at = text, .left = size, .most = 40};
	while (split_next(&s, &piece, &length)) {
		assert(length && length <= 40);
		for (size_t i = 0; i < length; i++)
			assert((unsigned char)piece[i] >= ' ');
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size < 1 || size > 65536)
		return 0;
	assert(read_all(bytes + 1, size - 1, size) ==
		read_all(bytes + 1, size - 1, 1 + bytes[0]));
	send_all(bytes + 1, size - 1);
	return 0;
}
