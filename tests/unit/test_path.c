/* path: what is refused, what is resolved, and what patterns may look like. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/route/path.h"

static struct path path;
static struct error err;

/* The segments, each with a slash before it; "!" where it is refused. */
static const char *
split(const char *raw)
{
	static char text[2 * PATH_MAX_BYTES];
	size_t used = 0;

	if (path_split(&path, bytes_of(raw), &err) == -1)
		return "!";
	for (unsigned i = 0; i < path.count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"/%.*s", (int)path.segments[i].length,
			path.segments[i].at);
	return text;
}

Test(path, splits_decodes_and_resolves)
{
	static const struct {
		const char *raw, *want;
		unsigned count;
	} rows[] = {
		{"/", "/", 1},
		{"/a", "/a", 1},
		{"/a/", "/a/", 2},
		{"/a/b/c", "/a/b/c", 3},
		{"/a%20b/%7Bx%7D", "/a b/{x}", 2},
		{"/%61/%C3%A9", "/a/\xc3\xa9", 2},
		{"/caf\xc3\xa9", "/caf\xc3\xa9", 1},
		{"/%252e%252e", "/%2e%2e", 1},
		{"/a/./b", "/a/b", 2},
		{"/a/../b", "/b", 1},
		{"/a/%2e%2E/b", "/b", 1},
		{"/a/.%2e/b", "/b", 1},
		{"/a/b/..", "/a/", 2},
		{"/a/b/../", "/a/", 2},
		{"/a/.", "/a/", 2},
		{"/.", "/", 1},
		{"/a/..", "/", 1},
		{"/a/../b/../c/./d", "/c/d", 2},
		{"/...", "/...", 1},
		{"/.a/..b/c.", "/.a/..b/c.", 3},
		{"/a\\b", "/a\\b", 1},
		{"/~u/x;y=1,z", "/~u/x;y=1,z", 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *got = split(rows[i].raw);

		cr_expect_str_eq(got, rows[i].want, "%s", rows[i].raw);
		cr_expect_eq(path.count, rows[i].count, "%s", rows[i].raw);
		cr_expect(bytes_equal(path.text, bytes_of(rows[i].want)), "%s",
			rows[i].raw);
	}
}

Test(path, refuses_what_could_be_read_in_two_ways)
{
	static const char *const rows[] = {"", "a", "*", "http://x/", "//",
		"//a", "/a//b", "/a//", "/a/..//b", "/a%2Fb", "/a%2fb", "/%00",
		"/a%", "/a%4", "/a%4g", "/a%g4", "/%0a", "/%0D", "/%7f", "/%1f",
		"/a b", "/a\tb", "/a\x7f", "/a?b", "/a#b", "/..", "/../a",
		"/a/../..", "/%2e%2e/a", "/a/../%2e%2e/etc", "/%ff", "/\xff",
		"/%c3", "/%ed%a0%80", "/%c0%af"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		memset(&err, 0, sizeof(err));
		cr_expect_str_eq(split(rows[i]), "!", "%s", rows[i]);
		cr_expect(*err.text, "%s: no reason", rows[i]);
	}
	cr_expect_eq(path_split(&path, (struct bytes){"/a\0b", 4}, NULL), -1);
}

Test(path, has_limits)
{
	char raw[PATH_MAX_BYTES + 2];

	memset(raw, 'a', sizeof(raw));
	raw[0] = '/';
	cr_expect_eq(
		path_split(&path, (struct bytes){raw, PATH_MAX_BYTES}, &err),
		0);
	cr_expect_eq(path_split(&path, (struct bytes){raw, PATH_MAX_BYTES + 1},
			     &err),
		-1);
	for (size_t i = 0; i <= (size_t)2 * PATH_MAX_SEGMENTS; i += 2)
		raw[i] = '/';
	cr_expect_eq(path_split(&path,
			     (struct bytes){raw, 2 * PATH_MAX_SEGMENTS}, &err),
		0);
	cr_expect_eq(path.count, PATH_MAX_SEGMENTS);
	cr_expect_eq(
		path_split(&path,
			(struct bytes){raw, 2 * PATH_MAX_SEGMENTS + 2}, &err),
		-1);
	raw[1] = '.';
	cr_expect_eq(
		path_split(&path,
			(struct bytes){raw, 2 * PATH_MAX_SEGMENTS + 2}, &err),
		0);
}

/* Any bytes give a path of sane segments or a refusal. */
Test(path, survives_any_bytes)
{
	static const char alphabet[] = "//..%%%2eEfF05aA\xc3\xa9";
	char raw[24];

	srandom(7);
	for (int round = 0; round < 200000; round++) {
		size_t length = 1 + (size_t)random() % sizeof(raw);
		char *copy = malloc(length);
		size_t total = 0;

		raw[0] = '/';
		for (size_t i = 1; i < length; i++)
			raw[i] = alphabet[(size_t)random() %
					  (sizeof(alphabet) - 1)];
		memcpy(copy, raw, length); /* so that ASan sees the end */
		if (path_split(&path, (struct bytes){copy, length}, &err) ==
			0) {
			for (unsigned i = 0; i < path.count; i++) {
				struct bytes s = path.segments[i];

				cr_assert(i + 1 == path.count || s.length);
				cr_assert(!bytes_equal(s, BYTES(".")));
				cr_assert(!bytes_equal(s, BYTES("..")));
				cr_assert(!memchr(s.at, '/', s.length));
				cr_assert_eq(s.at, path.text.at + total + 1);
				total += 1 + s.length;
			}
			cr_assert_eq(total, path.text.length);
			cr_assert(path.count);
		}
		free(copy);
	}
}

Test(path, says_what_is_wrong_with_a_pattern)
{
	static const struct {
		const char *pattern, *reason; /* NULL: fine */
	} rows[] = {
		{"/", NULL},
		{"/a/{x}/b/{y_2}/*", NULL},
		{"/*", NULL},
		{"/a/", NULL},
		{"/a%20b", NULL},
		{"/%7Bx%7D", NULL},
		{"", "slash"},
		{"a", "slash"},
		{"/a//b", "empty segment"},
		{"/a/../b", "root"},
		{"/a/./b", "dot segment"},
		{"/a%2Fb", "%2F"},
		{"/a%zz", "escape"},
		{"/a b", "space"},
		{"/a?b", "?"},
		{"/*/a", "last"},
		{"/a*", "whole"},
		{"/{x", "whole"},
		{"/x}", "whole"},
		{"/a{x}", "whole"},
		{"/{x}{y}", "not a valid parameter name"},
		{"/{}", "not a valid parameter name"},
		{"/{1}", "not a valid parameter name"},
		{"/{y-z}", "not a valid parameter name"},
		{"/{x}/{x}", "twice"},
		{"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}"
		 "/{p}",
			NULL},
		{"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}"
		 "/{p}/*",
			"parameters"},
		{"/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1"
		 "/1/1",
			NULL},
		{"/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1/1"
		 "/1/1/1",
			"segments"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct path_pattern parsed;
		int result = path_parse_pattern(&parsed, rows[i].pattern, &err);

		cr_expect_eq(
			result, rows[i].reason ? -1 : 0, "%s", rows[i].pattern);
		if (rows[i].reason)
			cr_expect(strstr(err.text, rows[i].reason), "%s: %s",
				rows[i].pattern, err.text);
	}
}

Test(path, takes_a_pattern_apart)
{
	struct path_pattern p;

	cr_assert_eq(path_parse_pattern(&p, "/a%20b/{x}/*", &err), 0);
	cr_expect_eq(p.count, 3);
	cr_expect_eq(p.param_count, 2);
	cr_expect(bytes_equal(p.pieces[0].text, BYTES("a b")));
	cr_expect(bytes_equal(p.pieces[1].text, BYTES("x")));
	cr_expect(bytes_equal(p.pieces[2].text, BYTES("*")));
	cr_expect_eq(p.pieces[2].kind, PATH_REST);
	cr_assert_eq(path_parse_pattern(&p, "/a/%62/", &err), 0);
	cr_expect_eq(p.param_count, 0);
	cr_expect(bytes_equal(p.text, BYTES("/a/b/")));
}

Test(path, knows_the_first_segments_that_are_the_gateways_own)
{
	cr_expect(path_is_reserved(BYTES("api")));
	cr_expect(!path_is_reserved(BYTES("apix")));
	cr_expect(!path_is_reserved(BYTES("")));
}
