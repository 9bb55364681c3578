/* unstage: a walk from the leaves up. It never follows a link and stays on one
 * file system; a read-only folder is made writable first. */
#include "worker/unstage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/pace.h"

#define OPEN_FOLDERS 16

static _Thread_local struct pace pace; /* nftw() hands nothing on */

static int
unstage_open_up(
	const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	bool folder = type == FTW_D || type == FTW_DNR;

	return folder && chmod(path, 0700) ? -1 : 0;
}

static int
unstage_entry(
	const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	pace_add(&pace, PACE_ENTRY_BYTES);
	return remove(path) && errno != ENOENT ? -1 : 0;
}

int
unstage_run(const char *folder, struct error *err)
{
	struct stat stat;

	pace = (struct pace){0};
	if (lstat(folder, &stat) < 0 && errno == ENOENT)
		return 0;
	if (!nftw(folder, unstage_entry, OPEN_FOLDERS,
		    FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
		return 0;
	/* A program may have taken its own folders' write bit away. */
	nftw(folder, unstage_open_up, OPEN_FOLDERS, FTW_PHYS | FTW_MOUNT);
	if (!nftw(folder, unstage_entry, OPEN_FOLDERS,
		    FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
		return 0;
	return error_set_errno(err, errno, "cannot remove %s", folder);
}
