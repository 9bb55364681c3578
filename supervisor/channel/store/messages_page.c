/* messages_page: rows of the table of messages, and pages of them. */
#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/messages_parts.h"

int
messages_damaged(struct db *db, const char *what)
{
	db->failure = DB_DAMAGED;
	return error_set(&db->reason, "%s has %s", db->path, what);
}

enum stored_state
messages_state(uint64_t number)
{
	number -= DB_STATE_OFFSET;
	return number < STORED_STATE_COUNT ? (enum stored_state)number
					   : STORED_STATE_COUNT;
}

int
messages_read_row(struct db *db, sqlite3_stmt *s, bool with_body,
	struct stored_message *m)
{
	const struct channel *c = channels_of_line(db, db_number(s, 1));

	*m = (struct stored_message){
		.seq = db_number(s, 0),
		.outbound = db_number(s, 1) % 2,
		.state = messages_state(db_number(s, 2)),
		.tries = (uint32_t)db_number(s, 3),
		.at_ms = db_number(s, 4),
		.body_bytes = db_number(s, 5),
		.id = db_column_bytes(s, 6),
		.lane = db_column_bytes(s, 7),
		.note = db_column_bytes(s, 8),
	};
	if (!c || m->state == STORED_STATE_COUNT)
		return messages_damaged(
			db, "a message of no channel, or in no state");
	m->channel = c->name;
	if (with_body)
		m->body = db_column_bytes(s, 9);
	return 0;
}

static enum db_statement
scan_of(const struct store_query *q)
{
	bool unfinished =
		q->states && !(q->states & STORED_STATE_BIT(STORED_DONE));

	if (unfinished)
		return q->newest_first ? DB_SCAN_UNFINISHED_BACK
				       : DB_SCAN_UNFINISHED;
	return q->newest_first ? DB_SCAN_BACK : DB_SCAN;
}

int
messages_page_begin(struct messages_page *page, struct db *db,
	const struct store_query *query)
{
	uint64_t from = query->after_seq;

	if (query->newest_first && !from)
		from = INT64_MAX;
	*page = (struct messages_page){
		.db = db, .query = query, .next_seq = from};
	page->statement = db_statement(db, scan_of(query));
	if (!page->statement)
		return -1;
	sqlite3_reset(page->statement);
	db_bind(page->statement, 1, from);
	return 0;
}

static bool
matches(const struct store_query *q, const struct stored_message *m)
{
	if (q->states && !(q->states & STORED_STATE_BIT(m->state)))
		return false;
	if (q->direction && m->outbound != (q->direction == STORE_OUTBOUND))
		return false;
	return !q->channel.length || bytes_equal(q->channel, m->channel);
}

/* Whether the page has no place for it. */
static bool
is_full(const struct messages_page *page, size_t bytes)
{
	uint32_t limit = page->query->limit;

	if (!limit || limit > STORE_PAGE_ROWS)
		limit = STORE_PAGE_ROWS;
	return page->rows == limit ||
	       (page->rows && page->bytes + bytes > STORE_PAGE_BYTES);
}

int
messages_page_next(
	struct messages_page *page, struct stored_message *message_out)
{
	size_t bytes;
	int more;

	while ((more = db_step(page->db, page->statement)) > 0) {
		if (messages_read_row(page->db, page->statement,
			    page->query->bodies, message_out) < 0)
			return -1;
		bytes = message_out->id.length + message_out->lane.length +
			message_out->note.length + message_out->body.length +
			STORE_NAME_MAX;
		page->more = page->looks == QUERY_LOOKS_MAX ||
			     (matches(page->query, message_out) &&
				     is_full(page, bytes));
		if (page->more)
			return 0;
		page->looks++;
		page->next_seq = message_out->seq;
		if (!matches(page->query, message_out))
			continue;
		page->rows++;
		page->bytes += bytes;
		return 1;
	}
	return more;
}

void
messages_page_end(struct messages_page *page)
{
	if (page->statement)
		sqlite3_reset(page->statement);
}
