/* own_cgroup_own: where supd's cgroup is, and when it may be used. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "supervisor/plugin/cgroup_own.h"
#include "tests/system/harness/files.h"

static char *dir;

static void
open_dir(void)
{
	char name[] = "/tmp/own_cgroup_own-XXXXXX";

	cr_assert(mkdtemp(name));
	dir = memory_format("%s", name);
}

static void
close_dir(void)
{
	files_remove_tree(dir);
	free(dir);
}

TestSuite(cgroup_own, .init = open_dir, .fini = close_dir, .timeout = 60);

/* The tree is mounted at DIR, so DIR stands for the mount's root. */
static char *
find(const char *root, const char *self, bool systemd_is_here,
	struct error *err)
{
	char *mounts = memory_format("%s/mounts", dir);
	char *own = memory_format("%s/self", dir), *found;
	struct cgroup_sources sources = {.mounts = mounts,
		.self = own,
		.systemd_is_here = systemd_is_here};

	files_write(mounts,
		"23 1 0:2 / / rw shared:1 - ext4 /dev/a rw\n"
		"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
		"40 31 0:37 / /cgroup2 rw - cgroup cgroup rw,cpu\n"
		"41 31 0:38 %s %s rw,relatime master:9 - cgroup2 none rw\n",
		root, dir);
	files_write(own, "9:name=systemd:/elsewhere\n%s", self);
	found = cgroup_own(&sources, err);
	free(mounts);
	free(own);
	return found;
}

static void
make(const char *path, bool is_delegated)
{
	char *folder = memory_format("%s/%s", dir, path);

	cr_assert(mkdir(folder, 0755) == 0 || errno == EEXIST);
	if (is_delegated && setxattr(folder, "user.delegate", "1", 1, 0) < 0)
		cr_skip_test("no attributes in %s", dir);
	free(folder);
}

static void
expect(const char *root, const char *self, bool systemd_is_here,
	const char *below)
{
	char *wanted = below ? memory_format("%s%s", dir, below) : NULL;
	struct error err = {.text = ""};
	char *found = find(root, self, systemd_is_here, &err);

	cr_expect_eq(!found, !wanted, "%s in %s: %s", self, root,
		found ? found : err.text);
	if (found && wanted)
		cr_expect_str_eq(found, wanted);
	if (!found)
		cr_expect_str_neq(err.text, "");
	free(found);
	free(wanted);
}

Test(cgroup_own, is_below_the_mount_that_shows_it)
{
	expect("/", "0::/\n", false, "");
	expect("/", "0::/a/b\n", false, "/a/b");
	expect("/a", "0::/a/b\n", false, "/b");
	expect("/a", "0::/a\n", false, "");
	expect("/a", "0::/ab\n", false, NULL);
	expect("/a", "0::/\n", false, NULL);
	expect("/../..", "0::/\n", false, NULL);
	expect("/", "0::/..\n", false, NULL);
	expect("/", "0::/../a\n", false, NULL);
	expect("/", "0::/..a\n", false, "/..a");
	expect("/", "8:pids:/\n", false, NULL);
	expect("/", "", false, NULL);
}

Test(cgroup_own, of_a_systemd_that_runs_here_is_not_used)
{
	expect("/", "0::/\n", true, NULL);
	expect("/", "0::/a/b\n", true, NULL);
}

Test(cgroup_own, of_a_unit_is_not_used)
{
	expect("/", "0::/system.slice/supd.service\n", false, NULL);
	expect("/", "0::/system.slice/supd.service/a\n", false, NULL);
	expect("/", "0::/user.slice/a/b\n", false, NULL);
	expect("/", "0::/session-1.scope\n", false, NULL);
	expect("/", "0::/.scope/scope/ascope\n", false, "/.scope/scope/ascope");
	/* The unit is outside of what is mounted. */
	expect("/a.service/b", "0::/a.service/b\n", false, NULL);
}

Test(cgroup_own, that_is_delegated_is_used)
{
	make("supd.service", true);
	make("supd.service/supervisor", false);
	make("supd.service/app.slice", false);
	make("supd.service/app.slice/b.service", false);
	make("supd.service/app.slice/c.service", true);
	expect("/", "0::/supd.service\n", true, "/supd.service");
	expect("/", "0::/supd.service/supervisor\n", true,
		"/supd.service/supervisor");
	/* What manages units below a delegated one delegates anew. */
	expect("/", "0::/supd.service/app.slice/b.service\n", true, NULL);
	expect("/", "0::/supd.service/app.slice/c.service\n", true,
		"/supd.service/app.slice/c.service");
	expect("/x.slice", "0::/x.slice/supd.service\n", true, "/supd.service");
	make("", true);
	expect("/", "0::/\n", true, "");
	expect("/a.scope", "0::/a.scope/b\n", true, "/b");
}

Test(cgroup_own, finds_a_mount_point_with_a_space)
{
	char *plain = dir, *spaced = memory_format("%s/a\\040b", dir);
	char *wanted = memory_format("%s/a b/x", dir);
	char *mounts = memory_format("%s/mounts", dir);
	char *own = memory_format("%s/self", dir), *found;
	struct cgroup_sources sources = {.mounts = mounts, .self = own};

	files_write(mounts, "41 31 0:38 / %s rw - cgroup2 none rw\n", spaced);
	files_write(own, "0::/x\n");
	found = cgroup_own(&sources, NULL);
	cr_expect(found);
	if (found)
		cr_expect_str_eq(found, wanted);
	dir = plain;
	free(found);
	free(wanted);
	free(spaced);
	free(mounts);
	free(own);
}
