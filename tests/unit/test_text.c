/* Strings that do not fit, or are not text: at every byte the result is UTF-8,
 * and no character is lost that would have fitted. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/error.h"
#include "proto/util/text.h"
#include "proto/util/utf8.h"
#include "proto/value.h"

#define EURO "\xe2\x82\xac"	 /* three bytes */
#define SMILE "\xf0\x9f\x98\x80" /* four */
#define BAD "\xef\xbf\xbd"

Test(text, is_cut_between_characters_at_every_size)
{
	static const char all[] = "a\xc3\xa4" EURO SMILE "z";
	char out[32];

	for (size_t size = 1; size <= sizeof(all); size++) {
		size_t length = text_format(out, size, "%s", all);

		cr_expect_eq(length, strlen(out));
		cr_expect(utf8_is_valid(out, length), "size %zu", size);
		cr_expect_eq(memcmp(out, all, length), 0);
		cr_expect_gt(length + 4, size - 1, "only one is lost");
		cr_expect_eq(text_fit(all, sizeof(all) - 1, size - 1), length);
	}
}

Test(text, is_shortened_in_its_middle_at_every_size)
{
	static const char all[] = "a\xc3\xa4" EURO SMILE SMILE EURO "\xc3\xa4z";
	char text[sizeof(all)];

	for (size_t max = 8; max < sizeof(all) + 2; max++) {
		memcpy(text, all, sizeof(all));
		text_shorten(text, max);
		cr_expect_leq(strlen(text), max);
		cr_expect(utf8_is_valid(text, strlen(text)), "size %zu", max);
		cr_expect_eq(text[0], 'a');
		cr_expect_eq(text[strlen(text) - 1], 'z');
		cr_expect_eq(
			!strstr(text, "\xe2\x80\xa6"), max >= sizeof(all) - 1);
	}
}

/* Whole words of ASCII are skipped: what is no text is found wherever it lies
 * in one, and however the text is aligned. */
Test(text, what_is_not_utf8_is_found_at_every_place)
{
	char text[48];

	for (size_t begin = 0; begin < 8; begin++)
		for (size_t bad = begin; bad < sizeof(text); bad++) {
			size_t length = sizeof(text) - begin;

			memset(text, 'x', sizeof(text));
			cr_expect(utf8_is_valid(text + begin, length));
			text[bad] = '\xff';
			cr_expect_not(utf8_is_valid(text + begin, length),
				"%zu from %zu", bad, begin);
			if (bad + 1 == sizeof(text))
				continue;
			memcpy(text + bad, "\xc3\xa4", 2);
			cr_expect(utf8_is_valid(text + begin, length));
			cr_expect_not(
				utf8_is_valid(text + begin, bad + 1 - begin));
		}
}

Test(text, what_is_not_utf8_is_replaced)
{
	char out[16];

	text_format(out, sizeof(out), "a\xff%s", "b");
	cr_expect_str_eq(out, "a" BAD "b");
	text_format(out, sizeof(out), "'%.4s'", EURO EURO);
	cr_expect_str_eq(out, "'" EURO BAD "'", "half a character");
	text_format(out, 6, "\xff\xff\xff");
	cr_expect_str_eq(out, BAD, "the second does not fit");
	text_format(out, sizeof(out), "'%.*s'", TEXT_FIT(EURO EURO, 4));
	cr_expect_str_eq(out, "'" EURO "'");
}

Test(text, an_error_is_text_however_long_its_words_are)
{
	char words[1200] = "x";

	for (size_t shift = 1; shift < 4; shift++) {
		struct error err = {.text = ""};

		for (size_t i = shift; i + 3 < sizeof(words); i += 3)
			memcpy(words + i, EURO, 4);
		error_set(&err, "%s", words);
		cr_expect(utf8_is_valid(err.text, strlen(err.text)));
		cr_expect_gt(strlen(err.text), sizeof(err.text) - 5);
		error_prefix(&err, "in front: ");
		cr_expect(utf8_is_valid(err.text, strlen(err.text)));
		memset(words, 'x', 4);
	}
}

Test(text, a_json_string_is_never_lost)
{
	json_t *text = value_text("a\xff" EURO);

	cr_assert(text);
	cr_expect_str_eq(json_string_value(text), "a" BAD EURO);
	json_decref(text);
	text = value_text(NULL);
	cr_expect(json_is_null(text));
	json_decref(text);
}
