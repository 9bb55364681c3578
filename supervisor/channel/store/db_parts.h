/* db_parts: what the parts of db share, for db*.c alone. */
#pragma once

#include "supervisor/channel/store/db.h"

/* Sets db->failure and db->reason from SQLite's last error; always -1. */
int db_fail(struct db *db, const char *what);
/* Reads into memory what groups need of it. */
int db_load(struct db *db);
