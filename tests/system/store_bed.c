/* store_bed: the real supd-store of the build, without supd. */
#include "tests/system/store_bed.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/list.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/plugin/spawn.h"
#include "tests/system/harness/deadline.h"
#include "tests/system/harness/files.h"

#define PATIENCE_S (DEADLINE_MS(30000) / 1000.)

static char program[512];

static void
too_late(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct store_bed *bed = container_of(timer, struct store_bed, deadline);

	cr_assert_fail("waited in vain; trouble: %s", bed->trouble);
}

static void
heard_trouble(void *user, const char *reason)
{
	struct store_bed *bed = user;

	snprintf(
		bed->trouble, sizeof(bed->trouble), "%s", reason ? reason : "");
	if (reason)
		bed->troubles++;
	else
		bed->recoveries++;
}

static void
heard_damage(void *user, const char *path)
{
	struct store_bed *bed = user;

	snprintf(bed->damaged, sizeof(bed->damaged), "%s", path);
	bed->damages++;
}

void
store_bed_make(struct store_bed *bed)
{
	const char *build = getenv("BUILD");

	cr_assert(build, "BUILD names the build folder");
	snprintf(program, sizeof(program),
		"%s/supervisor/channel/store/supd-store", build);
	*bed = (struct store_bed){.loop = ev_loop_new(EVFLAG_AUTO),
		.program = program,
		.settings = {.keep_ms = 7ull * 24 * 3600 * 1000,
			.max_bytes = 1ull << 30}};
	strcpy(bed->dir, "/tmp/supd-store-XXXXXX");
	cr_assert(mkdtemp(bed->dir));
	bed->database = memory_format("%s/messages.db", bed->dir);
	peer_group_init(&bed->peers, bed->loop);
	children_init(&bed->children, bed->loop);
	ev_timer_init(&bed->deadline, too_late, 0., PATIENCE_S);
	spawn_reserve();
}

void
store_bed_open(struct store_bed *bed)
{
	struct message_store_owner owner = {.group = &bed->peers,
		.children = &bed->children,
		.user = bed,
		.on_trouble = heard_trouble,
		.on_damaged = heard_damage};

	bed->store = message_store_create(
		&owner, bed->program, bed->database, &bed->settings);
}

void
store_bed_turn(struct store_bed *bed)
{
	ev_timer_again(bed->loop, &bed->deadline);
	ev_run(bed->loop, EVRUN_ONCE);
	ev_timer_stop(bed->loop, &bed->deadline);
}

void
store_bed_await(struct store_bed *bed, const unsigned *count, unsigned least)
{
	uint64_t end = clock_ms() + DEADLINE_MS(30000);

	while (*count < least) {
		cr_assert(clock_ms() < end, "waited in vain; trouble: %s",
			bed->trouble);
		store_bed_turn(bed);
	}
}

void
store_bed_heard_stop(void *user)
{
	++*(unsigned *)user;
}

void
store_bed_stop(struct store_bed *bed)
{
	unsigned stopped = 0;

	if (!bed->store)
		return;
	message_store_stop(
		bed->store, DEADLINE_MS(10000), store_bed_heard_stop, &stopped);
	store_bed_await(bed, &stopped, 1);
	message_store_destroy(bed->store);
	bed->store = NULL;
}

void
store_bed_clear(struct store_bed *bed)
{
	store_bed_stop(bed);
	children_finish(&bed->children);
	peer_group_finish(&bed->peers);
	ev_loop_destroy(bed->loop);
	files_remove_tree(bed->dir);
	free(bed->database);
	log_flush();
}

pid_t
store_bed_pid(const struct store_bed *bed)
{
	json_t *view = message_store_view(bed->store);
	pid_t pid = (pid_t)json_integer_value(json_object_get(view, "pid"));

	json_decref(view);
	return pid;
}

void
store_bed_kill(const struct store_bed *bed)
{
	pid_t pid = store_bed_pid(bed);

	if (pid > 0)
		kill(pid, SIGKILL);
}

void
store_bed_await_other(struct store_bed *bed, pid_t pid)
{
	uint64_t end = clock_ms() + DEADLINE_MS(30000);

	while (!store_bed_pid(bed) || store_bed_pid(bed) == pid) {
		cr_assert(clock_ms() < end, "it is not started again");
		store_bed_turn(bed);
	}
}

/* ---- SQL ---- */

static sqlite3 *
open_sql(const struct store_bed *bed)
{
	sqlite3 *db;

	cr_assert_eq(sqlite3_open_v2(
			     bed->database, &db, SQLITE_OPEN_READWRITE, NULL),
		SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

long
store_bed_count(const struct store_bed *bed, const char *sql)
{
	sqlite3 *db = open_sql(bed);
	sqlite3_stmt *s;
	long result;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK,
		"%s: %s", sql, sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
	result = (long)sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(db);
	return result;
}

void
store_bed_sql(const struct store_bed *bed, const char *sql)
{
	sqlite3 *db = open_sql(bed);

	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK,
		"%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* ---- requests ---- */

static void
cut(char *out, struct bytes from)
{
	snprintf(out, 64, "%.*s", (int)from.length, from.at ? from.at : "");
}

static void
done(struct store_call *call, const struct store_result *result)
{
	struct store_ask *ask = container_of(call, struct store_ask, call);
	const struct stored_message *m = result->messages;

	ask->done++;
	ask->answer = result->answer;
	ask->count = result->message_count + result->count_count;
	ask->more = result->more;
	ask->next_seq = result->next_seq;
	ask->epoch = result->epoch;
	cut(ask->cursor, result->cursor);
	for (size_t i = 0; i < result->count_count && i < 8; i++)
		ask->counts[i] = result->counts[i];
	if (!result->message_count)
		return;
	ask->message = *m;
	cut(ask->id, m->id);
	cut(ask->note, m->note);
	cut(ask->body, m->body);
	ask->first_seq = m->seq;
	ask->last_seq = m[result->message_count - 1].seq;
}

struct store_call *
store_ask_begin(struct store_ask *ask)
{
	*ask = (struct store_ask){.call.done = done};
	return &ask->call;
}

void
store_ask_await(struct store_bed *bed, struct store_ask *ask)
{
	cr_assert_eq(ask->done, 0, "answered before the request returned");
	store_bed_await(bed, &ask->done, 1);
	cr_assert_eq(ask->done, 1);
}

struct stored_message
store_message(const char *channel, const char *id, const char *body)
{
	return (struct stored_message){.channel = bytes_of(channel),
		.id = bytes_of(id),
		.lane = BYTES("lane"),
		.body = bytes_of(body)};
}

enum store_answer
store_put(struct store_bed *bed, struct store_ask *ask, const char *channel,
	const char *id, const char *body)
{
	struct stored_message m = store_message(channel, id, body);

	message_store_put(bed->store, store_ask_begin(ask), &m);
	store_ask_await(bed, ask);
	return ask->answer;
}

enum store_answer
store_set(struct store_bed *bed, uint64_t seq, enum stored_state state,
	const char *note, uint32_t tries)
{
	struct stored_change change = {.seq = seq,
		.state = state,
		.note = bytes_of(note),
		.tries = tries};
	struct store_ask ask;

	message_store_set_state(bed->store, store_ask_begin(&ask), &change);
	store_ask_await(bed, &ask);
	return ask.answer;
}

enum store_answer
store_open(struct store_bed *bed, struct store_ask *ask, const char *channel)
{
	message_store_open_channel(
		bed->store, store_ask_begin(ask), bytes_of(channel), 0);
	store_ask_await(bed, ask);
	return ask->answer;
}

enum store_answer
store_cursor(struct store_bed *bed, const char *channel, uint64_t epoch,
	const char *cursor)
{
	struct store_ask ask;

	message_store_set_cursor(bed->store, store_ask_begin(&ask),
		bytes_of(channel), epoch, bytes_of(cursor));
	store_ask_await(bed, &ask);
	return ask.answer;
}

enum store_answer
store_look(struct store_bed *bed, struct store_ask *ask,
	const struct store_query *query)
{
	message_store_query(bed->store, store_ask_begin(ask), query);
	store_ask_await(bed, ask);
	return ask->answer;
}

enum store_answer
store_one(struct store_bed *bed, struct store_ask *ask,
	void (*request)(
		struct message_store *s, struct store_call *call, uint64_t seq),
	uint64_t seq)
{
	request(bed->store, store_ask_begin(ask), seq);
	store_ask_await(bed, ask);
	return ask->answer;
}

enum store_answer
store_counts(struct store_bed *bed, struct store_ask *ask, const char *channel)
{
	message_store_counts(
		bed->store, store_ask_begin(ask), bytes_of(channel));
	store_ask_await(bed, ask);
	return ask->answer;
}
