/* test_watch_origin: what of the changes while a build runs is the build's. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "worker/watch/origin.h"

static struct origin origin;
static json_t *made;

static void
begin(void)
{
	origin = (struct origin){0};
	made = json_pack("[s]", "hello.so");
}

static void
finish(void)
{
	origin_finish(&origin);
	json_decref(made);
}

TestSuite(watch_origin, .init = begin, .fini = finish);

static bool
is_build(const char *path, bool is_new)
{
	return origin_is_build(&origin, made, path, is_new);
}

Test(watch_origin, what_is_run_is_made_in_any_case)
{
	cr_expect(is_build("hello.so", false));
	origin_note_source(&origin, "hello.so"); /* made by hand meanwhile */
	cr_expect(is_build("hello.so", false));
}

Test(watch_origin, what_changed_at_another_time_is_a_source)
{
	origin_note_source(&origin, "Makefile");
	for (int i = 0; i < 5; i++)
		cr_expect_not(is_build("Makefile", false));
	cr_expect_not(is_build("Makefile", true)); /* removed, made anew */
}

Test(watch_origin, so_is_what_has_the_suffix_of_a_source)
{
	origin_note_source(&origin, "/src/hello.c");
	for (int i = 0; i < 5; i++)
		cr_expect_not(is_build("other.c", i == 0));
	cr_expect(is_build("hello.o", true));
	origin_note_source(&origin, ".hidden"); /* which is no suffix */
	cr_expect(is_build("x.hidden", true));
}

Test(watch_origin, what_the_build_creates_in_the_package_is_its_own)
{
	cr_expect(is_build("out", true));
	cr_expect(is_build("out", false));
	cr_expect_not(is_build("/src/new", true)); /* elsewhere: somebody's */
	origin_note_source(&origin, "out");
	cr_expect_not(is_build("out", false));
}

Test(watch_origin, what_was_there_before_is_its_own_from_the_third_time)
{
	cr_expect_not(is_build("hello.o", false));
	cr_expect_not(is_build("hello.o", false));
	cr_expect(is_build("hello.o", false));
}

/* What does not fit counts as a source: one build too many, none too few. */
Test(watch_origin, what_is_remembered_is_bounded)
{
	char path[32];

	for (int i = 0; i < 2 * ORIGIN_FILES_MAX; i++) {
		snprintf(path, sizeof(path), "f%d", i);
		origin_note_source(&origin, path);
	}
	cr_expect_eq(origin.files.count, ORIGIN_FILES_MAX);
	for (int i = 0; i < 5; i++)
		cr_expect_not(is_build("more", false));
}
