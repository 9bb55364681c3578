/* test_watch_glob: which files of a watched package count. */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "worker/watch/glob.h"

TestSuite(watch_glob);

Test(watch_glob, patterns_are_for_segments_or_whole_paths)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} rows[] = {
		{"*", "a", true},
		{"*", "a/b", true},
		{"*.c", "a/b.c", true},
		{"*.c", "a/b.cc", false},
		{"build", "build", true},
		{"build", "a/build", true},
		{"build", "builder.c", false},
		{"build", "a/builder", false},
		{".*", ".git", true},
		{".*", "a/.x.swp", true},
		{".*", "a.b", false},
		{"__pycache__", "a/__pycache__", true},
		{"/build", "build", true},
		{"/build", "a/build", false},
		{"a/*.c", "a/b.c", true},
		{"a/*.c", "a/b/c.c", false},
		{"a/**", "a/b/c.c", true},
		{"a/**", "a/b", true},
		{"a/**", "b/a", false},
		{"**/test", "test", true},
		{"**/test", "a/b/test", true},
		{"**/test", "a/b/tests", false},
		{"a/**/d/*.c", "a/b/c/d/e.c", true},
		{"a/**/d/*.c", "a/d/e.c", true},
		{"a/**/d/*.c", "a/d/b/e.c", false},
		{"a/**/d/**", "a/b/d/x/y", true},
		{"**/**/x", "x", true},
		{"[ab].c", "a.c", true},
		{"[ab].c", "c.c", false},
		{"a/", "a", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(glob_matches(rows[i].pattern, rows[i].path),
			rows[i].matches, "%s on %s", rows[i].pattern,
			rows[i].path);
}

Test(watch_glob, what_is_ignored_does_not_count_though_it_is_included)
{
	json_t *include = json_pack("[s,s]", "*.py", "conf/*");
	json_t *ignore = json_pack("[s,s]", "test_*", "/conf/local");
	const struct globs g = {.include = include, .ignore = ignore};

	cr_expect(globs_have(&g, "a/main.py"));
	cr_expect_not(globs_have(&g, "a/test_main.py"));
	cr_expect_not(globs_have(&g, "readme"));
	cr_expect(globs_have(&g, "conf/x"));
	cr_expect_not(globs_have(&g, "conf/local"));
	cr_expect(globs_ignore(&g, "conf/local"));
	cr_expect_not(globs_ignore(&g, "conf"));
	json_decref(include);
	json_decref(ignore);
}

/* Many ** in a pattern that nearly matches: the time grows with both lengths,
 * not with their power; else this would not end. */
Test(watch_glob, a_hostile_pattern_costs_no_more_than_its_length, .timeout = 60)
{
	char pattern[3 * 200 + 8] = "", path[2 * 1000 + 8] = "";

	for (int i = 0; i < 100; i++)
		strcat(pattern, "**/a/");
	strcat(pattern, "b");
	for (int i = 0; i < 1000; i++)
		strcat(path, "a/");
	strcat(path, "c");
	cr_expect_not(glob_matches(pattern, path));
}

/* The same for what a segment may hold. */
Test(watch_glob, nor_does_a_hostile_segment, .timeout = 60)
{
	static const char *const parts[] = {
		"*a", "*?", "?*", "*[a]", "*[!b]", "*[ab]a", "**"};
	char pattern[512], path[256];

	memset(path, 'a', 255);
	path[255] = '\0';
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		pattern[0] = '\0';
		while (strlen(pattern) + strlen(parts[i]) < 250)
			strcat(pattern, parts[i]);
		strcat(pattern, "b");
		cr_expect_not(glob_matches(pattern, path), "%s", parts[i]);
	}
}
