/* messages: the messages in the database: added, looked up, changed, listed.
 * Everything runs within a group or changes nothing; the caller begins it, and
 * has checked the lengths. Results are an enum store_answer, or -1 as in db.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/channel/store/db.h"
#include "supervisor/channel/store/stored.h"

/* The work on one page of a query: rows that are looked at. */
#define QUERY_LOOKS_MAX 20000

/* NEW, SEEN, or CONFLICT: there are too many channels. With NEW and SEEN
 * *found_out is filled, but for its channel, id, lane and body; its note is
 * valid until the next call. */
int messages_put(struct db *db, const struct stored_message *message,
	uint64_t token, struct stored_message *found_out);
/* OK or NOT_FOUND. */
int messages_set_state(struct db *db, const struct stored_change *change);
/* OK or CONFLICT; RETRY and DROP of message_store.h. */
int messages_move(struct db *db, uint64_t seq, enum stored_state to);
/* OK with the message, or NOT_FOUND; valid until messages_close(). */
int messages_get(
	struct db *db, uint64_t seq, struct stored_message *message_out);
void messages_close(struct db *db);

/* A query, step by step: 1 a message, valid until the next step; 0: the page
 * has ended, or -1. */
struct messages_page {
	struct db *db;
	const struct store_query *query;
	sqlite3_stmt *statement;
	uint32_t rows, looks;
	size_t bytes;
	bool more;	   /* after the end: there are further pages */
	uint64_t next_seq; /* where they begin */
};
int messages_page_begin(struct messages_page *page, struct db *db,
	const struct store_query *query);
int messages_page_next(
	struct messages_page *page, struct stored_message *message_out);
void messages_page_end(struct messages_page *page);

/* OK or CONFLICT (a greater epoch has it, or there are too many channels). */
int messages_open_channel(struct db *db, struct bytes name, uint64_t epoch_min,
	uint64_t *epoch_out, struct bytes *cursor_out);
int messages_set_cursor(
	struct db *db, struct bytes name, uint64_t epoch, struct bytes cursor);
