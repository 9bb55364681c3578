/* db: the database of messages: opened, created, put aside if it is damaged,
 * and changed in groups, each of which is one transaction. What is in it is
 * messages.h, channels.h and prune.h. Everything that returns an int returns -1
 * if SQLite failed; then db->failure says how, the group is lost, and
 * db_cancel() must follow. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/util/buffer.h"
#include "proto/util/bytes.h"
#include "proto/util/error.h"
#include "proto/util/map.h"
#include "supervisor/channel/store/stored.h"

#define DB_SCHEMA 1		  /* PRAGMA user_version */
#define DB_APPLICATION 0x73757064 /* "supd", PRAGMA application_id */
#define DB_ASIDE_MAX 9		  /* damaged ones kept; then the oldest goes */
#define DB_BUSY_WAIT_MS 2000	  /* for a person's sqlite3 that writes */

/* How SQLite failed. */
enum db_failure {
	DB_FINE,
	DB_FULL,    /* no room on the disk; nothing else is wrong */
	DB_DAMAGED, /* the file is not what was written to it */
	DB_BROKEN,  /* not readable or writable, or of a newer supd */
	DB_LOCKED,  /* another process has it open */
};

/* X(NAME, sql): prepared when first used. A state is stored as its enum plus
 * DB_STATE_OFFSET, so that each has one byte and a change of state alone
 * rewrites no body. */
#define DB_STATE_OFFSET 2
#define DB_STATEMENTS(X)                                                       \
	X(BEGIN, "BEGIN IMMEDIATE")                                            \
	X(COMMIT, "COMMIT")                                                    \
	X(PAGES, "PRAGMA page_count")                                          \
	X(FREE_PAGES, "PRAGMA freelist_count")                                 \
	X(LAST_SEQ, "SELECT max(seq) FROM message")                            \
	X(BASE, "SELECT seq, epoch FROM base")                                 \
	X(CHANNELS, "SELECT number, name, epoch, cursor FROM channel")         \
	X(ADD_CHANNEL, "INSERT INTO channel VALUES(?1, ?2, ?3, ?4)")           \
	X(SET_CHANNEL, "UPDATE channel SET epoch = ?3, cursor = ?4 WHERE "     \
		       "number = ?1")                                          \
	X(TALLIES, "SELECT line, last, kept, pending, active, done, dead, "    \
		   "unknown, dropped FROM tally")                              \
	X(SET_TALLY, "INSERT OR REPLACE INTO tally "                           \
		     "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")             \
	X(ADD, "INSERT INTO message VALUES(?1, ?2, ?3, 2, 0, ?4, ?5, ?6, ?7, " \
	       "?8, x'', ?9) ON CONFLICT DO NOTHING")                          \
	X(FIND, "SELECT seq, state, tries, at_ms, token, note FROM message "   \
		"WHERE line = ?1 AND id = ?2")                                 \
	X(STATE_OF, "SELECT line, state FROM message WHERE seq = ?1")          \
	X(SET_STATE, "UPDATE message SET state = ?2, tries = ?3, note = ?4 "   \
		     "WHERE seq = ?1")                                         \
	X(REMOVE, "DELETE FROM message WHERE seq = ?1")                        \
	X(CLEAR, "UPDATE message SET body = x'' WHERE seq = ?1")               \
	X(GET, "SELECT seq, line, state, tries, at_ms, body_bytes, id, lane, " \
	       "note, body FROM message WHERE seq = ?1")                       \
	X(SCAN, "SELECT seq, line, state, tries, at_ms, body_bytes, id, "      \
		"lane, note, body FROM message WHERE seq > ?1 ORDER BY seq")   \
	X(SCAN_BACK,                                                           \
		"SELECT seq, line, state, tries, at_ms, body_bytes, id, "      \
		"lane, "                                                       \
		"note, body FROM message WHERE seq < ?1 ORDER BY seq DESC")    \
	X(SCAN_UNFINISHED, "SELECT seq, line, state, tries, at_ms, "           \
			   "body_bytes, id, lane, "                            \
			   "note, body FROM message INDEXED BY unfinished "    \
			   "WHERE seq > ?1 AND state <> 4 ORDER BY seq")       \
	X(SCAN_UNFINISHED_BACK,                                                \
		"SELECT seq, line, state, tries, at_ms, body_bytes, id, "      \
		"lane, "                                                       \
		"note, body FROM message INDEXED BY unfinished "               \
		"WHERE seq < ?1 AND state <> 4 ORDER BY seq DESC")             \
	X(OLDEST, "SELECT seq, line, number, state, at_ms, length(body) "      \
		  "FROM message WHERE seq > ?1 ORDER BY seq LIMIT 256")

enum db_statement {
#define X(name, ...) DB_##name,
	DB_STATEMENTS(X)
#undef X
		DB_STATEMENT_COUNT,
};

/* The states of the last messages that were added or changed, so that a change
 * need not look one up. */
#define DB_RECENT 8192
struct db_recent {
	uint64_t seq; /* 0: none */
	uint64_t line;
	enum stored_state state;
};

struct db {
	char *path;
	sqlite3 *handle; /* NULL: not open */
	int lock;	 /* PATH.lock, locked while it is open; else -1 */
	sqlite3_stmt *statements[DB_STATEMENT_COUNT];
	enum db_failure failure;
	struct error reason; /* of the last failure */
	char *aside;	     /* db_open() put a damaged one there; or NULL */
	bool replaces; /* the next one that is made: one that was damaged */
	bool in_group;
	uint64_t next_seq, epoch_base;
	struct channels *channels;
	struct db_recent recent[DB_RECENT]; /* by seq */
	int wal_pages;			    /* not yet in the database itself */
	int64_t changes; /* of rows, as far as db_has_written() has seen */
	uint64_t device, inode; /* of the file */
};

void db_init(struct db *db, const char *path);
void db_finish(struct db *db);

/* Opens the database, or makes a new one; a damaged one is put aside first.
 * -1: db->failure and db->reason say why; a later call may succeed. */
int db_open(struct db *db);
void db_close(struct db *db);
/* Closes it and renames it to PATH.damaged-TIME, with its log. The epochs and
 * cursors that can be read go into the one that db_open() makes next. */
void db_put_aside(struct db *db);
/* Whether each group is synced, or only what goes into the database itself. */
int db_set_sync(struct db *db, bool full);

int db_begin(struct db *db); /* if no group is open */
int db_commit(struct db *db);
/* Undoes the group; also what is in memory of it. -1: it cannot be read again;
 * close it. */
int db_cancel(struct db *db);
/* Moves what the groups have written into the database itself; it waits for the
 * disk. */
int db_checkpoint(struct db *db);
/* Whether anything was written since the last time that this was asked. */
bool db_has_written(struct db *db);
/* Whether the file that is open is still the one at the path. */
bool db_is_in_place(const struct db *db);
/* Bytes in use, without those that are free for reuse. -1 as usual. */
int64_t db_bytes(struct db *db);

/* ---- for the parts of the database ---- */
/* A statement, reset and ready to be bound; NULL as -1. */
sqlite3_stmt *db_statement(struct db *db, enum db_statement which);
/* Steps: 1 a row, 0 no more (and the statement is reset), -1. */
int db_step(struct db *db, sqlite3_stmt *statement);
/* For a statement without rows. */
int db_run(struct db *db, sqlite3_stmt *statement);
void db_bind(sqlite3_stmt *statement, int index, uint64_t number);
void db_bind_bytes(sqlite3_stmt *statement, int index, struct bytes bytes);
uint64_t db_number(sqlite3_stmt *statement, int column);
/* Valid until the next step. */
struct bytes db_column_bytes(sqlite3_stmt *statement, int column);
