/* Patterns of senders' ids. */
#include <criterion/criterion.h>

#include "proto/util/glob.h"

static bool
matches(const char *pattern, const char *text)
{
	return glob_matches(bytes_of(pattern), bytes_of(text));
}

Test(glob, a_star_stands_for_anything)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{"alice", "alice", true},
		{"alice", "alice2", false},
		{"alice", "xalice", false},
		{"alice", "Alice", false},
		{"alice", "", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything at all", true},
		{"**", "", true},
		{"alice!*@trusted.example", "alice!a@trusted.example", true},
		{"alice!*@trusted.example", "alice!@trusted.example", true},
		{"alice!*@trusted.example", "alice!a@trusted.example.org",
			false},
		{"alice!*@trusted.example", "malice!a@trusted.example", false},
		{"alice!*@trusted.example", "alice!a@untrusted.example", false},
		{"alice!*@trusted.example",
			"alice!x@trusted.example!y@trusted.example", true},
		{"*@trusted.example", "a@b@trusted.example", true},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXbXbX", false},
		{"[a]*\\?", "[a]x\\?", true},
		{"[a]", "a", false},
		{"?", "a", false},
		{"a*", "a", true},
		{"a*a", "a", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(matches(rows[i].pattern, rows[i].text),
			rows[i].matches, "%s on %s", rows[i].pattern,
			rows[i].text);
}

Test(glob, a_nul_is_a_character_like_others)
{
	cr_expect(glob_matches(BYTES("a*"), BYTES("a\0b")));
	cr_expect_not(glob_matches(BYTES("a"), BYTES("a\0b")));
}
