/* What a client's conditions and ranges make of a file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "plugins/static/condition.h"
#include "plugins/static/type.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER "Mon, 07 Nov 1994 08:49:37 GMT"

static const struct facts strong = {1000, 784111777, "\"abc\""};
static const struct facts weak = {1000, 784111777, "W/\"abc\""};

Test(static_condition, dates_are_written_and_read)
{
	char text[30];

	date_write(784111777, text);
	cr_expect_str_eq(text, DATE);
	cr_expect_eq(date_read(DATE), 784111777);
	cr_expect_eq(date_read("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	cr_expect_eq(date_read("Wednesday, 09-Nov-94 08:49:37 GMT"),
		784111777 + 3 * 86400);
	cr_expect_eq(date_read("Sun Nov  6 08:49:37 1994"), 784111777);
	cr_expect_eq(
		date_read("Wed Nov 16 08:49:37 1994"), 784111777 + 10 * 86400);
	cr_expect_eq(date_read("Sunday, 06-Xyz-94 08:49:37 GMT"), -1);
	cr_expect_eq(date_read("Sunday, 06-Nov-94 08:49:37"), -1);
	cr_expect_eq(date_read("Sun Nov  6 08:49:37 1994 GMT"), -1);
	cr_expect_eq(date_read("Sun Nov  6 08:49:37"), -1);
	cr_expect_eq(date_read("Sun, 06 Xyz 1994 08:49:37 GMT"), -1);
	cr_expect_eq(date_read("Sun, 06 anF 1994 08:49:37 GMT"), -1);
	cr_expect_eq(date_read(DATE "x"), -1);
	cr_expect_eq(date_read(""), -1);
}

Test(static_condition, ranges)
{
	static const struct {
		const char *range;
		int status;
		uint64_t first, bytes;
	} rows[] = {
		{"bytes=0-0", 206, 0, 1},
		{"Bytes=0-0", 206, 0, 1},
		{"BYTES=-1", 206, 999, 1},
		{"bytes=0-499", 206, 0, 500},
		{"bytes=500-", 206, 500, 500},
		{"bytes=999-5000", 206, 999, 1},
		{"bytes=-1", 206, 999, 1},
		{"bytes=-5000", 206, 0, 1000},
		{"bytes=1000-", 416, 0, 0},
		{"bytes=1000-2000", 416, 0, 0},
		{"bytes=-0", 416, 0, 0},
		/* as if they were not there */
		{"bytes=5-4", 200, 0, 1000},
		{"bytes=0-1,5-6", 200, 0, 1000},
		{"bytes=", 200, 0, 1000},
		{"bytes=-", 200, 0, 1000},
		{"bytes=a-b", 200, 0, 1000},
		{"bytes=1-b", 200, 0, 1000},
		{"bytes=+1-2", 200, 0, 1000},
		{"bytes=99999999999999999999-", 200, 0, 1000},
		{"lines=0-1", 200, 0, 1000},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct condition c = {.range = rows[i].range};
		struct part part;

		cr_expect_eq(condition_judge(&c, &strong, &part),
			rows[i].status, "%s", rows[i].range);
		if (rows[i].status == 416)
			continue;
		cr_expect_eq(part.first, rows[i].first, "%s", rows[i].range);
		cr_expect_eq(part.bytes, rows[i].bytes, "%s", rows[i].range);
	}
}

Test(static_condition, of_nothing_there_is_no_range)
{
	static const struct facts empty = {0, 784111777, "\"e\""};
	struct part part;

	cr_expect_eq(condition_judge(&(struct condition){.range = "bytes=-5"},
			     &empty, &part),
		416);
	cr_expect_eq(condition_judge(&(struct condition){.range = "bytes=0-"},
			     &empty, &part),
		416);
	cr_expect_eq(
		condition_judge(&(struct condition){0}, &empty, &part), 200);
	cr_expect_eq(part.bytes, 0);
}

Test(static_condition, conditions)
{
	static const struct {
		struct condition c;
		int strong, weak;
	} rows[] = {
		{{.if_none_match = "\"abc\""}, 304, 304},
		{{.if_none_match = "W/\"abc\""}, 304, 304},
		{{.if_none_match = "\"x\", \"a,b\" , \"abc\""}, 304, 304},
		{{.if_none_match = "*"}, 304, 304},
		{{.if_none_match = "\"abcd\""}, 200, 200},
		{{.if_none_match = "\"ab\""}, 200, 200},
		{{.if_none_match = "abc"}, 200, 200},
		{{.if_none_match = "\"abc"}, 200, 200},
		{{.if_none_match = ""}, 200, 200},
		{{.if_modified_since = DATE}, 304, 304},
		{{.if_modified_since = LATER}, 304, 304},
		{{.if_modified_since = EARLIER}, 200, 200},
		{{.if_modified_since = "yesterday"}, 200, 200},
		/* a tag wins over a date */
		{{.if_none_match = "\"x\"", .if_modified_since = DATE}, 200,
			200},
		{{.if_match = "\"abc\""}, 200, 412},
		{{.if_match = "W/\"abc\""}, 412, 412},
		{{.if_match = "\"x\""}, 412, 412},
		{{.if_match = "*"}, 200, 200},
		{{.if_unmodified_since = DATE}, 200, 200},
		{{.if_unmodified_since = EARLIER}, 412, 412},
		{{.if_unmodified_since = "never"}, 200, 200},
		{{.if_match = "*", .if_unmodified_since = EARLIER}, 200, 200},
		{{.range = "bytes=0-1", .if_range = "\"abc\""}, 206, 200},
		{{.range = "bytes=0-1", .if_range = "W/\"abc\""}, 200, 200},
		{{.range = "bytes=0-1", .if_range = "\"x\""}, 200, 200},
		{{.range = "bytes=0-1", .if_range = DATE}, 206, 206},
		{{.range = "bytes=0-1", .if_range = LATER}, 200, 200},
		{{.range = "bytes=0-1", .is_head = true}, 200, 200},
		{{.range = "bytes=9999-", .if_none_match = "*"}, 304, 304},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct part part;

		cr_expect_eq(condition_judge(&rows[i].c, &strong, &part),
			rows[i].strong, "row %zu", i);
		cr_expect_eq(condition_judge(&rows[i].c, &weak, &part),
			rows[i].weak, "row %zu, weak", i);
	}
}

Test(static_condition, types_go_by_the_last_extension)
{
	cr_expect_str_eq(type_of_name("a/b.HTML"), "text/html; charset=utf-8");
	cr_expect_str_eq(type_of_name("a.js.map"), "application/json");
	cr_expect_str_eq(type_of_name("a.d/b"), "application/octet-stream");
	cr_expect_str_eq(type_of_name("README"), "application/octet-stream");
	cr_expect_str_eq(type_of_name("b."), "application/octet-stream");
}
