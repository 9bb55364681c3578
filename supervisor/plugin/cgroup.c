#include "supervisor/plugin/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "proto/launch.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/spawn.h"

/* An existing cgroup was left by an earlier run or a failed start and could not
 * be removed, so it is used again. */
static int
make(const char *path, struct error *err)
{
	int fd;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_set(
			err, "cannot make %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(
			err, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

static int
try_out(int fd, const char *path, struct error *err)
{
	int error;

	if (faccessat(fd, "cgroup.kill", W_OK, AT_EACCESS) < 0)
		return error_set(err, "cannot use cgroup.kill of %s: %s", path,
			errno == ENOENT ? "it needs Linux 5.14"
					: strerror(errno));
	error = spawn_try_cgroup(fd);
	return error ? error_set(err, "no process can start in %s: %s", path,
			       strerror(error))
		     : 0;
}

int
cgroup_open(const char *own, const char *mark, struct error *err)
{
	struct statfs system;
	char *path;
	int fd, failed;

	if (statfs(own, &system) < 0 || system.f_type != CGROUP2_SUPER_MAGIC)
		return error_set(err, "%s is not a cgroup", own);
	path = memory_format("%s/" LAUNCH_CGROUP "%s", own, mark);
	fd = make(path, err);
	failed = fd < 0 || try_out(fd, path, err) < 0;
	if (failed && fd >= 0)
		rmdir(path);
	if (fd >= 0)
		close(fd);
	free(path);
	return failed ? -1 : 0;
}

void
cgroup_close(const char *own, const char *mark)
{
	char *path = memory_format("%s/" LAUNCH_CGROUP "%s", own, mark);

	rmdir(path);
	free(path);
}

/* A tool that cleans up empty cgroups may have removed the parent. */
int
cgroup_add(const char *own, const char *mark, const char *run, uint32_t worker,
	struct error *err)
{
	char *all = memory_format("%s/" LAUNCH_CGROUP "%s", own, mark);
	char *path = memory_format("%s/%s-%u", all, run, worker);
	int fd;

	if (mkdir(path, 0755) < 0 && errno == ENOENT)
		mkdir(all, 0755);
	fd = make(path, err);
	free(path);
	free(all);
	return fd;
}
