/* json_text: JSON as it is written and read at every door. */
#include <criterion/criterion.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json_text.h"

/* Read and written again they are the same bytes. */
Test(json_text, documents_come_out_as_they_went_in)
{
	static const char *const documents[] = {
		"null",
		"true",
		"0",
		"-1",
		"9223372036854775807",
		"-9223372036854775808",
		"9007199254740993",
		"1732800000123.456",
		"0.1",
		"0.30000000000000004",
		"1.0",
		"-0.0",
		"100.0",
		"1e22",
		"1.7976931348623157e308",
		"2.2250738585072014e-308",
		"5e-324",
		"1e-7",
		"\"\"",
		"\"a\\u0000b\"",
		"\"\\\"\\\\/\\b\\f\\n\\r\\t\\u001b\\u007f\\u009b\"",
		"\"za\305\274\303\263\305\202\304\207 \360\237\230\200\"",
		"\"\\u202egnp.exe\\u2066\"",
		"[]",
		"{}",
		"[1,[2,{}],null]",
		"{\"z\":1,\"a\":{\"b\":[true,\"x\"]},\"\":2}",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(*documents); i++) {
		struct error err = {0};
		json_t *value =
			json_text_read(bytes_of(documents[i]), NULL, &err);
		char *text;

		cr_assert(value, "%s: %s", documents[i], err.text);
		text = json_text(value, JSON_TEXT_COMPACT);
		cr_expect_str_eq(text, documents[i]);
		free(text);
		json_decref(value);
	}
}

Test(json_text, every_real_reads_back_as_itself)
{
	uint64_t state = 88172645463325252, count = 0;

	while (count < 200000) {
		struct buffer b = {0};
		double real;

		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		memcpy(&real, &state, sizeof(real));
		if (!isfinite(real))
			continue;
		count++;
		json_text_append_real(&b, real);
		buffer_append_byte(&b, 0);
		cr_assert(strtod((char *)buffer_bytes(&b), NULL) == real,
			"%s is not %.17g", (char *)buffer_bytes(&b), real);
		buffer_finish(&b);
	}
}

Test(json_text, a_locale_has_no_part_in_it)
{
	struct buffer b = {0};

	if (!setlocale(LC_ALL, "de_DE.UTF-8") &&
		!setlocale(LC_ALL, "fr_FR.utf8"))
		cr_skip_test("no locale with a decimal comma is installed");
	json_text_append_real(&b, 0.5);
	buffer_append_byte(&b, 0);
	cr_expect_str_eq((char *)buffer_bytes(&b), "0.5");
	buffer_finish(&b);
}

Test(json_text, has_forms_for_people_and_for_wires)
{
	static const struct {
		unsigned form;
		const char *text;
	} rows[] = {
		{JSON_TEXT_COMPACT,
			"{\"b\":[1,2.5],\"a\":\"\303\274\",\"c\":{}}"},
		{JSON_TEXT_SPACED,
			"{\"b\": [1, 2.5], \"a\": \"\303\274\", \"c\": {}}"},
		{JSON_TEXT_SORTED,
			"{\"a\":\"\303\274\",\"b\":[1,2.5],\"c\":{}}"},
		{JSON_TEXT_ASCII, "{\"b\":[1,2.5],\"a\":\"\\u00fc\",\"c\":{}}"},
		{JSON_TEXT_LINES, "{\n  \"b\": [\n    1,\n    2.5\n  ],\n"
				  "  \"a\": \"\303\274\",\n  \"c\": {}\n}"},
	};
	json_t *value = json_text_read(bytes_of(rows[0].text), NULL, NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *text = json_text(value, rows[i].form);

		cr_expect_str_eq(text, rows[i].text);
		free(text);
	}
	json_decref(value);
}

Test(json_text, what_is_not_json_is_refused_with_its_place)
{
	static const struct {
		struct bytes text;
		int line, column;
	} rows[] = {
		{BYTES_INIT(""), 1, 0},
		{BYTES_INIT("{\"a\":1,\n \"a\":2}"), 2, 4},
		{BYTES_INIT("[1,\n2,]"), 2, 3},
		{BYTES_INIT("[NaN]"), 1, 4},
		{BYTES_INIT("[Infinity]"), 1, 9},
		{BYTES_INIT("9223372036854775808"), 1, 19},
		{BYTES_INIT("1e400"), 1, 5},
		{BYTES_INIT("\"\\q\""), 1, 3},
		{BYTES_INIT("\"\\ud800\""), 1, 8},
		{BYTES_INIT("\"a\0b\""), 1, 2},
		{BYTES_INIT("{\"a\\u0000\":1}"), 1, 10},
		{BYTES_INIT("\"\x1b\""), 1, 1},
		{BYTES_INIT("\"\xff\""), 1, 1},
		{BYTES_INIT("1 2"), 1, 3},
		{BYTES_INIT("'a'"), 1, 1},
		{BYTES_INIT("[01]"), 1, 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_error_t where = {0};
		struct error err = {0};
		char position[64];

		cr_expect_null(json_text_read(rows[i].text, &where, &err));
		snprintf(position, sizeof(position), "line %d, column %d",
			where.line, where.column);
		cr_expect(strstr(err.text, position), "%s", err.text);
		cr_expect_eq(where.line, rows[i].line, "%s: %s",
			rows[i].text.at, err.text);
		cr_expect_eq(where.column, rows[i].column, "%s: %s",
			rows[i].text.at, err.text);
	}
}

Test(json_text, bytes_that_are_no_text_are_marked)
{
	struct buffer b = {0};

	json_text_append_string(&b, BYTES("a\xff\xc3"));
	buffer_append_byte(&b, 0);
	cr_expect_str_eq((char *)buffer_bytes(&b), "\"a\\ufffd\\ufffd\"");
	buffer_finish(&b);
}

Test(json_text, values_are_counted_without_reading_them)
{
	static const struct {
		const char *text;
		size_t count;
	} rows[] = {{"1", 1}, {"[1,2]", 3}, {"{\"a\":1}", 3}, {"\"[,:{\"", 1},
		{"[\"\\\",\",1]", 3}, {"[{},[]]", 5}, {"\"open", 1},
		{"\"\\", 1}, {"", 1}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(json_text_values(bytes_of(rows[i].text)),
			rows[i].count, "%s: %zu", rows[i].text,
			json_text_values(bytes_of(rows[i].text)));
}
