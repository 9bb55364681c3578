/* db_aside: a damaged database is renamed, with its log, and a bounded number
 * of such is kept. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/db_parts.h"

#define ASIDE ".damaged-"
#define LOG "-wal"

static bool
is_aside(const char *name, const char *base)
{
	size_t length = strlen(base), end = strlen(name);

	if (strncmp(name, base, length) ||
		strncmp(name + length, ASIDE, strlen(ASIDE)))
		return false;
	return end < strlen(LOG) || strcmp(name + end - strlen(LOG), LOG) != 0;
}

/* The oldest of those that were put aside, if there are too many. */
static char *
find_surplus(const char *folder, const char *base)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char *oldest = NULL;
	unsigned count = 0;

	while (dir && (entry = readdir(dir))) {
		if (!is_aside(entry->d_name, base))
			continue;
		count++;
		if (!oldest || strcmp(entry->d_name, oldest) < 0) {
			free(oldest);
			oldest = memory_copy_text(entry->d_name);
		}
	}
	if (dir)
		closedir(dir);
	if (count > DB_ASIDE_MAX)
		return oldest;
	free(oldest);
	return NULL;
}

static void
remove_surplus(const char *path)
{
	char *folder = memory_copy_text(path), *slash = strrchr(folder, '/');
	char *base = slash ? slash + 1 : folder, *name;

	if (slash)
		*slash = '\0';
	while ((name = find_surplus(slash ? folder : ".", base))) {
		char *whole =
			memory_format("%s/%s", slash ? folder : ".", name);
		char *log = memory_format("%s" LOG, whole);
		bool failed = unlink(whole) < 0 && rmdir(whole) < 0;

		unlink(log);
		free(log);
		free(whole);
		free(name);
		if (failed)
			break;
	}
	free(folder);
}

static char *
free_name(const char *path)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char date[24], *name = NULL;
	struct tm utc;
	struct stat there;

	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &utc);
	for (unsigned i = 0; i < 1000; i++) {
		free(name);
		name = i ? memory_format("%s" ASIDE "%s.%03u", path, date, i)
			 : memory_format("%s" ASIDE "%s", path, date);
		if (lstat(name, &there) < 0)
			break;
	}
	return name;
}

void
db_put_aside(struct db *db)
{
	char *name = free_name(db->path);
	char *log = memory_format("%s" LOG, db->path);
	char *log_name = memory_format("%s" LOG, name);

	if (db->handle) {
		if (!db->channels)
			channels_load(db); /* what can be read */
		/* Else closing it would write what is damaged. */
		sqlite3_db_config(
			db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	}
	db_close(db);
	free(db->aside);
	db->aside = NULL;
	if (rename(db->path, name) == 0) {
		db->aside = name;
		db->replaces = true;
		rename(log, log_name);
		remove_surplus(db->path);
	} else {
		db->failure = DB_BROKEN;
		error_set_errno(&db->reason, errno,
			"%s is damaged and cannot be renamed", db->path);
		free(name);
	}
	free(log_name);
	free(log);
}
