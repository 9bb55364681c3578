/* db: statements, groups, and how SQLite fails. Opening is db_open.c. */
#include "supervisor/channel/store/db_parts.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "supervisor/channel/store/channels.h"

/* As the statements and the schema have them. */
static_assert(STORED_PENDING + DB_STATE_OFFSET == 2, "state of a new message");
static_assert(STORED_DONE + DB_STATE_OFFSET == 4, "index of unfinished ones");

static const char *const statement_texts[DB_STATEMENT_COUNT] = {
#define X(name, sql) [DB_##name] = sql,
	DB_STATEMENTS(X)
#undef X
};

void
db_init(struct db *db, const char *path)
{
	/* A connection stays in its thread, and nobody asks for statistics:
	 * so SQLite needs no locks. They fail once it is in use, as in a test
	 * that opens several. */
	sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	*db = (struct db){.path = memory_copy_text(path), .lock = -1};
}

void
db_finish(struct db *db)
{
	db_close(db);
	channels_destroy(db->channels);
	free(db->aside);
	free(db->path);
	*db = (struct db){0};
}

/* ---- failures ---- */

static enum db_failure
failure_of(int code, int system)
{
	/* After a failed sync nobody knows what is on the disk. */
	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC)
		return DB_BROKEN;
	switch (code & 0xff) {
	case SQLITE_FULL:
		return DB_FULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_ERROR: /* of a fixed statement: not our tables */
	case SQLITE_MISMATCH:
		return DB_DAMAGED;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (system == ENOSPC || system == EDQUOT || system == EFBIG)
			return DB_FULL;
		return DB_BROKEN;
	default:
		return DB_BROKEN;
	}
}

/* The errno of the last failure of a file: the log's or the database's. */
static int
errno_of(struct db *db, int code)
{
	static const int files[] = {
		SQLITE_FCNTL_JOURNAL_POINTER, SQLITE_FCNTL_FILE_POINTER};
	int system = sqlite3_system_errno(db->handle);

	if ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN)
		return 0;
	for (int i = 0; i < 2 && !system; i++) {
		sqlite3_file *file = NULL;

		sqlite3_file_control(db->handle, "main", files[i], &file);
		if (file && file->pMethods)
			file->pMethods->xFileControl(
				file, SQLITE_FCNTL_LAST_ERRNO, &system);
	}
	return system;
}

int
db_fail(struct db *db, const char *what)
{
	int code = sqlite3_extended_errcode(db->handle);
	int system = errno_of(db, code);
	const char *text = sqlite3_errmsg(db->handle);

	db->failure = failure_of(code, system);
	if (db->failure == DB_FULL)
		return error_set(&db->reason,
			"no space is left for %s (%s); messages are refused "
			"until there is",
			db->path, strerror(system ? system : ENOSPC));
	if ((code & 0xff) == SQLITE_BUSY)
		text = "another process has it open";
	if (system)
		return error_set_errno(&db->reason, system, "cannot %s %s: %s",
			what, db->path, text);
	return error_set(&db->reason, "cannot %s %s: %s", what, db->path, text);
}

/* ---- statements ---- */

sqlite3_stmt *
db_statement(struct db *db, enum db_statement which)
{
	sqlite3_stmt **s = &db->statements[which];

	if (!*s && sqlite3_prepare_v3(db->handle, statement_texts[which], -1,
			   SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK) {
		db_fail(db, "read");
		return NULL;
	}
	return *s;
}

int
db_step(struct db *db, sqlite3_stmt *s)
{
	int code = sqlite3_step(s);

	if (code == SQLITE_ROW)
		return 1;
	if (code == SQLITE_DONE) {
		sqlite3_reset(s);
		return 0;
	}
	db_fail(db, db->in_group ? "write" : "read");
	sqlite3_reset(s);
	return -1;
}

int
db_run(struct db *db, sqlite3_stmt *s)
{
	int more;

	while ((more = db_step(db, s)) > 0)
		;
	return more;
}

static int
run(struct db *db, enum db_statement which)
{
	sqlite3_stmt *s = db_statement(db, which);

	return s ? db_run(db, s) : -1;
}

void
db_bind(sqlite3_stmt *s, int index, uint64_t number)
{
	sqlite3_bind_int64(s, index, (sqlite3_int64)number);
}

void
db_bind_bytes(sqlite3_stmt *s, int index, struct bytes bytes)
{
	if (bytes.length)
		sqlite3_bind_blob(
			s, index, bytes.at, (int)bytes.length, SQLITE_STATIC);
	else
		sqlite3_bind_zeroblob(s, index, 0);
}

uint64_t
db_number(sqlite3_stmt *s, int column)
{
	return (uint64_t)sqlite3_column_int64(s, column);
}

struct bytes
db_column_bytes(sqlite3_stmt *s, int column)
{
	const void *at = sqlite3_column_blob(s, column);

	return (struct bytes){
		at ? at : "", (size_t)sqlite3_column_bytes(s, column)};
}

/* ---- groups ---- */

int
db_begin(struct db *db)
{
	if (db->in_group)
		return 0;
	if (run(db, DB_BEGIN) < 0)
		return -1;
	db->in_group = true;
	return 0;
}

int
db_commit(struct db *db)
{
	if (!db->in_group)
		return 0;
	if (channels_write(db) < 0 || run(db, DB_COMMIT) < 0)
		return -1;
	db->in_group = false;
	return 0;
}

int
db_load(struct db *db)
{
	sqlite3_stmt *s = db_statement(db, DB_BASE);
	uint64_t base;

	if (!s || db_step(db, s) < 0)
		return -1;
	base = db_number(s, 0);
	db->epoch_base = db_number(s, 1);
	sqlite3_reset(s);
	s = db_statement(db, DB_LAST_SEQ);
	if (!s || db_step(db, s) < 0)
		return -1;
	db->next_seq = db_number(s, 0) + 1;
	if (db->next_seq < base)
		db->next_seq = base;
	sqlite3_reset(s);
	return channels_load(db);
}

int
db_cancel(struct db *db)
{
	for (unsigned i = 0; i < DB_STATEMENT_COUNT; i++)
		if (db->statements[i])
			sqlite3_reset(db->statements[i]);
	/* SQLite may have done so itself, which is no error. */
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
	db->in_group = false;
	memset(db->recent, 0, sizeof(db->recent));
	return db_load(db);
}

int
db_checkpoint(struct db *db)
{
	if (sqlite3_wal_checkpoint_v2(db->handle, NULL,
		    SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK)
		return 0;
	return db_fail(db, "write");
}

bool
db_has_written(struct db *db)
{
	int64_t before = db->changes;

	if (!db->handle)
		return false;
	db->changes = sqlite3_total_changes64(db->handle);
	return db->changes != before;
}

bool
db_is_in_place(const struct db *db)
{
	struct stat there;

	return stat(db->path, &there) == 0 && there.st_ino == db->inode &&
	       there.st_dev == db->device;
}

int64_t
db_bytes(struct db *db)
{
	static const enum db_statement both[] = {DB_PAGES, DB_FREE_PAGES};
	int64_t pages[2];

	for (int i = 0; i < 2; i++) {
		sqlite3_stmt *s = db_statement(db, both[i]);

		if (!s || db_step(db, s) < 0)
			return -1;
		pages[i] = sqlite3_column_int64(s, 0);
		sqlite3_reset(s);
	}
	return (pages[0] - pages[1]) * 4096;
}
