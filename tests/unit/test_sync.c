/* sync: a folder of anything is synced; what cannot be is named. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/system/harness/files.h"
#include "worker/sync.h"

Test(sync, of_a_folder_waits_for_nothing_that_is_in_it, .timeout = 20)
{
	char dir[] = "/tmp/supd-sync-XXXXXX", path[64];
	struct error err;

	cr_assert(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/link", dir);
	cr_assert_eq(symlink("/dev/zero", path), 0);
	snprintf(path, sizeof(path), "%s/folder", dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/file", dir);
	files_write(path, "it");
	cr_expect_eq(sync_run(dir, &err), 0, "%s", err.text);
	files_remove_tree(dir);
	cr_expect_eq(sync_run(dir, &err), -1);
	cr_expect(strstr(err.text, dir) && strstr(err.text, "No such file"),
		"%s", err.text);
}
