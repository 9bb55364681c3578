/* checkpoint: moves what groups have written from the log into the database,
 * in a thread with a connection of its own: it syncs two files, and groups do
 * not wait for that. The log begins anew once all of it was moved while nothing
 * was written; a log that has grown to CHECKPOINT_PAGES_MAX is moved by the
 * caller, who then waits. */
#pragma once

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>

#include "supervisor/channel/store/db.h"

#define CHECKPOINT_PAGES 1000
#define CHECKPOINT_PAGES_MAX 16384 /* 64 MiB */

struct checkpoint {
	struct ev_loop *loop;
	struct db *db;
	pthread_t thread;
	bool is_running;
	sqlite3 *handle; /* the thread's */
	int code;	 /* of SQLite */
	int next_pages;	 /* begins when the log has as many */
	ev_async ended;
};

void checkpoint_init(struct checkpoint *c, struct ev_loop *loop, struct db *db);
/* After a group: begins, if there is enough to do. -1: see db.h. */
int checkpoint_look(struct checkpoint *c);
/* Waits for the thread; before the database is closed. */
void checkpoint_finish(struct checkpoint *c);
