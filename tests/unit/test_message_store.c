/* The database of messages, without its process: what is answered, what is
 * kept, what goes first when there is no room, and what becomes of a file that
 * is not a database of messages. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/store/channels.h"
#include "supervisor/channel/store/messages.h"
#include "supervisor/channel/store/prune.h"
#include "tests/system/harness/files.h"

#define DAY_MS (24ull * 3600 * 1000)

static char folder[64], path[128];
static struct db db;
static uint64_t token;

static void
begin(void)
{
	strcpy(folder, "/tmp/supd-messages-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/messages.db", folder);
	db_init(&db, path);
	cr_assert_eq(db_open(&db), 0, "%s", db.reason.text);
	db_set_sync(&db, false);
}

static void
finish(void)
{
	db_finish(&db);
	files_remove_tree(folder);
}

TestSuite(message_store, .init = begin, .fini = finish, .timeout = 120);

static int
put_bytes(const char *channel, const char *id, struct bytes body,
	struct stored_message *found)
{
	struct stored_message m = {.channel = bytes_of(channel),
		.id = bytes_of(id),
		.lane = BYTES("lane"),
		.body = body};
	int result;

	cr_assert_eq(db_begin(&db), 0, "%s", db.reason.text);
	result = messages_put(&db, &m, token, found);
	cr_assert_geq(result, 0, "%s", db.reason.text);
	return result;
}

static int
put(const char *channel, const char *id, struct stored_message *found)
{
	token++;
	return put_bytes(channel, id, BYTES("body"), found);
}

static void
commit(void)
{
	cr_assert_eq(db_commit(&db), 0, "%s", db.reason.text);
}

static int
set(uint64_t seq, enum stored_state state, const char *note)
{
	struct stored_change change = {
		.seq = seq, .state = state, .note = bytes_of(note), .tries = 1};

	cr_assert_eq(db_begin(&db), 0);
	return messages_set_state(&db, &change);
}

static const struct tally *
tally(const char *channel)
{
	return &channels_find(&db, bytes_of(channel))->tallies[0];
}

static void
reopen(void)
{
	commit();
	db_close(&db);
	cr_assert_eq(db_open(&db), 0, "%s", db.reason.text);
}

/* ---- what is answered ---- */

Test(message_store, the_same_request_again_is_new_again_and_another_is_seen)
{
	struct stored_message first, found;

	cr_expect_eq(put("irc", "1", &first), STORE_NEW);
	cr_expect_eq(put_bytes("irc", "1", BYTES("body"), &found), STORE_NEW);
	cr_expect_eq(found.seq, first.seq);
	cr_expect_eq(put("irc", "1", &found), STORE_SEEN);
	cr_expect_eq(found.seq, first.seq);
	cr_expect_eq(put("irc", "", &found), STORE_NEW, "an id may be empty");
	cr_expect_eq(put("irc", "", &found), STORE_SEEN);
	commit();
	cr_expect_eq(tally("irc")->states[STORED_PENDING], 2);
	cr_expect_eq(tally("irc")->kept, 2);
}

Test(message_store, a_group_that_is_undone_leaves_nothing)
{
	struct stored_message found;

	put("irc", "1", &found);
	commit();
	put("irc", "2", &found);
	put("mqtt", "1", &found);
	set(1, STORED_DONE, "");
	cr_expect_eq(db_cancel(&db), 0);
	cr_expect_eq(tally("irc")->kept, 1);
	cr_expect_eq(tally("irc")->states[STORED_PENDING], 1);
	cr_expect_null(channels_find(&db, BYTES("mqtt")));
	cr_expect_eq(put("irc", "2", &found), STORE_NEW);
	cr_expect_eq(found.seq, 2);
	cr_expect_eq(set(1, STORED_DONE, ""), STORE_OK);
	commit();
	cr_expect_eq(tally("irc")->states[STORED_DONE], 1);
}

Test(message_store, counts_of_each_class_last_over_a_restart)
{
	static const enum stored_state states[] = {STORED_PENDING,
		STORED_ACTIVE, STORED_DONE, STORED_DEAD, STORED_UNKNOWN,
		STORED_DROPPED};
	struct stored_message found;
	char id[16];

	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put("irc", id, &found);
		if (i % 6)
			cr_expect_eq(
				set(found.seq, states[i % 6], ""), STORE_OK);
	}
	cr_expect_eq(set(77, STORED_DONE, ""), STORE_NOT_FOUND);
	reopen();
	for (int i = 0; i < 6; i++)
		cr_expect_eq(tally("irc")->states[i], 2, "class %d", i);
	cr_expect_eq(tally("irc")->kept, 12);
	/* back and forth, with the states on disk */
	cr_expect_eq(set(1, STORED_DEAD, "no"), STORE_OK);
	cr_expect_eq(set(1, STORED_DEAD, "still"), STORE_OK);
	cr_expect_eq(set(1, STORED_PENDING, ""), STORE_OK);
	reopen();
	cr_expect_eq(tally("irc")->states[STORED_PENDING], 2);
	cr_expect_eq(tally("irc")->states[STORED_DEAD], 2);
}

Test(message_store, a_user_may_retry_what_failed_and_drop_what_waits)
{
	static const struct {
		enum stored_state is, to;
		int answer;
	} rows[] = {
		{STORED_DEAD, STORED_PENDING, STORE_OK},
		{STORED_UNKNOWN, STORED_PENDING, STORE_OK},
		{STORED_DROPPED, STORED_PENDING, STORE_OK},
		{STORED_PENDING, STORED_PENDING, STORE_OK},
		{STORED_ACTIVE, STORED_PENDING, STORE_CONFLICT},
		{STORED_DONE, STORED_PENDING, STORE_CONFLICT},
		{STORED_DEAD, STORED_DROPPED, STORE_OK},
		{STORED_UNKNOWN, STORED_DROPPED, STORE_OK},
		{STORED_DROPPED, STORED_DROPPED, STORE_OK},
		{STORED_PENDING, STORED_DROPPED, STORE_OK},
		{STORED_ACTIVE, STORED_DROPPED, STORE_CONFLICT},
		{STORED_DONE, STORED_DROPPED, STORE_CONFLICT},
	};
	struct stored_message found, now;
	char id[16];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(id, sizeof(id), "%zu", i);
		put("irc", id, &found);
		set(found.seq, rows[i].is, "why");
		cr_expect_eq(messages_move(&db, found.seq, rows[i].to),
			rows[i].answer, "row %zu", i);
		cr_expect_eq(messages_get(&db, found.seq, &now), STORE_OK);
		cr_expect_eq(now.state,
			rows[i].answer == STORE_OK ? rows[i].to : rows[i].is,
			"row %zu", i);
		messages_close(&db);
	}
	cr_expect_eq(messages_move(&db, 999, STORED_DROPPED), STORE_NOT_FOUND);
}

Test(message_store, epochs_only_grow_and_an_old_one_sets_no_cursor)
{
	struct bytes cursor;
	uint64_t epoch;

	db_begin(&db);
	cr_expect_eq(
		messages_open_channel(&db, BYTES("irc"), 0, &epoch, &cursor),
		STORE_OK);
	cr_expect_eq(epoch, 1);
	cr_expect_eq(cursor.length, 0);
	cr_expect_eq(messages_set_cursor(&db, BYTES("irc"), 1, BYTES("a")),
		STORE_OK);
	messages_open_channel(&db, BYTES("irc"), 40, &epoch, &cursor);
	cr_expect_eq(epoch, 40);
	cr_expect(bytes_equal(cursor, BYTES("a")));
	cr_expect_eq(messages_set_cursor(&db, BYTES("irc"), 39, BYTES("b")),
		STORE_CONFLICT);
	cr_expect_eq(messages_set_cursor(&db, BYTES("irc"), 40, BYTES("c")),
		STORE_OK);
	reopen();
	db_begin(&db);
	messages_open_channel(&db, BYTES("irc"), 3, &epoch, &cursor);
	cr_expect_eq(epoch, 41);
	cr_expect(bytes_equal(cursor, BYTES("c")));
}

/* ---- pages ---- */

struct walk {
	unsigned pages, rows;
	uint64_t first, last;
	size_t most; /* bytes of a page */
};

static struct walk
walk(struct store_query query)
{
	struct messages_page page = {.more = true, .next_seq = 0};
	struct stored_message m;
	struct walk w = {0};

	while (page.more) {
		int more;

		query.after_seq = page.next_seq;
		cr_assert_eq(messages_page_begin(&page, &db, &query), 0);
		while ((more = messages_page_next(&page, &m)) > 0) {
			if (!w.rows)
				w.first = m.seq;
			else
				cr_assert(query.newest_first ? m.seq < w.last
							     : m.seq > w.last);
			w.last = m.seq;
			w.rows++;
		}
		cr_assert_eq(more, 0);
		messages_page_end(&page);
		w.pages++;
		w.most = page.bytes > w.most ? page.bytes : w.most;
	}
	return w;
}

Test(message_store, pages_are_bounded_and_go_through_everything_once)
{
	static char large[100000];
	const unsigned unfinished = STORED_STATE_BIT(STORED_PENDING) |
				    STORED_STATE_BIT(STORED_ACTIVE);
	struct stored_message found;
	struct walk w;
	char id[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		token++;
		put_bytes(i % 10 ? "irc" : "mqtt", id,
			(struct bytes){large, i % 10 ? 10 : sizeof(large)},
			&found);
		if (i % 2)
			set(found.seq, STORED_DONE, "");
	}
	commit();
	w = walk((struct store_query){.limit = 100});
	cr_expect_eq(w.rows, 1000);
	cr_expect_eq(w.pages, 10);
	w = walk((struct store_query){.newest_first = true});
	cr_expect_eq(w.rows, 1000);
	cr_expect_eq(w.first, 1000);
	cr_expect_eq(w.last, 1);
	w = walk((struct store_query){.states = unfinished, .bodies = true});
	cr_expect_eq(w.rows, 500);
	cr_expect(w.most <= STORE_PAGE_BYTES, "%zu bytes", w.most);
	cr_expect_geq(w.pages, 20);
	w = walk((struct store_query){
		.states = unfinished, .channel = BYTES("mqtt")});
	cr_expect_eq(w.rows, 100);
	w = walk((struct store_query){.channel = BYTES("mqtt"),
		.states = STORED_STATE_BIT(STORED_DONE)});
	cr_expect_eq(w.rows, 0);
	w = walk((struct store_query){.direction = STORE_OUTBOUND});
	cr_expect_eq(w.rows, 0);
}

static void
fill(const char *channel, unsigned from, unsigned count, size_t body_bytes,
	enum stored_state state)
{
	char *body = memory_alloc(body_bytes + 1), id[16];
	struct stored_message found;

	for (unsigned i = from; i < from + count; i++) {
		snprintf(id, sizeof(id), "%u", i);
		token++;
		put_bytes(
			channel, id, (struct bytes){body, body_bytes}, &found);
		if (state != STORED_PENDING)
			set(found.seq, state, "");
		if (i % 1000 == 999)
			commit();
	}
	commit();
	free(body);
}

Test(message_store, the_work_on_a_page_is_bounded)
{
	const struct store_query query = {.channel = BYTES("none")};
	struct messages_page page;
	struct stored_message m;

	fill("irc", 0, QUERY_LOOKS_MAX + 10, 1, STORED_PENDING);
	messages_page_begin(&page, &db, &query);
	cr_expect_eq(messages_page_next(&page, &m), 0);
	cr_expect(page.more);
	cr_expect_eq(page.next_seq, QUERY_LOOKS_MAX);
	messages_page_end(&page);
	cr_expect_eq(walk(query).pages, 2);
}

/* ---- what goes first ---- */

static uint64_t
prune_all(uint64_t keep_ms, uint64_t max_bytes, uint64_t now_ms)
{
	struct prune p;
	int more;

	prune_begin(&p);
	while ((more = prune_step(&p, &db, keep_ms, max_bytes, now_ms)) > 0)
		;
	cr_assert_eq(more, 0, "%s", db.reason.text);
	return p.removed;
}

Test(message_store, the_last_ids_of_a_channel_stay_whatever_their_age)
{
	uint64_t now = clock_wall_ms();
	struct stored_message found;

	fill("irc", 0, PRUNE_KEEP_IDS + 500, 10, STORED_DONE);
	fill("mqtt", 0, 100, 10, STORED_DONE);
	cr_expect_eq(prune_all(DAY_MS, 0, now), 0, "none is old");
	cr_expect_eq(prune_all(DAY_MS, 0, now + 2 * DAY_MS), 500);
	cr_expect_eq(put("irc", "499", &found), STORE_NEW, "it was removed");
	cr_expect_eq(put("irc", "500", &found), STORE_SEEN);
	cr_expect_eq(put("mqtt", "0", &found), STORE_SEEN);
	commit();
	cr_expect_eq(tally("irc")->kept, PRUNE_KEEP_IDS + 1);
	cr_expect_eq(tally("irc")->states[STORED_DONE], PRUNE_KEEP_IDS + 500,
		"the classes count what was removed, too");
	reopen();
	cr_expect_eq(tally("irc")->kept, PRUNE_KEEP_IDS + 1);
}

Test(message_store, what_is_not_finished_stays_whatever_its_age)
{
	uint64_t now = clock_wall_ms();

	fill("irc", 0, 300, 10, STORED_PENDING);
	fill("irc", 300, 300, 10, STORED_ACTIVE);
	fill("irc", 600, 100, 10, STORED_DEAD);
	fill("irc", 700, PRUNE_KEEP_IDS, 10, STORED_DONE);
	cr_expect_eq(prune_all(DAY_MS, 0, now + 2 * DAY_MS), 100);
	cr_expect_eq(tally("irc")->kept, PRUNE_KEEP_IDS + 600);
}

Test(message_store, beyond_its_size_the_oldest_finished_ones_go)
{
	int64_t before, after;
	struct stored_message found;

	fill("irc", 0, PRUNE_KEEP_IDS + 2000, 1000, STORED_DONE);
	before = db_bytes(&db);
	cr_expect_eq(prune_is_over(&db, (uint64_t)before - 1), 1);
	cr_expect_eq(prune_is_over(&db, (uint64_t)before), 0);
	cr_expect_eq(prune_is_over(&db, 0), 0, "0: no bound");
	prune_all(DAY_MS, (uint64_t)before - 500000, clock_wall_ms());
	after = db_bytes(&db);
	cr_expect(after < before - 500000, "%lld to %lld", (long long)before,
		(long long)after);
	cr_expect_eq(put("irc", "0", &found), STORE_NEW);
	cr_expect_eq(put("irc", "11999", &found), STORE_SEEN);
	commit();
	cr_expect(tally("irc")->kept > PRUNE_KEEP_IDS + 500,
		"no more went than had to");
}

Test(message_store, beyond_its_size_bodies_go_before_ids_that_must_stay)
{
	struct stored_message found;
	int64_t before;

	fill("irc", 0, 500, 20000, STORED_DONE);
	fill("irc", 500, 100, 20000, STORED_DEAD);
	fill("irc", 600, 100, 20000, STORED_PENDING);
	before = db_bytes(&db);
	cr_expect(prune_all(DAY_MS, (uint64_t)before / 2, clock_wall_ms()) > 0);
	cr_expect(db_bytes(&db) < before / 2);
	cr_expect_eq(tally("irc")->kept, 700);
	cr_expect_eq(put("irc", "0", &found), STORE_SEEN);
	cr_expect_eq(messages_get(&db, found.seq, &found), STORE_OK);
	cr_expect_eq(found.body.length, 0);
	cr_expect_eq(found.body_bytes, 20000);
	messages_close(&db);
	cr_expect_eq(set(found.seq, STORED_DEAD, ""), STORE_OK);
	cr_expect_eq(messages_move(&db, found.seq, STORED_PENDING),
		STORE_CONFLICT, "without a body there is nothing to try");
	cr_expect_eq(put("irc", "650", &found), STORE_SEEN);
	cr_expect_eq(messages_get(&db, found.seq, &found), STORE_OK);
	cr_expect_eq(found.body.length, 20000, "it is not finished");
	messages_close(&db);
}

/* ---- files that are no database of messages ---- */

static unsigned
count_aside(void)
{
	char *pattern = memory_format("%s.damaged-*", path);
	glob_t found;
	unsigned count = 0;

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			count += !strstr(found.gl_pathv[i], "-wal");
	globfree(&found);
	free(pattern);
	return count;
}

static void
fill_a_little(void)
{
	struct bytes cursor;
	uint64_t epoch;

	db_begin(&db);
	messages_open_channel(&db, BYTES("irc"), 5, &epoch, &cursor);
	messages_set_cursor(&db, BYTES("irc"), 5, BYTES("here"));
	fill("irc", 0, 2000, 100, STORED_PENDING);
}

Test(message_store, whatever_is_at_its_path_is_put_aside_and_a_new_one_begun)
{
	static const char *const commands[] = {
		"head -c 100000 /dev/urandom > $P",
		"echo 'not a database' > $P",
		"mkdir $P",
		"mkfifo $P",
		"ln -s / $P",
		"sqlite3 $P 'CREATE TABLE mine(a)' 2>/dev/null || "
		"head -c 9000 /dev/urandom > $P",
	};
	const unsigned count = sizeof(commands) / sizeof(commands[0]);
	struct stored_message found;

	db_close(&db);
	for (unsigned i = 0; i < count; i++) {
		char *command = memory_format(
			"P=%s; rm -f $P $P-wal; %s", path, commands[i]);

		cr_assert_eq(system(command), 0);
		cr_assert_eq(
			db_open(&db), 0, "%s: %s", commands[i], db.reason.text);
		cr_assert(db.aside, "%s", commands[i]);
		cr_expect_eq(count_aside(), i + 1);
		cr_expect_eq(put("irc", "1", &found), STORE_NEW);
		commit();
		db_close(&db);
		free(command);
	}
}

Test(message_store, an_empty_file_becomes_a_database)
{
	struct stored_message found;

	db_close(&db);
	unlink(path);
	files_write(path, "%s", "");
	cr_assert_eq(db_open(&db), 0, "%s", db.reason.text);
	cr_expect_null(db.aside);
	cr_expect_eq(put("irc", "1", &found), STORE_NEW);
}

Test(message_store, of_a_damaged_one_epochs_and_cursors_that_can_be_read_stay)
{
	struct stored_message found;
	struct bytes cursor;
	uint64_t epoch;
	struct stat size;
	char zeros[4096];
	int fd;

	fill_a_little();
	db_close(&db);
	cr_assert_eq(stat(path, &size), 0);
	fd = open(path, O_RDWR);
	memset(zeros, 0xff, sizeof(zeros));
	/* all but what was written first: the schema and the channels */
	for (off_t at = 8 * 4096; at < size.st_size; at += 4096)
		cr_assert_eq(pwrite(fd, zeros, sizeof(zeros), at), 4096);
	close(fd);
	if (db_open(&db) == 0 && !db.aside) {
		/* it is noticed when it is used */
		struct stored_message m = {.channel = BYTES("irc"),
			.id = BYTES("1500"),
			.body = BYTES("x")};

		cr_assert_eq(db_begin(&db), 0);
		cr_assert_eq(messages_put(&db, &m, ++token, &found), -1);
		cr_assert_eq(db.failure, DB_DAMAGED, "%s", db.reason.text);
		db_put_aside(&db);
		cr_assert_eq(db_open(&db), 0, "%s", db.reason.text);
	}
	cr_expect_eq(count_aside(), 1);
	db_begin(&db);
	cr_expect_eq(
		messages_open_channel(&db, BYTES("irc"), 0, &epoch, &cursor),
		STORE_OK);
	cr_expect(epoch > 5, "epoch %llu", (unsigned long long)epoch);
	cr_expect(bytes_equal(cursor, BYTES("here")));
	cr_expect_eq(put("irc", "1", &found), STORE_NEW);
	cr_expect(found.seq > 2000, "no seq is used twice");
}

Test(message_store, a_file_cut_anywhere_is_put_aside_or_whole)
{
	struct stored_message found;
	struct stat size;
	char *copy = memory_format("%s.copy", path), *command;

	fill_a_little();
	db_close(&db);
	command = memory_format("cp %s %s", path, copy);
	cr_assert_eq(system(command), 0);
	cr_assert_eq(stat(copy, &size), 0);
	for (off_t at = 1; at < size.st_size; at += size.st_size / 37) {
		char *restore = memory_format("cp %s %s", copy, path);

		cr_assert_eq(system(restore), 0);
		cr_assert_eq(truncate(path, at), 0);
		if (db_open(&db) < 0)
			cr_assert_fail("%lld bytes: %s", (long long)at,
				db.reason.text);
		/* damage that is noticed later is damage, too */
		for (int i = 0; i < 2000 && !db.aside; i += 100) {
			char id[16];
			struct stored_message m = {.channel = BYTES("irc"),
				.id = {id, 0},
				.body = BYTES("x")};

			m.id.length = (size_t)snprintf(id, sizeof(id), "%d", i);
			cr_assert_eq(db_begin(&db), 0);
			if (messages_put(&db, &m, ++token, &found) < 0) {
				cr_assert_eq(db.failure, DB_DAMAGED, "%s",
					db.reason.text);
				db_put_aside(&db);
				cr_assert_eq(
					db_open(&db), 0, "%s", db.reason.text);
				break;
			}
		}
		db_close(&db);
		free(restore);
	}
	free(command);
	free(copy);
}

Test(message_store, of_those_put_aside_the_last_nine_are_kept)
{
	db_close(&db);
	for (int i = 0; i < DB_ASIDE_MAX + 4; i++) {
		files_write(path, "%s", "this is not a database at all");
		cr_assert_eq(db_open(&db), 0, "%s", db.reason.text);
		db_close(&db);
	}
	cr_expect_eq(count_aside(), DB_ASIDE_MAX);
}

Test(message_store, one_of_a_newer_supd_is_refused_and_not_changed)
{
	char *before, *after;
	struct stored_message found;

	put("irc", "1", &found);
	commit();
	sqlite3_exec(db.handle, "PRAGMA user_version = 2", NULL, NULL, NULL);
	db_close(&db);
	before = files_read(path);
	cr_expect_eq(db_open(&db), -1);
	cr_expect_eq(db.failure, DB_BROKEN);
	cr_expect(strstr(db.reason.text, "written by a newer supd (version 2"),
		"%s", db.reason.text);
	after = files_read(path);
	cr_expect_str_eq(before, after);
	cr_expect_eq(count_aside(), 0);
	free(before);
	free(after);
}

Test(message_store, only_one_process_has_it_open)
{
	struct db other;

	db_init(&other, path);
	cr_expect_eq(db_open(&other), -1);
	cr_expect_eq(other.failure, DB_LOCKED);
	cr_expect(strstr(other.reason.text, "open in another process"), "%s",
		other.reason.text);
	db_finish(&other);
}

Test(message_store, channels_of_one_database_have_a_number)
{
	struct stored_message found;
	char name[16];

	for (unsigned i = 0; i < CHANNELS_MAX; i++) {
		snprintf(name, sizeof(name), "%u", i);
		cr_assert(channels_need(&db, bytes_of(name)));
	}
	cr_expect_eq(put("another", "1", &found), STORE_CONFLICT);
	cr_expect_eq(put("17", "1", &found), STORE_NEW);
	reopen();
	cr_expect_eq(channels_count(&db), CHANNELS_MAX);
	cr_expect_eq(put("17", "1", &found), STORE_SEEN);
}
