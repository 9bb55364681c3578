/* Bodies in files: whole, bounded in bytes and number, and nothing else in the
 * folder is touched. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/webhook/store.h"
#include "tests/system/harness/files.h"

static char dir[] = "/tmp/webhook-store-XXXXXX", folder[60];

static void
begin(void)
{
	cr_assert(mkdtemp(dir));
	snprintf(folder, sizeof(folder), "%s/bodies", dir);
}

static void
end(void)
{
	files_remove_tree(dir);
}

TestSuite(webhook_store, .init = begin, .fini = end);

/* False if it is refused; path_out as store_write() has it. */
static bool
put(uint64_t at, size_t bytes, uint64_t limit, char path_out[STORE_PATH_BYTES])
{
	static char body[100000];

	return !store_write(folder, limit, at, "id", body, bytes, path_out);
}

Test(webhook_store, a_body_is_whole)
{
	char path[STORE_PATH_BYTES], *text;

	cr_assert(!store_write(
		folder, 1000, 1790000000000, "ab12", "body\n", 5, path));
	text = files_read(path);
	cr_expect_str_eq(text, "body\n");
	cr_expect(strstr(path, "/bodies/1790000000000-ab12"), "%s", path);
	free(text);
}

Test(webhook_store, the_oldest_go_when_there_are_too_many_bytes)
{
	char paths[5][STORE_PATH_BYTES];

	for (unsigned i = 0; i < 5; i++)
		cr_assert(put(1000 + i, 300, 1000, paths[i]));
	for (unsigned i = 0; i < 5; i++)
		cr_expect_eq(files_exist(paths[i]), i >= 2, "%u", i);
	cr_assert(put(2000, 1000, 1000, paths[0]));
	cr_expect_eq(files_count(folder), 1);
	cr_expect(files_exist(paths[0]));
}

Test(webhook_store, the_oldest_go_when_there_are_too_many_files)
{
	char path[STORE_PATH_BYTES], first[STORE_PATH_BYTES];

	cr_assert(put(1, 1, 1000000, first));
	for (unsigned i = 1; i < STORE_FILES_MAX; i++)
		cr_assert(put(1 + i, 1, 1000000, path));
	cr_expect(files_exist(first));
	cr_assert(put(5000, 1, 1000000, path));
	cr_expect_eq(files_count(folder), STORE_FILES_MAX);
	cr_expect(!files_exist(first));
}

Test(webhook_store, other_files_stay)
{
	char path[STORE_PATH_BYTES], other[100];

	cr_assert(put(1, 900, 1000, path));
	snprintf(other, sizeof(other), "%s/1-notes", folder);
	files_write(other, "%s", "notes");
	cr_assert(put(2, 900, 1000, path));
	cr_expect_eq(files_count(folder), 2);
	cr_expect(files_exist(other));
}

Test(webhook_store, a_disk_that_refuses_is_said)
{
	char path[STORE_PATH_BYTES];

	cr_expect_eq(
		store_write("/no/such/folder", 1000, 1, "a", "", 0, path), -1);
	cr_expect_eq(errno, ENOENT);
}
