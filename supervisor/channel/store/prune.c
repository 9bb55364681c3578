/* prune: one walk over the messages in the order of seq for each stage. */
#include "supervisor/channel/store/prune.h"

#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/stored.h"

/* What the walk sees of a message. */
struct seen {
	uint64_t seq, line, number, at_ms, body_bytes;
	enum stored_state state;
};

#define WALK_ROWS 256

void
prune_begin(struct prune *p)
{
	*p = (struct prune){.stage = PRUNE_AGE};
}

int
prune_is_over(struct db *db, uint64_t max_bytes)
{
	int64_t bytes = db_bytes(db);

	if (bytes < 0)
		return -1;
	return max_bytes && (uint64_t)bytes > max_bytes;
}

static bool
is_finished(const struct seen *m)
{
	return m->state != STORED_PENDING && m->state != STORED_ACTIVE;
}

static bool
is_recent(const struct db *db, const struct seen *m)
{
	const struct channel *c = channels_of_line(db, m->line);

	return c && c->tallies[m->line % 2].last - m->number < PRUNE_KEEP_IDS;
}

/* The next messages, at most WALK_ROWS. They are read before any is removed. */
static int
look(struct prune *p, struct db *db, struct seen *seen, unsigned *count_out)
{
	sqlite3_stmt *s = db_statement(db, DB_OLDEST);
	int more;

	*count_out = 0;
	if (!s)
		return -1;
	db_bind(s, 1, p->after_seq);
	while ((more = db_step(db, s)) > 0)
		seen[(*count_out)++] = (struct seen){.seq = db_number(s, 0),
			.line = db_number(s, 1),
			.number = db_number(s, 2),
			.state = (enum stored_state)(
				db_number(s, 3) - DB_STATE_OFFSET),
			.at_ms = db_number(s, 4),
			.body_bytes = db_number(s, 5)};
	return more;
}

static int
run_seq(struct db *db, enum db_statement which, uint64_t seq)
{
	sqlite3_stmt *s = db_statement(db, which);

	if (!s)
		return -1;
	db_bind(s, 1, seq);
	return db_run(db, s);
}

static int
take(struct prune *p, struct db *db, const struct seen *m)
{
	struct channel *c = channels_of_line(db, m->line);

	if (!is_finished(m))
		return 0;
	if (p->stage == PRUNE_BODIES) {
		if (m->body_bytes < PRUNE_BODY_BYTES)
			return 0;
		p->removed++;
		return run_seq(db, DB_CLEAR, m->seq);
	}
	if (is_recent(db, m))
		return 0;
	p->removed++;
	if (c)
		channels_note_pruned(db, c, m->line % 2);
	return run_seq(db, DB_REMOVE, m->seq);
}

/* Whether the stage has nothing left to do from this message on. */
static bool
stage_ends(const struct prune *p, const struct seen *m, uint64_t oldest_ms)
{
	return p->stage == PRUNE_AGE && m->at_ms > oldest_ms;
}

static int
walk(struct prune *p, struct db *db, uint64_t oldest_ms, bool *ended_out)
{
	struct seen seen[WALK_ROWS];
	unsigned count;

	if (db_begin(db) < 0 || look(p, db, seen, &count) < 0)
		return -1;
	*ended_out = count < WALK_ROWS;
	for (unsigned i = 0; i < count; i++) {
		if (stage_ends(p, &seen[i], oldest_ms)) {
			*ended_out = true;
			break;
		}
		p->after_seq = seen[i].seq;
		if (take(p, db, &seen[i]) < 0)
			return -1;
	}
	return db_commit(db);
}

int
prune_step(struct prune *p, struct db *db, uint64_t keep_ms, uint64_t max_bytes,
	uint64_t now_ms)
{
	uint64_t oldest_ms = now_ms > keep_ms ? now_ms - keep_ms : 0;
	bool ended = false;
	int over;

	if (p->stage != PRUNE_AGE) {
		over = prune_is_over(db, max_bytes - max_bytes / 20);
		if (over <= 0) {
			p->stage = PRUNE_DONE;
			return over;
		}
	}
	if (walk(p, db, oldest_ms, &ended) < 0)
		return -1;
	if (ended) {
		p->stage++;
		p->after_seq = 0;
	}
	if (p->stage == PRUNE_SIZE && ended) {
		over = prune_is_over(db, max_bytes);
		if (over <= 0)
			p->stage = PRUNE_DONE;
		return over;
	}
	return p->stage != PRUNE_DONE;
}
