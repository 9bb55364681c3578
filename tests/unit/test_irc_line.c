/* Lines of IRC: their parts, their bounds, and that it does not matter how they
 * are cut. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/irc/line.h"

TestSuite(irc_line);

/* All lines of the bytes, as text: "tags|source|command|param|…" each. */
static char *
read_all(const char *bytes, size_t size, size_t piece)
{
	struct line_reader *r = calloc(1, sizeof(*r));
	char *all = calloc(1, size + 65536), *end = all, *at;
	struct line line;
	size_t room;

	while (size) {
		size_t now = size < piece ? size : piece;

		at = line_reader_room(r, &room);
		if (now > room)
			now = room;
		memcpy(at, bytes, now);
		line_reader_add(r, now);
		bytes += now;
		size -= now;
		while (line_reader_next(r, &line)) {
			end += sprintf(end, "%s|%s|%s", line.tags, line.source,
				line.command);
			for (size_t i = 0; i < line.count; i++)
				end += sprintf(end, "|%s", line.params[i]);
			end += sprintf(end, "\n");
		}
	}
	free(r);
	return all;
}

static void
expect(const char *bytes, const char *lines)
{
	for (size_t piece = 1; piece < 40; piece += 7) {
		char *all = read_all(bytes, strlen(bytes), piece);

		cr_expect_str_eq(all, lines);
		free(all);
	}
}

Test(irc_line, has_parts)
{
	expect("PING :a b\r\n", "||PING|a b\n");
	expect(":irc.test 001 bot :Welcome here\r\n",
		"|irc.test|001|bot|Welcome here\n");
	expect("@id=1;x :ann!a@h  PRIVMSG  #room  word\n",
		"id=1;x|ann!a@h|PRIVMSG|#room|word\n");
	expect("JOIN #a k :\r\n", "||JOIN|#a|k|\n");
	expect("A :b:c\r\nB ::c\r\n", "||A|b:c\n||B|:c\n");
	expect("A 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
		"||A|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15 16\n");
}

Test(irc_line, that_is_no_message_is_skipped)
{
	expect("\r\n\n   \n:source\n:\n@tags\n@tags \n@t :s\nA\n", "||A\n");
}

Test(irc_line, has_no_nul_and_no_cr)
{
	char *all = read_all("A\0B \rc\r\0d\r\r\nE\n", 15, 4);

	cr_expect_str_eq(all, "||AB|cd\n||E\n");
	free(all);
}

/* A line of that many bytes of tags and others; what comes of it. */
static void
expect_lengths(size_t tags, size_t rest, size_t tags_left, size_t rest_left)
{
	char *text = malloc(tags + rest + 20), *all;
	size_t size = 0;

	if (tags) {
		text[size++] = '@';
		memset(text + size, 't', tags - 2);
		size += tags - 2;
		text[size++] = ' ';
	}
	text[size++] = 'A';
	text[size++] = ' ';
	memset(text + size, 'r', rest - 2);
	size += rest - 2;
	memcpy(text + size, "\r\nEND\r\n", 7);
	for (size_t piece = 1; piece < 100000; piece *= 10) {
		char expected[64];

		all = read_all(text, size + 7, piece);
		if (rest_left) {
			cr_expect_eq(strcspn(all, "|"),
				tags_left ? tags_left - 2 : 0);
			cr_expect_eq(strspn(strchr(all, 'A') + 2, "r"),
				rest_left - 2);
		}
		snprintf(expected, sizeof(expected), "||END\n");
		cr_expect_str_eq(all + strlen(all) - 6, expected);
		free(all);
	}
	free(text);
}

Test(irc_line, is_cut_at_its_limits)
{
	expect_lengths(0, 510, 0, 510);
	expect_lengths(0, 511, 0, 510);
	expect_lengths(0, 100000, 0, 510);
	expect_lengths(8191, 510, 8191, 510);
	expect_lengths(8191, 600, 8191, 510);
	expect_lengths(8192, 510, 0, 0); /* it is gone */
	expect_lengths(50000, 510, 0, 0);
}

Test(irc_line, has_tags_with_values)
{
	struct line line = {.tags = "a=1;b;c=;msgid=x\\s\\:\\\\y\\;d=2"};
	char value[8];

	cr_expect(line_tag(&line, "a", value, sizeof(value)));
	cr_expect_str_eq(value, "1");
	cr_expect(line_tag(&line, "msgid", value, sizeof(value)));
	cr_expect_str_eq(value, "x ;\\y");
	cr_expect(line_tag(&line, "d", value, sizeof(value)));
	cr_expect_str_eq(value, "2");
	cr_expect_not(line_tag(&line, "b", value, sizeof(value)));
	cr_expect_not(line_tag(&line, "c", value, sizeof(value)));
	cr_expect_not(line_tag(&line, "e", value, sizeof(value)));
	cr_expect(line_tag(&line, "msgid", value, 3));
	cr_expect_str_eq(value, "x ");
}

Test(irc_line, comes_from_a_nick)
{
	struct line line = {.source = "ann!a@h"};
	char nick[4];

	line_nick(&line, nick, sizeof(nick));
	cr_expect_str_eq(nick, "ann");
	line.source = "annabel@h";
	line_nick(&line, nick, sizeof(nick));
	cr_expect_str_eq(nick, "ann");
	line.source = "";
	line_nick(&line, nick, sizeof(nick));
	cr_expect_str_eq(nick, "");
}
