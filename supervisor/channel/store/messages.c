/* messages: one statement or two for each request. */
#include "supervisor/channel/store/messages_parts.h"

#include "proto/util/clock.h"
#include "supervisor/channel/store/channels.h"

static void
remember(struct db *db, uint64_t seq, uint64_t line, enum stored_state state)
{
	db->recent[seq % DB_RECENT] = (struct db_recent){seq, line, state};
}

/* ---- put ---- */

static int
add(struct db *db, const struct channel *c, const struct stored_message *m,
	uint64_t token, uint64_t now_ms)
{
	sqlite3_stmt *s = db_statement(db, DB_ADD);

	if (!s)
		return -1;
	db_bind(s, 1, db->next_seq);
	db_bind(s, 2, channel_line(c, m->outbound));
	db_bind(s, 3, c->tallies[m->outbound].last + 1);
	db_bind(s, 4, now_ms);
	db_bind(s, 5, token);
	db_bind(s, 6, m->body.length);
	db_bind_bytes(s, 7, m->id);
	db_bind_bytes(s, 8, m->lane);
	db_bind_bytes(s, 9, m->body);
	if (db_run(db, s) < 0)
		return -1;
	return sqlite3_changes(db->handle);
}

/* 1: it is there; the statement is reset by the next use. */
static int
find(struct db *db, const struct channel *c, const struct stored_message *m,
	uint64_t *token_out, struct stored_message *found_out)
{
	sqlite3_stmt *s = db_statement(db, DB_FIND);
	int more;

	if (!s)
		return -1;
	sqlite3_reset(s);
	db_bind(s, 1, channel_line(c, m->outbound));
	db_bind_bytes(s, 2, m->id);
	more = db_step(db, s);
	if (more <= 0)
		return more;
	*found_out = (struct stored_message){
		.seq = db_number(s, 0),
		.outbound = m->outbound,
		.state = messages_state(db_number(s, 1)),
		.tries = (uint32_t)db_number(s, 2),
		.at_ms = db_number(s, 3),
		.note = db_column_bytes(s, 5),
	};
	*token_out = db_number(s, 4);
	if (found_out->state == STORED_STATE_COUNT)
		return messages_damaged(db, "a message in no state");
	return 1;
}

int
messages_put(struct db *db, const struct stored_message *m, uint64_t token,
	struct stored_message *found_out)
{
	uint64_t now_ms = clock_wall_ms(), its_token;
	struct channel *c = channels_need(db, m->channel);
	int result;

	if (!c)
		return STORE_CONFLICT;
	result = add(db, c, m, token, now_ms);
	if (result < 0)
		return -1;
	if (result) {
		*found_out = (struct stored_message){.seq = db->next_seq++,
			.outbound = m->outbound,
			.state = STORED_PENDING,
			.at_ms = now_ms};
		channels_note(
			db, c, m->outbound, STORED_STATE_COUNT, STORED_PENDING);
		remember(db, found_out->seq, channel_line(c, m->outbound),
			STORED_PENDING);
		return STORE_NEW;
	}
	result = find(db, c, m, &its_token, found_out);
	if (!result)
		return messages_damaged(db, "an index without its message");
	if (result < 0)
		return -1;
	return its_token == token ? STORE_NEW : STORE_SEEN;
}

/* ---- states ---- */

/* 1: found. */
static int
look_up(struct db *db, uint64_t seq, uint64_t *line_out,
	enum stored_state *state_out)
{
	const struct db_recent *recent = &db->recent[seq % DB_RECENT];
	sqlite3_stmt *s;
	int more;

	*line_out = recent->line;
	*state_out = recent->state;
	if (seq && recent->seq == seq)
		return 1;
	s = db_statement(db, DB_STATE_OF);
	if (!s)
		return -1;
	db_bind(s, 1, seq);
	more = db_step(db, s);
	if (more <= 0)
		return more;
	*line_out = db_number(s, 0);
	*state_out = messages_state(db_number(s, 1));
	sqlite3_reset(s);
	return 1;
}

int
messages_set_state(struct db *db, const struct stored_change *change)
{
	struct channel *c;
	enum stored_state from;
	uint64_t line;
	int result = look_up(db, change->seq, &line, &from);
	sqlite3_stmt *s;

	if (result <= 0)
		return result < 0 ? -1 : STORE_NOT_FOUND;
	c = channels_of_line(db, line);
	if (!c || from == STORED_STATE_COUNT)
		return messages_damaged(
			db, "a message of no channel, or in no state");
	s = db_statement(db, DB_SET_STATE);
	if (!s)
		return -1;
	db_bind(s, 1, change->seq);
	db_bind(s, 2, (uint64_t)change->state + DB_STATE_OFFSET);
	db_bind(s, 3, change->tries);
	db_bind_bytes(s, 4, change->note);
	if (db_run(db, s) < 0)
		return -1;
	if (!sqlite3_changes(db->handle))
		return STORE_NOT_FOUND; /* removed since */
	if (from != change->state)
		channels_note(db, c, line % 2, from, change->state);
	remember(db, change->seq, line, change->state);
	return STORE_OK;
}

/* Whether a user may move a message. */
static bool
may_move(const struct stored_message *m, enum stored_state to)
{
	switch (m->state) {
	case STORED_DEAD:
	case STORED_UNKNOWN:
		break;
	case STORED_PENDING:
		return to == STORED_DROPPED;
	case STORED_DROPPED:
		if (to == STORED_DROPPED)
			return false;
		break;
	default:
		return false;
	}
	return to == STORED_DROPPED || m->body.length || !m->body_bytes;
}

int
messages_move(struct db *db, uint64_t seq, enum stored_state to)
{
	struct stored_change change = {.seq = seq, .state = to};
	struct stored_message m;
	int result = messages_get(db, seq, &m);

	if (result != STORE_OK) {
		messages_close(db);
		return result;
	}
	if (m.state == to)
		result = STORE_SEEN;
	else if (!may_move(&m, to))
		result = STORE_CONFLICT;
	change.tries = to == STORED_PENDING ? 0 : m.tries;
	messages_close(db);
	if (result == STORE_SEEN)
		return STORE_OK;
	return result == STORE_OK ? messages_set_state(db, &change) : result;
}

int
messages_get(struct db *db, uint64_t seq, struct stored_message *message_out)
{
	sqlite3_stmt *s = db_statement(db, DB_GET);
	int more;

	if (!s)
		return -1;
	sqlite3_reset(s);
	db_bind(s, 1, seq);
	more = db_step(db, s);
	if (more <= 0)
		return more < 0 ? -1 : STORE_NOT_FOUND;
	return messages_read_row(db, s, true, message_out) < 0 ? -1 : STORE_OK;
}

void
messages_close(struct db *db)
{
	sqlite3_reset(db->statements[DB_GET]);
}

/* ---- channels ---- */

int
messages_open_channel(struct db *db, struct bytes name, uint64_t epoch_min,
	uint64_t *epoch_out, struct bytes *cursor_out)
{
	struct channel *c = channels_need(db, name);
	uint64_t epoch;

	if (!c)
		return STORE_CONFLICT;
	epoch = c->epoch + 1 < epoch_min ? epoch_min : c->epoch + 1;
	channels_set_epoch(db, c, epoch);
	*epoch_out = epoch;
	*cursor_out = (struct bytes){(const char *)buffer_bytes(&c->cursor),
		buffer_length(&c->cursor)};
	return STORE_OK;
}

int
messages_set_cursor(
	struct db *db, struct bytes name, uint64_t epoch, struct bytes cursor)
{
	struct channel *c = channels_need(db, name);

	if (!c || epoch < c->epoch)
		return STORE_CONFLICT;
	if (epoch > c->epoch)
		channels_set_epoch(db, c, epoch);
	channels_set_cursor(db, c, cursor);
	return STORE_OK;
}
