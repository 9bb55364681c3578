/* test_watch_tree: what a watched folder looks like, and what of a change is
 * noticed. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/system/harness/files.h"
#include "worker/watch/snapshot.h"

static char folder[64];
static json_t *roots, *include, *ignore;

static const char *
at(const char *name)
{
	static char paths[4][256];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void
begin(void)
{
	strcpy(folder, "/tmp/supd-watch-XXXXXX");
	cr_assert(mkdtemp(folder));
	roots = json_pack("[s]", folder);
	include = json_pack("[s]", "*");
	ignore = json_pack("[s]", ".*");
}

static void
finish(void)
{
	files_remove_tree(folder);
	json_decref(roots);
	json_decref(include);
	json_decref(ignore);
}

TestSuite(watch_tree, .init = begin, .fini = finish);

static void
take(struct snapshot *s)
{
	const struct globs globs = {.include = include, .ignore = ignore};

	snapshot_take(s, roots, &globs, NULL);
}

/* How many entries differ from before, and that the sums say the same. */
static size_t
count_changes(struct snapshot *before, const char *expected)
{
	struct snapshot now;
	const char *path;
	size_t count;

	take(&now);
	count = snapshot_compare(before, &now, &path);
	cr_expect_eq(count == 0, snapshot_sum(before) == snapshot_sum(&now));
	if (expected)
		cr_expect_str_eq(path ? path : "", expected);
	snapshot_finish(before);
	*before = now;
	return count;
}

Test(watch_tree, each_difference_is_seen)
{
	struct snapshot s;

	files_write(at("a"), "1");
	take(&s);
	cr_expect_eq(count_changes(&s, NULL), 0);
	files_write(at("a"), "2");
	cr_expect_eq(count_changes(&s, "a"), 1);
	cr_assert_eq(mkdir(at("sub"), 0755), 0);
	cr_expect_eq(count_changes(&s, "sub"), 1);
	files_write(at("sub/b"), "1");
	cr_expect_eq(count_changes(&s, "sub/b"), 1);
	cr_assert_eq(rename(at("sub"), at("tub")), 0);
	cr_expect_eq(count_changes(&s, NULL), 4);
	cr_assert_eq(chmod(at("a"), 0600), 0);
	cr_expect_eq(count_changes(&s, "a"), 1);
	files_write(at(".hidden"), "1");
	cr_expect_eq(count_changes(&s, NULL), 0);
	cr_assert_eq(unlink(at("a")), 0);
	cr_expect_eq(count_changes(&s, "a"), 1);
	snapshot_finish(&s);
}

Test(watch_tree, links_are_followed_and_circles_end)
{
	struct snapshot s;
	char outside[] = "/tmp/supd-watched-XXXXXX";
	int fd = mkstemp(outside);

	cr_assert(fd >= 0);
	cr_assert_eq(symlink(outside, at("link")), 0);
	cr_assert_eq(symlink(".", at("circle")), 0);
	cr_assert_eq(symlink(folder, at("above")), 0);
	cr_assert_eq(symlink("nowhere", at("dangling")), 0);
	take(&s);
	cr_expect_eq(s.count, 4);
	cr_assert_eq(write(fd, "x", 1), 1);
	cr_expect_eq(count_changes(&s, "link"), 1);
	snapshot_finish(&s);
	close(fd);
	unlink(outside);
}

Test(watch_tree, a_folder_that_is_gone_is_missing)
{
	struct snapshot s;

	json_array_append_new(roots, json_string("/nowhere/at/all"));
	files_write(at("a"), "1");
	take(&s);
	cr_expect(s.count == 1 && !s.is_missing);
	snapshot_finish(&s);
	json_array_remove(roots, 0);
	take(&s);
	cr_expect(s.count == 0 && s.is_missing);
	snapshot_finish(&s);
}
