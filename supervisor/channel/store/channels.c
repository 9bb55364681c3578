/* channels: read once when the database is opened, and again after a group that
 * failed. */
#include "supervisor/channel/store/channels.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

struct channels {
	struct map by_name;
	struct channel **rows; /* number n is at n - 1 */
	uint32_t count, capacity;
	bool is_dirty;
};

static struct channel *
add(struct channels *all, struct bytes name)
{
	struct channel *c = memory_alloc(sizeof(*c));

	c->name = (struct bytes){
		memory_copy_bytes(name.at, name.length), name.length};
	if (all->count == all->capacity) {
		all->capacity = all->capacity ? 2 * all->capacity : 16;
		all->rows = memory_resize(
			all->rows, all->capacity * sizeof(struct channel *));
	}
	all->rows[all->count++] = c;
	c->number = all->count;
	map_set(&all->by_name, c->name.at, c->name.length, c);
	return c;
}

void
channels_destroy(struct channels *all)
{
	if (!all)
		return;
	for (uint32_t i = 0; i < all->count; i++) {
		buffer_finish(&all->rows[i]->cursor);
		free((char *)(uintptr_t)all->rows[i]->name.at);
		free(all->rows[i]);
	}
	free(all->rows);
	map_finish(&all->by_name);
	free(all);
}

static int
is_odd(struct db *db, const char *what)
{
	db->failure = DB_DAMAGED;
	return error_set(&db->reason, "%s has %s", db->path, what);
}

static int
load_rows(struct db *db, struct channels *all)
{
	sqlite3_stmt *s = db_statement(db, DB_CHANNELS);
	int more;

	while (s && (more = db_step(db, s)) > 0) {
		struct bytes name = db_column_bytes(s, 1);
		struct bytes cursor = db_column_bytes(s, 3);
		struct channel *c;

		if (db_number(s, 0) != all->count + 1 ||
			all->count == CHANNELS_MAX ||
			map_get(&all->by_name, name.at, name.length))
			return is_odd(db, "a channel with a wrong number");
		c = add(all, name);
		c->epoch = db_number(s, 2);
		buffer_append(&c->cursor, cursor.at, cursor.length);
	}
	return s && !more ? 0 : -1;
}

static int
load_tallies(struct db *db, struct channels *all)
{
	sqlite3_stmt *s = db_statement(db, DB_TALLIES);
	int more;

	while (s && (more = db_step(db, s)) > 0) {
		uint64_t line = db_number(s, 0), number = line / 2;
		struct tally *t;

		if (!number || number > all->count)
			return is_odd(db, "counts of no channel");
		t = &all->rows[number - 1]->tallies[line % 2];
		t->last = db_number(s, 1);
		t->kept = db_number(s, 2);
		for (int i = 0; i < STORED_STATE_COUNT; i++)
			t->states[i] = db_number(s, 3 + i);
	}
	return s && !more ? 0 : -1;
}

int
channels_load(struct db *db)
{
	struct channels *all = memory_alloc(sizeof(*all));

	if (load_rows(db, all) < 0 || load_tallies(db, all) < 0) {
		/* Part of them is better than nothing for channels_move(). */
		if (!db->channels)
			db->channels = all;
		else
			channels_destroy(all);
		return -1;
	}
	channels_destroy(db->channels);
	db->channels = all;
	return 0;
}

void
channels_move(struct db *db)
{
	struct channels *old = db->channels;

	db->channels = memory_alloc(sizeof(*db->channels));
	if (!old)
		return;
	for (uint32_t i = 0; i < old->count; i++) {
		struct channel *c = channels_need(db, old->rows[i]->name);

		c->epoch = old->rows[i]->epoch;
		buffer_append(&c->cursor, buffer_bytes(&old->rows[i]->cursor),
			buffer_length(&old->rows[i]->cursor));
	}
	channels_destroy(old);
}

/* ---- writing ---- */

static int
write_row(struct db *db, struct channel *c)
{
	sqlite3_stmt *s;

	if (!c->is_new && !c->is_dirty)
		return 0;
	s = db_statement(db, c->is_new ? DB_ADD_CHANNEL : DB_SET_CHANNEL);
	if (!s)
		return -1;
	db_bind(s, 1, c->number);
	if (c->is_new)
		db_bind_bytes(s, 2, c->name);
	db_bind(s, 3, c->epoch);
	db_bind_bytes(s, 4,
		(struct bytes){(const char *)buffer_bytes(&c->cursor),
			buffer_length(&c->cursor)});
	c->is_new = c->is_dirty = false;
	return db_run(db, s);
}

static int
write_tally(struct db *db, struct channel *c, bool outbound)
{
	struct tally *t = &c->tallies[outbound];
	sqlite3_stmt *s;

	if (!t->is_dirty)
		return 0;
	s = db_statement(db, DB_SET_TALLY);
	if (!s)
		return -1;
	db_bind(s, 1, channel_line(c, outbound));
	db_bind(s, 2, t->last);
	db_bind(s, 3, t->kept);
	for (int i = 0; i < STORED_STATE_COUNT; i++)
		db_bind(s, 4 + i, t->states[i]);
	t->is_dirty = false;
	return db_run(db, s);
}

int
channels_write(struct db *db)
{
	struct channels *all = db->channels;

	if (!all->is_dirty)
		return 0;
	for (uint32_t i = 0; i < all->count; i++) {
		struct channel *c = all->rows[i];

		if (write_row(db, c) < 0 || write_tally(db, c, false) < 0 ||
			write_tally(db, c, true) < 0)
			return -1;
	}
	all->is_dirty = false;
	return 0;
}

/* ---- looking up and changing ---- */

struct channel *
channels_find(const struct db *db, struct bytes name)
{
	return map_get(&db->channels->by_name, name.at, name.length);
}

struct channel *
channels_need(struct db *db, struct bytes name)
{
	struct channel *c = channels_find(db, name);

	if (c || db->channels->count == CHANNELS_MAX)
		return c;
	c = add(db->channels, name);
	c->epoch = db->epoch_base;
	c->is_new = db->channels->is_dirty = true;
	return c;
}

struct channel *
channels_of_line(const struct db *db, uint64_t line)
{
	uint64_t number = line / 2;

	return number && number <= db->channels->count
		       ? db->channels->rows[number - 1]
		       : NULL;
}

uint32_t
channels_count(const struct db *db)
{
	return db->channels->count;
}

struct channel *
channels_at(const struct db *db, uint32_t index)
{
	return db->channels->rows[index];
}

static struct tally *
touch(struct db *db, struct channel *c, bool outbound)
{
	struct tally *t = &c->tallies[outbound];

	t->is_dirty = db->channels->is_dirty = true;
	return t;
}

void
channels_note(struct db *db, struct channel *c, bool outbound,
	enum stored_state from, enum stored_state to)
{
	struct tally *t = touch(db, c, outbound);

	if (from == STORED_STATE_COUNT)
		t->last++, t->kept++;
	else
		t->states[from]--;
	t->states[to]++;
}

void
channels_note_pruned(struct db *db, struct channel *c, bool outbound)
{
	touch(db, c, outbound)->kept--;
}

void
channels_set_cursor(struct db *db, struct channel *c, struct bytes cursor)
{
	buffer_clear(&c->cursor);
	buffer_append(&c->cursor, cursor.at, cursor.length);
	c->is_dirty = db->channels->is_dirty = true;
}

void
channels_set_epoch(struct db *db, struct channel *c, uint64_t epoch)
{
	c->epoch = epoch;
	c->is_dirty = db->channels->is_dirty = true;
}
