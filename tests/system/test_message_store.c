/* The message store and its real process: what was answered with NEW is on the
 * disk, once, whatever dies, and whatever the disk is like. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/harness/deadline.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/process.h"
#include "tests/system/store_bed.h"

static struct store_bed bed;

static void
begin(void)
{
	store_bed_make(&bed);
	store_bed_open(&bed);
}

static void
finish(void)
{
	store_bed_clear(&bed);
}

TestSuite(message_store, .init = begin, .fini = finish, .timeout = 120);

/* ---- what it does ---- */

Test(message_store, nothing_is_started_before_the_first_request)
{
	cr_expect(!message_store_is_started(bed.store));
	cr_expect_eq(store_bed_pid(&bed), 0);
	cr_expect_eq(files_count(bed.dir), 0);
}

Test(message_store, a_message_is_new_once_and_then_seen_with_its_state)
{
	struct store_ask a, b;

	cr_expect_eq(store_put(&bed, &a, "irc", "1", "hello"), STORE_NEW);
	cr_expect_eq(store_put(&bed, &b, "irc", "1", "again"), STORE_SEEN);
	cr_expect_eq(b.message.seq, a.message.seq);
	cr_expect_eq(b.message.state, STORED_PENDING);
	cr_expect_eq(store_put(&bed, &b, "mqtt", "1", "other"), STORE_NEW);
	cr_expect_eq(store_set(&bed, a.message.seq, STORED_DEAD, "why", 2),
		STORE_OK);
	cr_expect_eq(store_put(&bed, &b, "irc", "1", "again"), STORE_SEEN);
	cr_expect_eq(b.message.state, STORED_DEAD);
	cr_expect_str_eq(b.note, "why");
	cr_expect_eq(b.message.tries, 2);
	cr_expect_eq(store_set(&bed, 999, STORED_DONE, "", 0), STORE_NOT_FOUND);
}

Test(message_store, both_directions_have_ids_of_their_own)
{
	struct stored_message m = store_message("irc", "1", "x");
	struct store_ask a;

	cr_expect_eq(store_put(&bed, &a, "irc", "1", "x"), STORE_NEW);
	m.outbound = true;
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_NEW);
}

Test(message_store, everything_is_there_after_a_restart)
{
	struct store_query pending = {
		.states = STORED_STATE_BIT(STORED_PENDING) |
			  STORED_STATE_BIT(STORED_ACTIVE),
		.bodies = true};
	struct store_ask a, b;

	cr_expect_eq(store_open(&bed, &b, "irc"), STORE_OK);
	cr_expect_eq(b.epoch, 1);
	store_put(&bed, &a, "irc", "1", "first");
	store_put(&bed, &b, "irc", "2", "second");
	cr_expect_eq(
		store_set(&bed, a.message.seq, STORED_DONE, "", 1), STORE_OK);
	cr_expect_eq(store_cursor(&bed, "irc", 1, "position"), STORE_OK);
	store_bed_stop(&bed);
	store_bed_open(&bed);
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "first"), STORE_SEEN);
	cr_expect_eq(a.message.state, STORED_DONE);
	cr_expect_eq(store_open(&bed, &a, "irc"), STORE_OK);
	cr_expect_eq(a.epoch, 2);
	cr_expect_str_eq(a.cursor, "position");
	cr_expect_eq(store_look(&bed, &a, &pending), STORE_OK);
	cr_expect_eq(a.count, 1);
	cr_expect(!a.more);
	cr_expect_str_eq(a.id, "2");
	cr_expect_str_eq(a.body, "second");
}

/* ---- deaths of the process ---- */

#define FLOOD 10000
#define FLOOD_WINDOW 1500

/* Many puts at a time, each repeated while it is BUSY. */
static struct flood {
	struct flood_put {
		struct store_call call;
		unsigned news, seens;
	} puts[FLOOD];
	unsigned begun, ended, total, busy;
	bool changes_states;
} flood;

static void flood_put(struct flood_put *put);

static void
flood_more(void)
{
	while (flood.begun < flood.total &&
		flood.begun - flood.ended < FLOOD_WINDOW)
		flood_put(&flood.puts[flood.begun++]);
}

static void
flood_done(struct store_call *call, const struct store_result *result)
{
	struct flood_put *put = container_of(call, struct flood_put, call);
	struct stored_change change = {.state = STORED_DONE, .tries = 1};

	if (result->answer == STORE_BUSY) {
		flood.busy++;
		flood_put(put);
		return;
	}
	put->news += result->answer == STORE_NEW;
	put->seens += result->answer == STORE_SEEN;
	flood.ended++;
	if (flood.changes_states && result->answer == STORE_NEW) {
		change.seq = result->messages[0].seq;
		message_store_set_state(bed.store, NULL, &change);
	}
	flood_more();
}

static void
flood_put(struct flood_put *put)
{
	char id[24], lane[24];
	struct stored_message m = store_message("irc", "", "a body of words");

	snprintf(id, sizeof(id), "message-%zu", (size_t)(put - flood.puts));
	snprintf(lane, sizeof(lane), "lane-%zu",
		(size_t)(put - flood.puts) % 100);
	m.id = bytes_of(id);
	m.lane = bytes_of(lane);
	put->call.done = flood_done;
	message_store_put(bed.store, &put->call, &m);
}

static void
flood_begin(unsigned total)
{
	memset(&flood, 0, sizeof(flood));
	flood.total = total;
	flood_more();
}

/* Each was NEW once, and nothing else; all are in the database. */
static void
flood_check(void)
{
	for (unsigned i = 0; i < flood.total; i++)
		cr_assert(flood.puts[i].news == 1 && !flood.puts[i].seens,
			"message %u: %u times new, %u times seen", i,
			flood.puts[i].news, flood.puts[i].seens);
	store_bed_stop(&bed);
	cr_expect_eq(store_bed_count(&bed, "SELECT count(*) FROM message"),
		flood.total);
	cr_expect_eq(
		store_bed_count(&bed, "SELECT count(DISTINCT id) FROM message"),
		flood.total);
	cr_expect_eq(store_bed_count(&bed,
			     "SELECT count(*) FROM pragma_integrity_check "
			     "WHERE integrity_check = 'ok'"),
		1);
}

static unsigned kills;

static void
kill_it(struct ev_loop *loop, ev_timer *timer, int events)
{
	if (store_bed_pid(&bed)) {
		store_bed_kill(&bed);
		kills++;
	}
	ev_timer_set(timer, 0.02 + (double)(kills * 7 % 50) / 1000, 0.);
	ev_timer_start(loop, timer);
}

Test(message_store, a_process_that_is_killed_again_and_again_loses_nothing)
{
	ev_timer killer;

	ev_timer_init(&killer, kill_it, 0.02, 0.);
	ev_timer_start(bed.loop, &killer);
	flood_begin(FLOOD);
	flood.changes_states = true;
	store_bed_await(&bed, &flood.ended, FLOOD);
	ev_timer_stop(bed.loop, &killer);
	cr_expect(kills > 3, "it was killed %u times", kills);
	flood_check();
	cr_expect_eq(store_bed_count(&bed,
			     "SELECT count(*) FROM message WHERE state = 4"),
		FLOOD);
	cr_expect_eq(store_bed_count(&bed, "SELECT done FROM tally"), FLOOD);
	cr_expect_eq(store_bed_count(&bed, "SELECT kept FROM tally"), FLOOD);
}
