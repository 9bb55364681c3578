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
#include <sys/prctl.h>
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
#define FLOOD_WINDOW 50

/* Many puts at a time, each repeated while it is BUSY. */
static struct flood {
	struct flood_put {
		struct store_call call;
		unsigned news, seens;
		bool is_busy; /* put again with the next tick */
	} puts[FLOOD];
	ev_timer tick;
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
		put->is_busy = true;
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
flood_again(struct ev_loop *loop, ev_timer *timer, int events)
{
	for (unsigned i = 0; flood.busy && i < flood.begun; i++)
		if (flood.puts[i].is_busy) {
			flood.busy--;
			flood.puts[i].is_busy = false;
			flood_put(&flood.puts[i]);
		}
}

static void
flood_begin(unsigned total)
{
	ev_timer_stop(bed.loop, &flood.tick);
	memset(&flood, 0, sizeof(flood));
	flood.total = total;
	ev_timer_init(&flood.tick, flood_again, 0.05, 0.05);
	ev_timer_start(bed.loop, &flood.tick);
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

#define KILLS_MAX 60
static unsigned kills, killed_early;

static bool
is_up(void)
{
	json_t *view = message_store_view(bed.store);
	bool is = !strcmp(
		json_string_value(json_object_get(view, "state")), "up");

	json_decref(view);
	return is;
}

/* At another moment of its life each time, sometimes before it works: it is
 * looked at every 2 ms, and killed so long after it began to work. */
static void
kill_it(struct ev_loop *loop, ev_timer *timer, int events)
{
	static pid_t chosen;
	bool early = kills % 7 == 6 && killed_early < 3;
	pid_t pid = store_bed_pid(&bed);

	ev_timer_set(timer, 0.002, 0.);
	if (pid && pid != chosen && is_up() && !early) {
		chosen = pid;
		ev_timer_set(timer, (double)(kills * 37 % 60) / 1000, 0.);
	} else if (pid && (pid == chosen || early)) {
		killed_early += pid != chosen;
		store_bed_kill(&bed);
		kills++;
	}
	if (kills < KILLS_MAX)
		ev_timer_start(loop, timer);
}

static ev_timer killer, filler;

Test(message_store, a_process_that_is_killed_again_and_again_loses_nothing)
{
	ev_timer_init(&killer, kill_it, 0., 0.);
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

Test(message_store, a_process_that_is_told_to_end_does_what_it_was_sent_before)
{
	struct stored_message m = store_message("irc", "1", "hello");
	struct store_ask a, b;
	pid_t pid;

	store_open(&bed, &a, "irc");
	pid = store_bed_pid(&bed);
	kill(pid, SIGSTOP);
	message_store_put(bed.store, store_ask_begin(&a), &m);
	peer_group_flush(&bed.peers);
	kill(pid, SIGTERM);
	kill(pid, SIGCONT);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_NEW);
	store_bed_await_other(&bed, pid);
	cr_expect_eq(store_put(&bed, &b, "irc", "1", "hello"), STORE_SEEN);
	cr_expect_eq(b.message.seq, a.message.seq);
}

Test(message_store,
	with_supd_gone_the_process_commits_what_it_was_sent_and_ends)
{
	struct stored_message m = store_message("irc", "", "hello");
	struct store_call nobody[50];
	struct store_ask a;
	pid_t pid, supd;
	char id[16];
	int pipe_ends[2], status;

	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	cr_assert_eq(pipe(pipe_ends), 0);
	supd = fork();
	if (!supd) {
		ev_loop_fork(bed.loop);
		store_open(&bed, &a, "irc");
		pid = store_bed_pid(&bed);
		kill(pid, SIGSTOP);
		for (unsigned i = 0; i < 50; i++) {
			snprintf(id, sizeof(id), "%u", i);
			m.id = bytes_of(id);
			message_store_put(bed.store, &nobody[i], &m);
		}
		peer_group_flush(&bed.peers);
		if (write(pipe_ends[1], &pid, sizeof(pid)) != sizeof(pid))
			_exit(1);
		kill(getpid(), SIGKILL);
	}
	cr_assert_eq(read(pipe_ends[0], &pid, sizeof(pid)), sizeof(pid));
	cr_assert_eq(waitpid(supd, NULL, 0), supd);
	kill(pid, SIGCONT);
	/* The next supd begins at once; it waits for the other one's lock. */
	cr_expect_eq(store_put(&bed, &a, "irc", "49", "hello"), STORE_SEEN);
	cr_expect_eq(a.message.seq, 50);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0, "it ended with status %d", status);
	cr_expect_eq(bed.troubles, 0, "%s", bed.trouble);
}

Test(message_store, a_process_that_never_works_is_tried_with_growing_pauses)
{
	struct stored_message m = store_message("irc", "1", "hello");
	char *script = memory_format("%s/program", bed.dir);
	char *runs = memory_format("%s/runs", bed.dir), *lines;
	const char *real = bed.program;
	struct store_ask a, b;
	uint64_t begun = clock_ms();

	store_bed_stop(&bed);
	files_write(script, "#!/bin/sh\necho run >> %s\nexit 3\n", runs);
	cr_assert_eq(chmod(script, 0700), 0);
	bed.program = script;
	store_bed_open(&bed);
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_BUSY);
	cr_expect(clock_ms() - begun >= STORE_PATIENCE_MS - 100);
	cr_expect(strstr(bed.trouble, "exit status 3"), "%s", bed.trouble);
	lines = files_read(runs);
	cr_expect(strlen(lines) / 4 >= 3 && strlen(lines) / 4 <= 7,
		"started %zu times in 5 s", strlen(lines) / 4);
	begun = clock_ms();
	cr_expect_eq(store_put(&bed, &b, "irc", "1", "hello"), STORE_BUSY);
	cr_expect_lt(clock_ms() - begun, STORE_PATIENCE_MS,
		"others need not wait again");
	/* A change waits as long as it takes. */
	cr_expect_eq(unlink(script), 0);
	cr_assert_eq(symlink(real, script), 0);
	cr_expect_eq(store_set(&bed, 1, STORED_DONE, "", 0), STORE_NOT_FOUND);
	cr_expect_eq(store_put(&bed, &b, "irc", "1", "hello"), STORE_NEW);
	free(lines);
	free(script);
	free(runs);
}

Test(message_store, a_program_that_is_missing_makes_busy)
{
	struct store_ask a;

	store_bed_stop(&bed);
	bed.program = "/nowhere/supd-store";
	store_bed_open(&bed);
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "hello"), STORE_BUSY);
	cr_expect(strstr(bed.trouble, "cannot start /nowhere/supd-store"), "%s",
		bed.trouble);
}

/* ---- bounds ---- */

Test(message_store, requests_that_are_not_answered_are_bounded)
{
	static struct store_ask asks[STORE_REQUESTS_MAX + 100];
	struct stored_message m = store_message("irc", "", "hello");
	struct stored_change change = {.seq = 1, .state = STORED_DONE};
	const unsigned all = sizeof(asks) / sizeof(asks[0]);
	unsigned busy = 0, done = 0;
	struct store_ask changed;
	char id[16];

	store_open(&bed, &asks[0], "irc");
	kill(store_bed_pid(&bed), SIGSTOP);
	for (unsigned i = 0; i < all; i++) {
		snprintf(id, sizeof(id), "%u", i);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(&asks[i]), &m);
	}
	message_store_set_state(bed.store, store_ask_begin(&changed), &change);
	store_bed_await(&bed, &asks[all - 1].done, 1);
	for (unsigned i = 0; i < all; i++)
		busy += asks[i].done && asks[i].answer == STORE_BUSY;
	cr_expect_eq(busy, 100);
	cr_expect(!changed.done, "changes have room of their own");
	kill(store_bed_pid(&bed), SIGCONT);
	store_bed_await(&bed, &changed.done, 1);
	cr_expect_eq(changed.answer, STORE_OK);
	for (unsigned i = 0; i < STORE_REQUESTS_MAX; i++) {
		store_bed_await(&bed, &asks[i].done, 1);
		done += asks[i].answer == STORE_NEW;
	}
	cr_expect_eq(done, STORE_REQUESTS_MAX);
}

Test(message_store, bytes_of_requests_that_are_not_answered_are_bounded)
{
	static char body[STORE_BODY_MAX];
	static struct store_ask asks[32];
	struct stored_message m = store_message("irc", "", "");
	unsigned busy = 0;
	char id[16];

	m.body = (struct bytes){body, sizeof(body)};
	store_open(&bed, &asks[0], "irc");
	kill(store_bed_pid(&bed), SIGSTOP);
	for (unsigned i = 0; i < 32; i++) {
		snprintf(id, sizeof(id), "%u", i);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(&asks[i]), &m);
	}
	store_bed_await(&bed, &asks[31].done, 1);
	kill(store_bed_pid(&bed), SIGCONT);
	for (unsigned i = 0; i < 32; i++) {
		store_bed_await(&bed, &asks[i].done, 1);
		busy += asks[i].answer == STORE_BUSY;
	}
	cr_expect_eq(busy, 32 - 15, "%u were busy", busy);
}

Test(message_store, messages_of_every_kind_come_back_as_they_were)
{
	static char large[STORE_BODY_MAX + 1];
	static const char odd[] = "a\0b\xff\xe2\x80\xae\xf0\x9f\x98\x80";
	const struct bytes bodies[] = {{large, STORE_BODY_MAX},
		{large, STORE_BODY_INLINE}, {large, STORE_BODY_INLINE + 1},
		{odd, sizeof(odd)}, {"", 0}};
	struct stored_message m = store_message("irc", "", "");
	struct store_query all = {.bodies = true};
	struct store_ask a;
	char id[16];
	uint64_t rows = 0;

	for (unsigned i = 0; i < 5; i++) {
		snprintf(id, sizeof(id), "%u", i);
		m.id = bytes_of(id);
		m.body = bodies[i];
		message_store_put(bed.store, store_ask_begin(&a), &m);
		store_ask_await(&bed, &a);
		cr_assert_eq(a.answer, STORE_NEW);
		cr_expect_eq(
			store_one(&bed, &a, message_store_get, a.message.seq),
			STORE_OK);
		cr_expect_eq(a.message.body.length, bodies[i].length);
		cr_expect_eq(a.message.body_bytes, bodies[i].length);
		cr_expect_eq(a.message.lane.length, 4);
	}
	m.id = BYTES("x");
	m.body = (struct bytes){large, STORE_BODY_MAX + 1};
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_TOO_LARGE);
	m.body = BYTES("");
	m.id = (struct bytes){large, STORE_ID_MAX + 1};
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_TOO_LARGE);
	m.id = (struct bytes){odd, sizeof(odd)};
	m.lane = m.channel = m.id;
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_NEW);
	do {
		cr_expect_eq(store_look(&bed, &a, &all), STORE_OK);
		rows += a.count;
		all.after_seq = a.next_seq;
	} while (a.more);
	cr_expect_eq(rows, 6);
}

/* ---- what users ask ---- */

Test(message_store, dead_letters_are_listed_retried_and_dropped)
{
	struct store_query dead = {
		.states = STORED_STATE_BIT(STORED_DEAD), .newest_first = true};
	struct store_ask a;

	for (unsigned i = 0; i < 4; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", i);
		store_put(&bed, &a, "irc", id, "text");
		if (i)
			store_set(&bed, a.message.seq, STORED_DEAD, "why", 2);
	}
	cr_expect_eq(store_look(&bed, &a, &dead), STORE_OK);
	cr_expect_eq(a.count, 3);
	cr_expect_str_eq(a.id, "3");
	cr_expect_str_eq(a.note, "why");
	cr_expect_eq(a.message.body.length, 0);
	cr_expect_eq(store_one(&bed, &a, message_store_retry, 2), STORE_OK);
	cr_expect_eq(a.message.state, STORED_PENDING);
	cr_expect_eq(a.message.tries, 0);
	cr_expect_str_eq(a.body, "text");
	cr_expect_str_eq(a.note, "");
	cr_expect_eq(store_one(&bed, &a, message_store_drop, 3), STORE_OK);
	cr_expect_eq(a.message.state, STORED_DROPPED);
	store_set(&bed, 1, STORED_DONE, "", 1);
	cr_expect_eq(
		store_one(&bed, &a, message_store_drop, 1), STORE_CONFLICT);
	cr_expect_eq(a.message.state, STORED_DONE);
	cr_expect_eq(
		store_one(&bed, &a, message_store_get, 9), STORE_NOT_FOUND);
	cr_expect_eq(store_counts(&bed, &a, "irc"), STORE_OK);
	cr_expect_eq(a.count, 2);
	cr_expect_eq(a.counts[0].states[STORED_PENDING], 1);
	cr_expect_eq(a.counts[0].states[STORED_DONE], 1);
	cr_expect_eq(a.counts[0].states[STORED_DEAD], 1);
	cr_expect_eq(a.counts[0].states[STORED_DROPPED], 1);
	cr_expect_eq(a.counts[0].kept, 4);
	cr_expect_eq(store_counts(&bed, &a, "none"), STORE_OK);
	cr_expect_eq(a.count, 0);
	store_put(&bed, &a, "mqtt", "1", "");
	cr_expect_eq(store_counts(&bed, &a, ""), STORE_OK);
	cr_expect_eq(a.count, 4);
}

static unsigned forgotten;

static void
never(struct store_call *call, const struct store_result *result)
{
	forgotten++;
}

Test(message_store, a_message_that_nobody_heard_of_is_new_when_it_comes_again)
{
	struct stored_message m = store_message("irc", "1", "hello");
	struct store_call call = {.done = never};
	struct store_ask a;

	message_store_put(bed.store, &call, &m);
	message_store_forget(bed.store, &call);
	cr_expect_null(call.request);
	store_open(&bed, &a, "irc"); /* answered after it */
	cr_expect_eq(forgotten, 0);
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "hello"), STORE_NEW);
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "hello"), STORE_SEEN);
}

/* ---- disks ---- */

/* A small file system at bed.dir, for this process and its children only. */
static void
mount_small(const char *size)
{
	char *options = memory_format("size=%s", size);

	if (unshare(CLONE_NEWNS) < 0 ||
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", bed.dir, "tmpfs", 0, options) < 0)
		cr_skip_test("mounting is not possible here: run as root");
	free(options);
}

static void
unmount_small(void)
{
	store_bed_stop(&bed);
	umount2(bed.dir, MNT_DETACH);
}

static void
fill_disk(const char *name)
{
	char *command = memory_format(
		"cat /dev/zero > %s/%s 2>/dev/null; true", bed.dir, name);

	cr_assert_eq(system(command), 0);
	free(command);
}

Test(message_store, a_full_disk_makes_busy_and_loses_nothing)
{
	struct stored_change change = {.seq = 1, .state = STORED_DONE};
	struct store_ask a, b, changed[2];
	char *ballast = memory_format("%s/ballast", bed.dir), id[24];
	static char body[8000];
	unsigned kept = 0;
	struct stored_message m = store_message("irc", "", "");

	mount_small("4m");
	cr_assert_eq(store_put(&bed, &a, "irc", "first", "x"), STORE_NEW);
	fill_disk("ballast");
	m.body = (struct bytes){body, sizeof(body)};
	do {
		snprintf(id, sizeof(id), "%u", kept);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(&a), &m);
		store_ask_await(&bed, &a);
		kept += a.answer == STORE_NEW;
		cr_assert(kept < 1000, "the disk does not fill");
	} while (a.answer == STORE_NEW);
	cr_expect_eq(a.answer, STORE_BUSY);
	cr_expect_eq(bed.troubles, 1);
	cr_expect(strstr(bed.trouble, "no space is left"), "%s", bed.trouble);
	/* Reading goes on, changes wait, in order. */
	cr_expect_eq(store_put(&bed, &b, "irc", "first", "x"), STORE_SEEN);
	cr_expect_eq(store_one(&bed, &b, message_store_get, 1), STORE_OK);
	change.state = STORED_DEAD;
	change.note = (struct bytes){body, sizeof(body)};
	message_store_set_state(
		bed.store, store_ask_begin(&changed[0]), &change);
	store_bed_turn(&bed);
	change.state = STORED_DONE;
	change.note = (struct bytes){0};
	message_store_set_state(
		bed.store, store_ask_begin(&changed[1]), &change);
	cr_expect_eq(store_one(&bed, &b, message_store_get, 1), STORE_OK);
	cr_expect(!changed[0].done && !changed[1].done);
	unlink(ballast);
	store_bed_await(&bed, &changed[1].done, 1);
	cr_expect_eq(changed[0].done, 1);
	cr_expect_eq(changed[0].answer, STORE_OK);
	cr_expect_eq(changed[1].answer, STORE_OK);
	cr_expect_eq(store_one(&bed, &b, message_store_get, 1), STORE_OK);
	cr_expect_eq(b.message.state, STORED_DONE);
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_NEW, "room again");
	store_bed_await(&bed, &bed.recoveries, 1);
	cr_expect_str_eq(bed.trouble, "");
	store_bed_stop(&bed);
	cr_expect_eq(store_bed_count(&bed, "SELECT count(*) FROM message"),
		kept + 2);
	cr_expect_eq(store_bed_count(&bed, "SELECT done FROM tally"), 1);
	free(ballast);
	unmount_small();
}

Test(message_store, a_disk_that_is_nearly_full_is_reported_once)
{
	static char body[500000];
	struct stored_message m = store_message("irc", "", "");
	char *ballast = memory_format("%s/ballast", bed.dir), id[16];
	unsigned busy = 0, kept = 0;
	struct store_ask a;

	mount_small("4m");
	store_put(&bed, &a, "irc", "first", "x");
	fill_disk("ballast");
	cr_assert_eq(truncate(ballast, 3200000), 0);
	m.body = (struct bytes){body, sizeof(body)};
	for (unsigned i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "large-%u", i);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(&a), &m);
		store_ask_await(&bed, &a);
		busy += a.answer == STORE_BUSY;
		snprintf(id, sizeof(id), "small-%u", i);
		kept += store_put(&bed, &a, "irc", id, "x") == STORE_NEW;
	}
	cr_expect(busy > 10 && kept > 10, "%u busy, %u kept", busy, kept);
	cr_expect_eq(bed.troubles, 1);
	store_bed_await(&bed, &bed.recoveries, 1);
	cr_expect_eq(bed.recoveries, 1);
	free(ballast);
	unmount_small();
}

static unsigned fills;

/* Full for a moment, again and again. */
static void
fill_or_empty(struct ev_loop *loop, ev_timer *timer, int events)
{
	char *ballast = memory_format("%s/ballast", bed.dir);

	if (files_exist(ballast))
		unlink(ballast);
	else if (fills++ < KILLS_MAX)
		fill_disk("ballast");
	free(ballast);
}

Test(message_store, kills_on_a_disk_that_fills_and_empties_lose_nothing)
{
	mount_small("40m");
	ev_timer_init(&killer, kill_it, 0., 0.);
	ev_timer_init(&filler, fill_or_empty, 0.03, 0.07);
	ev_timer_start(bed.loop, &killer);
	ev_timer_start(bed.loop, &filler);
	flood_begin(FLOOD);
	flood.changes_states = true;
	store_bed_await(&bed, &flood.ended, FLOOD);
	ev_timer_stop(bed.loop, &killer);
	ev_timer_stop(bed.loop, &filler);
	fills = KILLS_MAX;
	fill_or_empty(bed.loop, &filler, 0);
	cr_expect(bed.troubles > 0, "the disk was never full");
	cr_expect(kills > 3);
	flood_check();
	cr_expect_eq(store_bed_count(&bed, "SELECT done FROM tally"), FLOOD);
	unmount_small();
}

Test(message_store, one_that_cannot_be_made_on_a_full_disk_is_made_later)
{
	char *ballast = memory_format("%s/ballast", bed.dir);
	struct store_ask a;
	unsigned busy = 0;

	mount_small("1m");
	fill_disk("ballast");
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "x"), STORE_BUSY);
	cr_expect(bed.trouble[0]);
	unlink(ballast);
	while (store_put(&bed, &a, "irc", "1", "x") == STORE_BUSY)
		busy++;
	cr_expect_eq(a.answer, STORE_NEW);
	store_bed_await(&bed, &bed.recoveries, 1);
	cr_expect_str_eq(bed.trouble, "");
	free(ballast);
	unmount_small();
}

static void
remount(unsigned long flags)
{
	cr_assert_eq(mount(NULL, bed.dir, NULL, MS_REMOUNT | flags, NULL), 0);
}

Test(message_store, a_read_only_folder_makes_busy_until_it_is_writable)
{
	struct store_ask a;

	mount_small("4m");
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "x"), STORE_NEW);
	store_bed_stop(&bed);
	remount(MS_RDONLY);
	store_bed_open(&bed);
	cr_expect_eq(store_put(&bed, &a, "irc", "2", "x"), STORE_BUSY);
	cr_expect(strstr(bed.trouble, "ead-only"), "%s", bed.trouble);
	cr_expect_eq(store_one(&bed, &a, message_store_get, 1), STORE_BUSY);
	remount(0);
	store_bed_await(&bed, &bed.recoveries, 1);
	cr_expect_eq(store_put(&bed, &a, "irc", "2", "x"), STORE_NEW);
	cr_expect_eq(store_put(&bed, &a, "irc", "1", "x"), STORE_SEEN);
	unmount_small();
}

/* ---- damage, and other versions ---- */

Test(message_store, a_database_damaged_while_it_is_open_is_put_aside)
{
	struct store_ask a;
	uint64_t epoch;
	int fd;
	static char noise[4096 * 40];

	store_open(&bed, &a, "irc");
	epoch = a.epoch;
	store_cursor(&bed, "irc", epoch, "here");
	flood_begin(3000);
	store_bed_await(&bed, &flood.ended, 3000);
	store_bed_stop(&bed);
	fd = open(bed.database, O_RDWR);
	memset(noise, 0xa5, sizeof(noise));
	cr_assert_eq(
		pwrite(fd, noise, sizeof(noise), 4096 * 12), sizeof(noise));
	close(fd);
	store_bed_open(&bed);
	flood_begin(3000);
	store_bed_await(&bed, &flood.ended, 3000);
	store_bed_await(&bed, &bed.damages, 1);
	cr_expect_eq(bed.damages, 1);
	cr_expect(files_exist(bed.damaged), "%s", bed.damaged);
	cr_expect(
		strstr(bed.damaged, "messages.db.damaged-"), "%s", bed.damaged);
	store_open(&bed, &a, "irc");
	cr_expect(a.epoch > epoch);
	cr_expect_str_eq(a.cursor, "here");
	cr_expect_eq(store_put(&bed, &a, "irc", "another", "x"), STORE_NEW);
	cr_expect(a.message.seq > 1000000, "seqs of the old one are not used");
	cr_expect_eq(store_set(&bed, 5, STORED_DONE, "", 0), STORE_NOT_FOUND);
}

Test(message_store, one_of_a_newer_supd_makes_busy_until_it_is_moved_away)
{
	struct store_ask a;
	char *away = memory_format("%s/away.db", bed.dir);

	store_put(&bed, &a, "irc", "1", "x");
	store_bed_stop(&bed);
	store_bed_sql(&bed, "PRAGMA user_version = 7");
	store_bed_open(&bed);
	cr_expect_eq(store_put(&bed, &a, "irc", "2", "x"), STORE_BUSY);
	cr_expect(strstr(bed.trouble,
			  "was written by a newer supd (version 7, this supd "
			  "knows 1); run that supd, or move the file away"),
		"%s", bed.trouble);
	cr_expect_eq(bed.damages, 0);
	cr_assert_eq(rename(bed.database, away), 0);
	store_bed_await(&bed, &bed.recoveries, 1);
	cr_expect_eq(store_put(&bed, &a, "irc", "2", "x"), STORE_NEW);
	free(away);
}

Test(message_store, a_database_that_is_removed_is_begun_anew)
{
	char *command = memory_format("rm -f %s*", bed.database);
	struct store_ask a;

	store_put(&bed, &a, "irc", "1", "x");
	cr_assert_eq(system(command), 0);
	cr_expect_eq(store_put(&bed, &a, "irc", "2", "x"), STORE_NEW);
	store_bed_stop(&bed);
	cr_expect_eq(store_bed_count(&bed, "SELECT count(*) FROM message"), 1);
	free(command);
}

/* ---- the process ---- */

static unsigned
count_fds(pid_t pid)
{
	char *folder = memory_format("/proc/%d/fd", (int)pid);
	unsigned count = files_count(folder);

	free(folder);
	return count;
}

Test(message_store, the_process_has_nothing_that_it_does_not_need)
{
	struct store_ask a;
	pid_t pid;
	int extra[20];

	for (int i = 0; i < 20; i++)
		extra[i] = open("/dev/null", O_RDONLY);
	store_put(&bed, &a, "irc", "1", "x");
	pid = store_bed_pid(&bed);
	/* 0, 1, 2, the socket, the lock, 4 of SQLite, 2 of the loop */
	cr_expect(count_fds(pid) <= 11, "%u descriptors", count_fds(pid));
	cr_expect_eq(process_status(pid, "NoNewPrivs:"), 1);
	cr_expect_eq(process_status(pid, "CapInh:"), 0);
	for (int i = 0; i < 20; i++)
		close(extra[i]);
}

Test(message_store, finished_messages_are_removed_after_their_time)
{
	struct store_ask a;
	uint64_t end = clock_ms() + DEADLINE_MS(30000);

	store_bed_stop(&bed);
	bed.settings.keep_ms = 1;
	store_bed_open(&bed);
	flood_begin(FLOOD);
	flood.changes_states = true;
	store_bed_await(&bed, &flood.ended, FLOOD);
	for (unsigned i = 0; i < 500; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", i);
		store_put(&bed, &a, "irc", id, "x");
		store_set(&bed, a.message.seq, STORED_DONE, "", 1);
	}
	do {
		cr_assert(clock_ms() < end, "they stay");
		store_counts(&bed, &a, "irc");
	} while (a.counts[0].kept > FLOOD);
	cr_expect_eq(a.counts[0].kept, FLOOD);
	cr_expect_eq(a.counts[0].states[STORED_DONE], FLOOD + 500);
	cr_expect_eq(store_put(&bed, &a, "irc", "message-500", ""), STORE_SEEN);
	cr_expect_eq(store_put(&bed, &a, "irc", "message-499", ""), STORE_NEW);
}

Test(message_store, full_of_what_is_not_finished_it_is_busy)
{
	static char body[100000];
	struct stored_message m = store_message("irc", "", "");
	struct store_ask a;
	unsigned kept = 0;
	char id[16];

	store_bed_stop(&bed);
	bed.settings.max_bytes = 4u << 20;
	store_bed_open(&bed);
	m.body = (struct bytes){body, sizeof(body)};
	do {
		snprintf(id, sizeof(id), "%u", kept);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(&a), &m);
		store_ask_await(&bed, &a);
		kept += a.answer == STORE_NEW;
		cr_assert(kept < 5000, "it has no bound");
	} while (a.answer == STORE_NEW);
	cr_expect(strstr(bed.trouble, "messages.max"), "%s", bed.trouble);
	for (unsigned i = 1; i <= kept; i++)
		store_set(&bed, i, STORED_DONE, "", 1);
	store_bed_await(&bed, &bed.recoveries, 1);
	m.id = BYTES("after");
	message_store_put(bed.store, store_ask_begin(&a), &m);
	store_ask_await(&bed, &a);
	cr_expect_eq(a.answer, STORE_NEW);
}

Test(message_store, writes_that_fail_end_in_busy_with_the_reason)
{
	char *script = memory_format("%s/program", bed.dir), id[16];
	const char *real = bed.program;
	struct store_ask a;
	unsigned kept = 0;

	store_bed_stop(&bed);
	files_write(
		script, "#!/bin/bash\nulimit -f 300\nexec %s \"$@\"\n", real);
	cr_assert_eq(chmod(script, 0700), 0);
	bed.program = script;
	store_bed_open(&bed);
	do {
		snprintf(id, sizeof(id), "%u", kept);
		kept += store_put(&bed, &a, "irc", id, "x") == STORE_NEW;
		cr_assert(kept < 10000, "nothing fails");
	} while (a.answer == STORE_NEW);
	cr_expect_eq(a.answer, STORE_BUSY);
	cr_expect(strstr(bed.trouble, "File too large"), "%s", bed.trouble);
	store_bed_stop(&bed);
	bed.program = real;
	store_bed_open(&bed);
	/* What was BUSY may be there or not; supd looks when it starts. */
	cr_expect_eq(store_put(&bed, &a, "irc", "0", "x"), STORE_SEEN);
	snprintf(id, sizeof(id), "%u", kept - 1);
	cr_expect_eq(store_put(&bed, &a, "irc", id, "x"), STORE_SEEN);
	store_counts(&bed, &a, "irc");
	cr_expect(a.counts[0].kept == kept || a.counts[0].kept == kept + 1);
	free(script);
}

Test(message_store, a_stop_ends_a_process_that_does_not_answer)
{
	struct stored_message m = store_message("irc", "1", "hello");
	struct store_call call = {.done = never};
	struct store_ask a;
	unsigned stopped = 0;

	store_open(&bed, &a, "irc");
	kill(store_bed_pid(&bed), SIGSTOP);
	message_store_put(bed.store, &call, &m);
	message_store_stop(bed.store, 200, store_bed_heard_stop, &stopped);
	cr_expect_eq(stopped, 0);
	store_bed_await(&bed, &stopped, 1);
	cr_expect_eq(forgotten, 0);
	cr_expect_null(call.request);
	cr_expect_eq(store_bed_pid(&bed), 0);
	message_store_destroy(bed.store);
	bed.store = NULL;
}

Test(message_store, a_stop_waits_for_what_is_under_way)
{
	static struct store_ask asks[1000];
	struct stored_message m = store_message("irc", "", "hello");
	char id[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "%u", i);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(&asks[i]), &m);
	}
	store_bed_stop(&bed);
	for (unsigned i = 0; i < 1000; i++)
		cr_assert(asks[i].done && asks[i].answer == STORE_NEW);
	cr_expect_eq(
		store_bed_count(&bed, "SELECT count(*) FROM message"), 1000);
}

Test(message_store, the_log_of_a_database_that_is_never_at_rest_is_bounded)
{
	static char body[200000];
	static struct store_ask asks[20];
	struct stored_message m = store_message("irc", "", "");
	char *log = memory_format("%s-wal", bed.database), id[16];
	struct stat is;
	off_t most = 0;

	mount_small("600m");
	m.body = (struct bytes){body, sizeof(body)};
	for (unsigned i = 0; i < 1000; i++) {
		struct store_ask *ask = &asks[i % 20];

		if (i >= 20)
			store_bed_await(&bed, &ask->done, 1);
		snprintf(id, sizeof(id), "%u", i);
		m.id = bytes_of(id);
		message_store_put(bed.store, store_ask_begin(ask), &m);
		if (stat(log, &is) == 0 && is.st_size > most)
			most = is.st_size;
	}
	for (unsigned i = 0; i < 20; i++)
		store_bed_await(&bed, &asks[i].done, 1);
	cr_expect(most > 0 && most < 80 << 20, "%lld bytes", (long long)most);
	free(log);
	unmount_small();
}
