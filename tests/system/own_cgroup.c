#include "tests/system/own_cgroup.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

#define REMOVAL_DEADLINE_MS 10000

static char *
mount_point(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *entry;
	char *point = NULL;

	while (mounts && !point && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2"))
			point = memory_copy_text(entry->mnt_dir);
	if (mounts)
		endmntent(mounts);
	return point;
}

static char *
own(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char *point = mount_point(), *folder = NULL, line[4096];

	while (file && point && !folder && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::/", 4))
			folder = memory_format("%s%s", point, line + 3);
	}
	if (file)
		fclose(file);
	free(point);
	return folder;
}

char *
own_cgroup_make(void)
{
	char *below = own(), *cgroup, *kill;

	if (!below)
		cr_skip_test("no cgroup2 is mounted");
	cgroup = memory_format("%s/test-supd-%d", below, (int)getpid());
	free(below);
	if (mkdir(cgroup, 0755) < 0)
		cr_skip_test("cannot make %s: %s", cgroup, strerror(errno));
	kill = memory_format("%s/cgroup.kill", cgroup);
	if (access(kill, W_OK) < 0 ||
		setxattr(cgroup, "user.delegate", "1", 1, 0) < 0) {
		rmdir(cgroup);
		cr_skip_test("no cgroup.kill or attributes in %s", cgroup);
	}
	free(kill);
	return cgroup;
}

/* For the sake of the machine. */
static void
end_all(const char *cgroup)
{
	char *path = memory_format("%s/cgroup.kill", cgroup);
	FILE *file = fopen(path, "we");

	if (file) {
		fputs("1", file);
		fclose(file);
	}
	free(path);
}

void
own_cgroup_remove(char *cgroup)
{
	uint64_t until = clock_ms() + REMOVAL_DEADLINE_MS;

	/* The last process in it may be on its way out. */
	while (rmdir(cgroup) < 0 && errno == EBUSY && clock_ms() < until)
		poll(NULL, 0, 10);
	if (access(cgroup, F_OK) == 0) {
		cr_expect_fail("%s is not empty", cgroup);
		end_all(cgroup);
	}
	free(cgroup);
}

void
own_cgroup_put(const char *cgroup, pid_t pid)
{
	char *path = memory_format("%s/cgroup.procs", cgroup);
	FILE *file = fopen(path, "we");

	cr_assert(file);
	cr_assert_gt(fprintf(file, "%d", (int)pid), 0);
	cr_assert_eq(fclose(file), 0);
	free(path);
}

void
own_cgroup_leave(const char *cgroup)
{
	char *above = memory_copy_text(cgroup);

	*strrchr(above, '/') = '\0';
	own_cgroup_put(above, getpid());
	free(above);
}

unsigned
own_cgroup_count(const char *cgroup)
{
	DIR *folder = opendir(cgroup);
	struct dirent *entry;
	unsigned count = 0;

	while (folder && (entry = readdir(folder)))
		count += entry->d_type == DT_DIR && entry->d_name[0] != '.';
	if (folder)
		closedir(folder);
	return count;
}
