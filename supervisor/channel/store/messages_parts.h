/* messages_parts: what the parts of messages share, for messages*.c alone. */
#pragma once

#include "supervisor/channel/store/messages.h"

/* The database has what cannot be in it; always -1. */
int messages_damaged(struct db *db, const char *what);
/* STORED_STATE_COUNT: not a state. */
enum stored_state messages_state(uint64_t number);
/* Of statements whose columns are seq, line, state, tries, at_ms, body_bytes,
 * id, lane, note, body. 0 or -1. */
int messages_read_row(struct db *db, sqlite3_stmt *s, bool with_body,
	struct stored_message *m);
