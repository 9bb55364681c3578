/* What the package irc makes of texts: lines for a server, words of people, and
 * how many of them a time. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/irc/bucket.h"
#include "plugins/irc/markdown.h"
#include "plugins/irc/split.h"
#include "plugins/irc/word.h"

TestSuite(irc_text);

/* ---- lines that are sent ---- */

static void
expect_pieces(const char *text, size_t most, const char *pieces)
{
	struct split s = {.at = text, .left = strlen(text), .most = most};
	char all[4096] = "";
	size_t size, count = 0;
	const char *piece;

	while (split_next(&s, &piece, &size)) {
		cr_expect(size && size <= most);
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%.*s|",
			(int)size, piece);
		count++;
	}
	cr_expect_str_eq(all, pieces);
	s = (struct split){.at = text, .left = strlen(text), .most = most};
	cr_expect_eq(split_count(s), count);
}

Test(irc_text, is_cut_into_lines)
{
	expect_pieces("", 10, "");
	expect_pieces("\n \n\n", 10, "");
	expect_pieces("one", 10, "one|");
	expect_pieces("one\n\n  two\n", 10, "one|  two|");
	expect_pieces("one two three", 10, "one two|three|");
	expect_pieces("0123456789abc", 10, "0123456789|abc|");
	expect_pieces("0123456789 bc", 10, "0123456789|bc|");
	expect_pieces("0 23456789abcdefghij", 10, "0 23456789|abcdefghij|");
	expect_pieces(
		"01234567\xc3\xa4\xc3\xa4", 9, "01234567|\xc3\xa4\xc3\xa4|");
	expect_pieces("\xf0\x9f\x91\x8d\xf0\x9f\x91\x8d", 5,
		"\xf0\x9f\x91\x8d|\xf0\x9f\x91\x8d|");
	expect_pieces("\x80\x80\x80\x80\x80\x80", 4,
		"\x80\x80\x80\x80|\x80\x80|"); /* no UTF-8 */
}

Test(irc_text, has_no_byte_that_ends_a_message)
{
	char text[] = "a\r\nb\rc\0d\1e\x7f\tf";
	size_t size = sizeof(text) - 1;

	split_clean(text, &size);
	cr_expect_str_eq(text, "a\nb\nc d e  f");
	cr_expect_eq(size, strlen(text));
}

/* ---- markdown ---- */

static void
expect_reduced(const char *text, const char *reduced)
{
	char *is = markdown_reduce(text);

	cr_expect_str_eq(is, reduced);
	free(is);
}

Test(irc_text, loses_its_marks)
{
	expect_reduced("", "");
	expect_reduced("**bold** and *thin*, __both__", "bold and thin, both");
	expect_reduced(
		"snake_case_name 2 * 3 * 4", "snake_case_name 2 * 3 * 4");
	expect_reduced("~~gone~~ ~/file", "gone ~/file");
	expect_reduced("# Title\n## Next\n#no", "Title\nNext\n#no");
	expect_reduced(
		"see [the page](http://x/y).", "see the page (http://x/y).");
	expect_reduced("[a] [b](c [d]", "[a] [b](c [d]");
	expect_reduced("`a*b*c` `open", "a*b*c `open");
	expect_reduced("```c\nint *a_b_c;\n```\n*end*", "int *a_b_c;\nend");
	expect_reduced("\\*plain\\*", "*plain*");
	expect_reduced("#", "#");
	expect_reduced("# ", "");
	expect_reduced("***", "*");
}

/* ---- what is heard ---- */

static void
expect_clean(const char *text, const char *clean)
{
	char is[WORD_TEXT_MAX + 1];

	word_clean(text, is);
	cr_expect_str_eq(is, clean);
}

Test(irc_text, is_heard_without_its_dress)
{
	char most[511];

	expect_clean("\2b\2 \0034,12c\3d \003e \00312345", "b cd e 345");
	expect_clean("\4ff0000,00ff00x\4y", "xy");
	expect_clean("caf\xe9 \x93", "caf\xc3\xa9 ");
	expect_clean("\xc3\xa4\x07\x7f\t.", "\xc3\xa4\t.");
	memset(most, 0xe9, 510);
	most[510] = '\0';
	{
		char is[WORD_TEXT_MAX + 1];

		word_clean(most, is);
		cr_expect_eq(strlen(is), 1020);
	}
}

Test(irc_text, mentions_a_nick)
{
	cr_expect(word_is_in("bot", "hello BOT!"));
	cr_expect(word_is_in("bot", "bot"));
	cr_expect(word_is_in("[x]", "so {X} it is"));
	cr_expect_not(word_is_in("bot", "robot bots bot_ bot|away"));
	cr_expect_not(word_is_in("bot", ""));
	cr_expect_str_eq(word_behind_nick("bot", "Bot:  go"), "go");
	cr_expect_str_eq(word_behind_nick("bot", "bot,"), "");
	cr_expect_null(word_behind_nick("bot", "bots: go"));
	cr_expect_null(word_behind_nick("bot", "bo"));
}

/* ---- names ---- */

Test(irc_text, has_names_in_any_case)
{
	char folded[5];

	cr_expect(word_equal("Ann[1]~", "aNN{1}^"));
	cr_expect_not(word_equal("ann", "annabel"));
	cr_expect_not(word_equal("ann", ""));
	word_fold("ABC\\DEF", folded, sizeof(folded));
	cr_expect_str_eq(folded, "abc|");
}

Test(irc_text, matches_masks)
{
	static const struct {
		const char *mask, *text;
		bool matches;
	} rows[] = {
		{"alice!*@trusted.example", "Alice!a@trusted.EXAMPLE", true},
		{"alice!*@trusted.example", "alice!a@trusted.example.evil",
			false},
		{"alice!*@*", "malice!a@h", false},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"?", "", false},
		{"a*b*c", "axxbyyc", true},
		{"a*b*c", "axxbyy", false},
		{"*a", "aaaa", true},
		{"**?", "x", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(word_matches(rows[i].mask, rows[i].text),
			rows[i].matches, "%s %s", rows[i].mask, rows[i].text);
}

Test(irc_text, has_no_name_that_is_more_than_one)
{
	cr_expect(word_is_channel("#room"));
	cr_expect_not(word_is_channel("room"));
	cr_expect_not(word_is_channel("#a,#b"));
	cr_expect_not(word_is_channel("#a b"));
	cr_expect_not(word_is_channel("#"));
	cr_expect(word_is_nick("bot[1]"));
	cr_expect_not(word_is_nick("1bot"));
	cr_expect_not(word_is_nick("bot!x"));
	cr_expect_not(word_is_nick(""));
	cr_expect(word_is_target("#room"));
	cr_expect_not(word_is_target(":x"));
	cr_expect_not(word_is_target("a\r\nQUIT"));
	cr_expect_not(word_is_target(""));
}

/* ---- the rate ---- */

Test(irc_text, is_sent_at_a_rate)
{
	struct bucket b = {.burst = 3, .every_ms = 100};

	for (int i = 0; i < 3; i++)
		cr_expect_eq(bucket_take(&b, 1000), 0);
	cr_expect_eq(bucket_take(&b, 1000), 100);
	cr_expect_eq(bucket_take(&b, 1040), 60);
	cr_expect_eq(bucket_take(&b, 1100), 0);
	cr_expect_eq(bucket_take(&b, 1100), 100);
	/* three again, and no more, after any pause */
	for (int i = 0; i < 3; i++)
		cr_expect_eq(bucket_take(&b, 100000), 0);
	cr_expect_eq(bucket_take(&b, 100000), 100);
	bucket_set(&b, 4, 1000, 100000);
	cr_expect_eq(bucket_take(&b, 100000), 0);
	cr_expect_eq(bucket_take(&b, 100000), 1000);
}
