/* db_open: a database is opened and proven to be ours and writable, or made. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/db_parts.h"

static const char *const schema =
	"CREATE TABLE base(seq INTEGER NOT NULL, epoch INTEGER NOT NULL);"
	"CREATE TABLE channel(number INTEGER PRIMARY KEY, name BLOB NOT NULL "
	"UNIQUE, epoch INTEGER NOT NULL, cursor BLOB NOT NULL);"
	"CREATE TABLE tally(line INTEGER PRIMARY KEY, last INTEGER, "
	"kept INTEGER, pending INTEGER, active INTEGER, done INTEGER, "
	"dead INTEGER, unknown INTEGER, dropped INTEGER);"
	"CREATE TABLE message(seq INTEGER PRIMARY KEY, line INTEGER NOT NULL, "
	"number INTEGER NOT NULL, state INTEGER NOT NULL, "
	"tries INTEGER NOT NULL, at_ms INTEGER NOT NULL, "
	"token INTEGER NOT NULL, body_bytes INTEGER NOT NULL, "
	"id BLOB NOT NULL, lane BLOB NOT NULL, note BLOB NOT NULL, "
	"body BLOB NOT NULL);"
	"CREATE UNIQUE INDEX message_id ON message(line, id);"
	/* 4 is STORED_DONE + DB_STATE_OFFSET */
	"CREATE INDEX unfinished ON message(seq) WHERE state <> 4;";

static int
execute(struct db *db, const char *sql)
{
	if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	return db_fail(db, "open");
}

static int
read_number(struct db *db, const char *sql, int64_t *number_out)
{
	sqlite3_stmt *s = NULL;
	int result = -1;

	if (sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW) {
		*number_out = sqlite3_column_int64(s, 0);
		result = 0;
	}
	if (result < 0)
		db_fail(db, "open");
	sqlite3_finalize(s);
	return result;
}

void
db_close(struct db *db)
{
	for (unsigned i = 0; i < DB_STATEMENT_COUNT; i++) {
		sqlite3_finalize(db->statements[i]);
		db->statements[i] = NULL;
	}
	sqlite3_close(db->handle);
	db->handle = NULL;
	db->in_group = false;
	memset(db->recent, 0, sizeof(db->recent));
	if (db->lock >= 0)
		close(db->lock);
	db->lock = -1;
}

/* What a group needs to know is in memory, so there must be no other writer.
 * The file stays: removing it would let two have the lock. */
static int
take_lock(struct db *db)
{
	char *path = memory_format("%s.lock", db->path);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int result = 0;

	if (fd < 0) {
		db->failure = errno == ENOSPC || errno == EDQUOT ? DB_FULL
								 : DB_BROKEN;
		result = error_set_errno(
			&db->reason, errno, "cannot open %s", path);
	} else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		db->failure = DB_LOCKED;
		result = error_set(
			&db->reason, "%s is open in another process", db->path);
		close(fd);
		fd = -1;
	}
	db->lock = fd;
	free(path);
	return result;
}

static int
count_wal(void *user, sqlite3 *handle, const char *name, int pages)
{
	((struct db *)user)->wal_pages = pages;
	return SQLITE_OK;
}

/* A new database that replaces a damaged one uses no seq and no epoch that the
 * old one can have used. */
static int
make(struct db *db)
{
	bool replaces = db->replaces;
	uint64_t now_ms = clock_wall_ms();
	char *sql = memory_format("INSERT INTO base VALUES(%llu, %llu);"
				  "PRAGMA application_id = %d;"
				  "PRAGMA user_version = %d;",
		replaces ? (unsigned long long)now_ms * 1000 : 1ull,
		replaces ? (unsigned long long)now_ms / 1000 : 0ull,
		DB_APPLICATION, DB_SCHEMA);
	int result = execute(db, "BEGIN IMMEDIATE");

	if (!result)
		result = execute(db, schema);
	if (!result)
		result = execute(db, sql);
	free(sql);
	db->in_group = !result;
	channels_move(db);
	if (result || db_commit(db) < 0)
		return -1;
	db->replaces = false;
	return 0;
}

/* Writes, so that a read-only one is found now. A full disk is no hindrance to
 * reading. */
static int
probe(struct db *db)
{
	int result = sqlite3_exec(db->handle,
		"BEGIN IMMEDIATE; UPDATE base SET seq = seq; COMMIT", NULL,
		NULL, NULL);

	if (result == SQLITE_OK)
		return 0;
	db_fail(db, "write");
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	return db->failure == DB_FULL ? 0 : -1;
}

static int
recognise(struct db *db, bool *is_new_out)
{
	int64_t version, application, tables;

	if (read_number(db, "PRAGMA user_version", &version) < 0 ||
		read_number(db, "PRAGMA application_id", &application) < 0 ||
		read_number(db, "SELECT count(*) FROM sqlite_schema", &tables) <
			0)
		return -1;
	*is_new_out = !tables;
	if (*is_new_out)
		return 0;
	if (application != DB_APPLICATION) {
		db->failure = DB_DAMAGED;
		return error_set(
			&db->reason, "%s is no store of messages", db->path);
	}
	if (version == DB_SCHEMA)
		return 0;
	db->failure = DB_BROKEN;
	return error_set(&db->reason,
		"%s was written by a newer supd (version %lld, this supd knows "
		"%d); run that supd, or move the file away",
		db->path, (long long)version, DB_SCHEMA);
}

static int
open_file(struct db *db)
{
	struct stat there;

	if (stat(db->path, &there) == 0 && !S_ISREG(there.st_mode)) {
		db->failure = DB_DAMAGED;
		return error_set(
			&db->reason, "%s is not a regular file", db->path);
	}
	if (sqlite3_open_v2(db->path, &db->handle,
		    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
			    SQLITE_OPEN_NOMUTEX,
		    NULL) != SQLITE_OK)
		return db_fail(db, "open");
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, DB_BUSY_WAIT_MS);
	return 0;
}

static int
open_once(struct db *db)
{
	struct stat there;
	bool is_new;

	if (open_file(db) < 0 ||
		execute(db, "PRAGMA cell_size_check = ON;"
			    "PRAGMA cache_size = -16384;"
			    "PRAGMA temp_store = MEMORY") < 0 ||
		recognise(db, &is_new) < 0)
		return -1;
	if (sqlite3_db_readonly(db->handle, "main")) {
		db->failure = DB_BROKEN;
		return error_set(&db->reason, "%s is read-only", db->path);
	}
	if (execute(db, "PRAGMA journal_mode = WAL;"
			"PRAGMA wal_autocheckpoint = 0;"
			"PRAGMA journal_size_limit = 4194304") < 0)
		return -1;
	sqlite3_wal_hook(db->handle, count_wal, db);
	if (is_new ? make(db) < 0 : probe(db) < 0)
		return -1;
	if (stat(db->path, &there) == 0) {
		db->inode = there.st_ino;
		db->device = there.st_dev;
	}
	return db_load(db);
}

int
db_open(struct db *db)
{
	free(db->aside);
	db->aside = NULL;
	db->failure = DB_FINE;
	if (take_lock(db) < 0)
		return -1;
	if (open_once(db) == 0)
		return 0;
	if (db->failure == DB_DAMAGED) {
		db_put_aside(db);
		if (db->aside && take_lock(db) == 0 && open_once(db) == 0)
			return 0;
	}
	db_close(db);
	return -1;
}

int
db_set_sync(struct db *db, bool full)
{
	return execute(db, full ? "PRAGMA synchronous = FULL"
				: "PRAGMA synchronous = NORMAL");
}
