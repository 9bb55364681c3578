/* Texts cut into what a channel takes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/channel/pieces.h"

/* The pieces, with | between them. */
static char *
cut(const char *text, size_t limit)
{
	struct pieces p = {.rest = bytes_of(text), .limit = limit};
	char *all = memory_copy_text(""), *longer;
	json_t *content;

	while ((content = pieces_next(&p))) {
		const char *piece =
			json_string_value(json_object_get(content, "text"));

		cr_expect(!limit || strlen(piece) <= limit, "%s", piece);
		longer = memory_format("%s%s%s", all, *all ? "|" : "", piece);
		free(all);
		all = longer;
		json_decref(content);
	}
	return all;
}

Test(pieces, are_cut_at_line_ends_then_spaces_then_characters)
{
	static const struct {
		size_t limit;
		const char *text, *pieces;
	} rows[] = {
		{0, "one\ntwo three", "one\ntwo three"},
		{0, "", ""},
		{10, "one\ntwo", "one\ntwo"},
		{7, "one\ntwo\nthree", "one\ntwo|three"},
		{6, "one\ntwo\nthree", "one|two|three"},
		{7, "one two three", "one two|three"},
		{4, "abcdefgh", "abcd|efgh"},
		{3, "ab\nc d", "ab|c d"},
		{4, "äöü", "äö|ü"},
		{5, "äöü", "äö|ü"},
		{3, "abc\n", "abc"},
		{3, "abc\n\nd", "abc|\nd"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *pieces = cut(rows[i].text, rows[i].limit);

		cr_expect_str_eq(pieces, rows[i].pieces, "%s", rows[i].text);
		free(pieces);
	}
}

Test(pieces, are_ten_and_the_last_one_says_that_there_is_more)
{
	char text[2001], *pieces;
	unsigned count = 1;

	memset(text, 'x', 2000);
	text[2000] = '\0';
	pieces = cut(text, 100);
	for (const char *at = pieces; (at = strchr(at, '|')); at++)
		count++;
	cr_expect_eq(count, PIECES_MAX);
	cr_expect(strstr(pieces, "x\xe2\x80\xa6"), "%s", pieces);
	free(pieces);
	pieces = cut("1 2 3 4 5 6 7 8 9 0 1 2", 1);
	cr_expect_str_eq(pieces, "1|2|3|4|5|6|7|8|9|0");
	free(pieces);
}

Test(pieces, have_keys_of_their_own)
{
	struct pieces p = {.rest = bytes_of("a b"), .limit = 1};
	char *key;

	json_decref(pieces_next(&p));
	key = pieces_key(&p, "k");
	cr_expect_str_eq(key, "k");
	free(key);
	json_decref(pieces_next(&p));
	key = pieces_key(&p, "k");
	cr_expect_str_eq(key, "k-2");
	free(key);
}
