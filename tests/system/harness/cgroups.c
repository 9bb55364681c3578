#include "tests/system/harness/cgroups.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/memory.h"
#include "tests/system/harness/run.h"

/* Freed by the caller; NULL: there was none. */
static char *
folder(struct gateway_run *g)
{
	static const char before[] = "cgroup.kill in ";
	char *log = g->has_log ? capture_copy(&g->log) : NULL;
	char *at = log ? strstr(log, before) : NULL, *path = NULL;

	if (at) {
		at += strlen(before);
		at[strcspn(at, "\"\n")] = '\0';
		path = memory_copy_text(at);
	}
	free(log);
	return path;
}

void
cgroups_expect_none(struct gateway_run *g)
{
	char *path = folder(g);

	if (path)
		cr_expect_neq(access(path, F_OK), 0, "%s is left", path);
	free(path);
}

void
cgroups_clean_up(struct gateway_run *g)
{
	char *path = folder(g);
	DIR *all = path ? opendir(path) : NULL;
	struct dirent *entry;

	while (all && (entry = readdir(all)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			unlinkat(dirfd(all), entry->d_name, AT_REMOVEDIR);
	if (all)
		closedir(all);
	if (path)
		rmdir(path);
	free(path);
}
