/* Each moment of a message's life x who is killed in it (deaths.c): the message
 * ends in exactly one class, the platform and the database agree with what supd
 * counts, and nothing is outside twice that should not be.
 *
 * A test is a moment: one supd, and a message for each that dies. How a moment
 * is reached: somebody waits at a file (chat-python, talk-python), or a process
 * is stopped with SIGSTOP while a request for it is under way. The environment:
 * ROUNDS is how often all of them die in a test, 1 if it is not set. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/channel/store/db.h"
#include "tests/system/chat.h"
#include "tests/system/deaths.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"

TestSuite(channel_deaths, .fini = run_fini, .timeout = 240);

#define TOKEN                                                                  \
	"admin: {tokens: [{name: ops, role: operator, sha256: "                \
	"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"   \
	"\"}]}\n"
#define ANSWER_MS DEADLINE_MS(60000)
#define ID_BYTES 24

/* A message that lives while somebody dies. */
struct cell {
	struct gateway_run *g;
	enum death_moment moment;
	const struct death_row *row;
	const struct death_outcome *outcome;
	enum death_who who;
	unsigned round;
	char id[ID_BYTES], blocker_id[ID_BYTES];
	pid_t stopped; /* 0, or a process that waits for SIGCONT */
	bool is_store_stopped, is_channel_stopped;
	long ended; /* of the outcome's class, before */
	struct client client, blocker;
	bool has_client, has_blocker;
};

/* No id is the end of another one. */
static void
name(char *id, char letter, enum death_who who, unsigned round)
{
	snprintf(id, ID_BYTES, "%c%u-%u", letter, (unsigned)who, round);
}

static unsigned
rounds(void)
{
	const char *text = getenv("ROUNDS");

	return text ? (unsigned)strtoul(text, NULL, 10) : 1;
}

/* ---- what supd says ---- */

static long
channels_number(struct gateway_run *g, const char *path)
{
	struct ctl *c = ctl_expect(g, 0, "channels", NULL);
	long number = ctl_number(c, path);

	ctl_destroy(c);
	return number;
}

static void
await_number(struct gateway_run *g, const char *path, long least, long most)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long number;

	for (;;) {
		number = channels_number(g, path);
		if (number >= least && number <= most)
			return;
		cr_assert_lt(clock_ms(), until, "%s is %ld instead of %ld",
			path, number, least);
		poll(NULL, 0, 5);
	}
}

static long
ended_as(struct gateway_run *g, const char *end)
{
	char path[64];

	snprintf(path, sizeof(path), "channels.0.ended.%s", end);
	return end ? channels_number(g, path) : 0;
}

static long
sum_of(struct gateway_run *g, const char *path)
{
	struct ctl *c = ctl_expect(g, 0, "channels", NULL);
	const char *name;
	json_t *value;
	long sum = 0;

	json_object_foreach(ctl_at(c, path), name, value) sum +=
		json_integer_value(value);
	ctl_destroy(c);
	return sum;
}

/* ---- processes ---- */

static void
stop_store(struct cell *c)
{
	c->stopped = (pid_t)channels_number(c->g, "store.pid");
	cr_assert_gt(c->stopped, 1);
	c->is_store_stopped = true;
	kill(c->stopped, SIGSTOP);
}

static void
go_on(struct cell *c)
{
	if (c->stopped)
		kill(c->stopped, SIGCONT);
	c->stopped = 0;
	c->is_store_stopped = c->is_channel_stopped = false;
}

static void
stop_channel(struct cell *c)
{
	c->stopped = (pid_t)ctl_status_number(c->g, "a", "pid");
	cr_assert_gt(c->stopped, 1);
	c->is_channel_stopped = true;
	kill(c->stopped, SIGSTOP);
}

static void
kill_worker(struct gateway_run *g, const char *id)
{
	pid_t pid = (pid_t)ctl_status_number(g, id, "pid");
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long now;

	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	do {
		poll(NULL, 0, 5);
		now = ctl_status_number(g, id, "pid");
		cr_assert_lt(clock_ms(), until, "no new worker of %s", id);
	} while (now <= 1 || now == pid);
}

static void
kill_store(struct gateway_run *g)
{
	pid_t pid = (pid_t)channels_number(g, "store.pid");
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long now;

	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	do {
		poll(NULL, 0, 5);
		now = channels_number(g, "store.pid");
		cr_assert_lt(clock_ms(), until, "no new store");
	} while (now <= 1 || now == pid);
}

/* The store may be stopped: it goes on, so that it ends and frees its lock. A
 * channel is up only when supd has read what the one before left. */
static void
kill_supd(struct cell *c)
{
	run_signal(c->g, SIGKILL);
	run_wait(c->g);
	go_on(c);
	run_start(c->g);
	ctl_await_shown(c->g, "a", "channels.0.state", "up");
}

static void
kill_who(struct cell *c)
{
	switch (c->who) {
	case DIES_CHANNEL:
		kill_worker(c->g, "a");
		break;
	case DIES_HANDLER:
		kill_worker(c->g, "t");
		break;
	case DIES_STORE:
		kill_store(c->g);
		break;
	default:
		kill_supd(c);
	}
}

/* ---- to the moment ---- */

static void
hold(struct cell *c, const char *step, const char *id)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %s\n", step, id);
	chat_set(c->g, "a", "pause", text);
}

static void
await_hold(struct cell *c, const char *file, const char *step, const char *id)
{
	char text[64];

	snprintf(text, sizeof(text), "holds %s %s\n", step, id);
	chat_await(c->g, "a", file, text, 1);
}

static void
say(struct cell *c)
{
	chat_say(c->g, "a", "\"id\": \"%s\", \"text\": \"/echo %s\"", c->id,
		c->id);
}

static void
post(struct cell *c, struct client *client, const char *id)
{
	char body[160];

	snprintf(body, sizeof(body),
		"{\"chat\":\"room\",\"text\":\"%s\",\"key\":\"%s\","
		"\"timeoutMs\":120000}",
		id, id);
	cr_assert(client_open(client, c->g->http));
	cr_assert(client_say(client,
		"POST /api/channels/chat/send HTTP/1.1\r\nHost: x\r\n"
		"Authorization: Bearer secret\r\nContent-Length: %zu\r\n\r\n"
		"%s",
		strlen(body), body));
}

static void
ask_to_send(struct cell *c)
{
	post(c, &c->client, c->id);
	c->has_client = true;
}

/* Something before it in its lane is being sent. */
static void
block_lane(struct cell *c)
{
	hold(c, "send", c->blocker_id);
	post(c, &c->blocker, c->blocker_id);
	c->has_blocker = true;
	await_hold(c, "journal", "send", c->blocker_id);
}

static void
await_ended(struct cell *c)
{
	await_number(c->g, "channels.0.pending", 0, 0);
	cr_assert_eq(ended_as(c->g, "command"), c->ended + 1);
}

/* The platform has written down what the channel heard. */
static void
await_acknowledged(struct cell *c)
{
	char text[ID_BYTES + 1];

	snprintf(text, sizeof(text), "%s\n", c->id);
	chat_await(c->g, "a", "acked", text, 1);
}

static bool
is_acknowledged_before(const struct cell *c)
{
	return c->moment < DEATH_OUT && c->moment >= DEATH_IN_FILTER &&
	       c->moment != DEATH_IN_COMMAND_HANDLED;
}

static void
reach_worker(struct cell *c, const char *file, const char *step)
{
	hold(c, step, c->id);
	if (c->moment >= DEATH_OUT)
		ask_to_send(c);
	else
		say(c);
	await_hold(c, file, step, c->id);
	if (is_acknowledged_before(c))
		await_acknowledged(c);
	if (c->row->had_ended)
		await_ended(c);
}

/* The channel's worker is stopped after it gave the message, and before the
 * store lets supd answer. */
static void
reach_unread_answer(struct cell *c)
{
	pid_t store;

	stop_store(c);
	store = c->stopped;
	say(c);
	await_number(c->g, "channels.0.pending", 1, 1);
	c->is_store_stopped = false;
	stop_channel(c);
	kill(store, SIGCONT);
	await_ended(c);
}

static void
reach(struct cell *c)
{
	switch (c->moment) {
	case DEATH_BEFORE_GIVEN:
		reach_worker(c, "journal", "give");
		break;
	case DEATH_BEFORE_STORED:
		stop_store(c);
		say(c);
		await_number(c->g, "channels.0.pending", 1, 1);
		break;
	case DEATH_BEFORE_ACKNOWLEDGED:
		reach_unread_answer(c);
		break;
	case DEATH_IN_FILTER:
	case DEATH_IN_STRICT_FILTER:
		reach_worker(c, "heard", "filter");
		break;
	case DEATH_IN_COMMAND:
	case DEATH_IN_COMMAND_HANDLED:
		reach_worker(c, "heard", "command");
		break;
	case DEATH_IN_OBSERVER:
		reach_worker(c, "heard", "observer");
		break;
	case DEATH_REPLY_WAITS:
		block_lane(c);
		say(c);
		await_number(c->g, "channels.0.sending", 2, 2);
		await_acknowledged(c);
		await_ended(c);
		break;
	case DEATH_REPLY_GIVEN:
	case DEATH_OUT_GIVEN:
	case DEATH_OUT_GIVEN_BLIND:
		reach_worker(c, "journal", "send");
		break;
	case DEATH_REPLY_OUT:
	case DEATH_REPLY_OUT_BLIND:
	case DEATH_OUT_OUT:
	case DEATH_OUT_OUT_RESENDS:
		reach_worker(c, "journal", "sent");
		break;
	case DEATH_OUT_IN_FILTER:
		reach_worker(c, "heard", "sending");
		break;
	case DEATH_OUT_BEFORE_STORED:
		stop_store(c);
		ask_to_send(c);
		await_number(c->g, "channels.0.sending", 1, 1);
		break;
	case DEATH_OUT_WAITS:
		block_lane(c);
		ask_to_send(c);
		await_number(c->g, "channels.0.sending", 2, 2);
		await_number(c->g, "store.unanswered", 0, 0);
		break;
	case DEATH_OUT_BEING_MARKED:
		block_lane(c);
		ask_to_send(c);
		await_number(c->g, "channels.0.sending", 2, 2);
		await_number(c->g, "store.unanswered", 0, 0);
		stop_store(c);
		chat_set(c->g, "a", "go", "");
		await_number(c->g, "store.unanswered", 2, 100);
		break;
	default:
		cr_assert_fail("no such moment");
	}
}

/* ---- afterwards ---- */

/* Reads the answer to a send: its state. */
static void
expect_answer(struct cell *c, struct client *client, const char *state)
{
	char text[32];
	struct answer a;

	cr_assert(client_read(client, &a, false, ANSWER_MS), "%s: no answer",
		c->id);
	snprintf(text, sizeof(text), "\"state\":\"%s\"", state);
	cr_expect(strstr(a.body, text), "%s: %s", c->id, a.body);
	answer_finish(&a);
	client_close(client);
}

/* Whoever got no answer, because supd is gone, asks again. */
static void
end_sends(struct cell *c)
{
	if (c->who == DIES_SUPD) {
		if (c->has_blocker)
			client_close(&c->blocker);
		if (c->has_client)
			client_close(&c->client);
		if (c->has_client)
			ask_to_send(c);
		c->has_blocker = false;
	}
	if (c->has_blocker)
		expect_answer(c, &c->blocker, "sent");
	if (c->has_client)
		expect_answer(c, &c->client, c->outcome->sent);
}

static void
expect_count(struct cell *c, const char *file, const char *before,
	const char *after, unsigned count)
{
	char text[64];
	unsigned found;

	snprintf(text, sizeof(text), "%s%s%s", before, c->id, after);
	found = chat_count(c->g, "a", file, text);
	cr_expect_eq(found, count, "%s: %u instead of %u x \"%s\" in %s", c->id,
		found, count, text, file);
}

static void
expect_in(struct cell *c)
{
	const struct death_outcome *o = c->outcome;

	await_acknowledged(c);
	await_number(c->g, "channels.0.pending", 0, 0);
	await_number(c->g, "channels.0.sending", 0, 0);
	if (o->answer) {
		bool is_new = !strcmp(o->answer, "new");

		expect_count(c, "journal", " new ", "\n", is_new);
		expect_count(c, "journal", " seen ", "\n", !is_new);
	}
	expect_count(c, "heard", " filter /echo ", "\n", o->filtered);
	expect_count(c, "heard", " echo ", " from", o->run);
	expect_count(c, "heard", " heard room ", " ", o->observed);
	expect_count(c, "outbox", "\"echo ", "\"", o->out);
}

static void
expect_out(struct cell *c)
{
	await_number(c->g, "channels.0.sending", 0, 0);
	expect_count(c, "outbox", "\"text\": \"", "\"", c->outcome->out);
}

/* One more of its class since supd started, or since the cell began, and none
 * of another one. */
static void
expect_classes(struct cell *c, long others)
{
	const struct death_outcome *o = c->outcome;
	long was = c->who == DIES_SUPD ? 0 : c->ended;
	long more = c->who == DIES_SUPD && c->row->had_ended ? 0 : 1;

	if (!o->end)
		return;
	cr_expect_eq(
		ended_as(c->g, o->end), was + more, "%s: %s", c->id, o->end);
	cr_expect_eq(sum_of(c->g, "channels.0.ended"),
		(c->who == DIES_SUPD ? 0 : others) + more, "%s", c->id);
}

static void
run_cell(struct cell *c)
{
	long others = sum_of(c->g, "channels.0.ended");

	name(c->id, 'c', c->who, c->round);
	name(c->blocker_id, 'b', c->who, c->round);
	c->outcome = c->row->outcomes[c->who];
	c->ended =
		ended_as(c->g, c->outcome->end ? c->outcome->end : "command");
	reach(c);
	kill_who(c);
	go_on(c);
	chat_set(c->g, "a", "go", "");
	end_sends(c);
	if (c->moment < DEATH_OUT)
		expect_in(c);
	else
		expect_out(c);
	expect_classes(c, others);
	chat_set(c->g, "a", "go", NULL);
}

/* ---- the database ---- */

static long
query(sqlite3 *db, const char *sql, const char *id)
{
	sqlite3_stmt *s = NULL;
	long number;

	cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s",
		sqlite3_errmsg(db));
	if (id)
		sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
	cr_assert_eq(sqlite3_step(s), SQLITE_ROW, "%s", sqlite3_errmsg(db));
	number = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return number;
}

/* The state of the one row that a condition names; less than 0: minus the
 * number of rows. */
#define STATE_WHERE(condition)                                                 \
	"SELECT CASE count(*) WHEN 1 THEN max(state) ELSE -count(*) END FROM " \
	"message WHERE " condition
#define IS_IN "line % 2 = 0 AND CAST(id AS TEXT) = ?1"
#define IS_REPLY                                                               \
	"line % 2 = 1 AND CAST(id AS TEXT) LIKE 'k-reply-' || (SELECT seq "    \
	"FROM message WHERE " IS_IN ") || '-%'"
#define IS_OUT "line % 2 = 1 AND CAST(id AS TEXT) = 'k-' || ?1"

static void
expect_state(
	sqlite3 *db, const char *sql, const char *id, enum stored_state state)
{
	cr_expect_eq(query(db, sql, id), (long)state + DB_STATE_OFFSET,
		"%s: state %ld", id, query(db, sql, id));
}

/* Each message is there once, in the state of its class. Returns how many of
 * the rows are accounted for. */
static long
expect_rows(sqlite3 *db, enum death_moment moment, enum death_who who,
	unsigned round)
{
	const struct death_outcome *o = death_rows[moment].outcomes[who];
	enum stored_state sent = o->sent && !strcmp(o->sent, "unknown")
					 ? STORED_UNKNOWN
					 : STORED_DONE;
	char id[ID_BYTES];

	name(id, 'c', who, round);
	if (moment >= DEATH_OUT) {
		expect_state(db, STATE_WHERE(IS_OUT), id, sent);
		return 1;
	}
	expect_state(db, STATE_WHERE(IS_IN), id,
		strcmp(o->end, "dead") ? STORED_DONE : STORED_DEAD);
	if (o->sent)
		expect_state(db, STATE_WHERE(IS_REPLY), id, sent);
	return 1 + (o->sent != NULL);
}

/* What was before it in its lane, if it needed that. */
static long
expect_blocker(sqlite3 *db, enum death_who who, unsigned round)
{
	char id[ID_BYTES];

	name(id, 'b', who, round);
	if (query(db, STATE_WHERE(IS_OUT), id) == 0)
		return 0;
	expect_state(db, STATE_WHERE(IS_OUT), id, STORED_DONE);
	return 1;
}

static void
expect_database(struct gateway_run *g, enum death_moment moment)
{
	char *path = memory_format("%s/state/messages.db", g->dir);
	sqlite3 *db = NULL;
	long rows = 0;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	for (unsigned round = 0; round < rounds(); round++)
		for (enum death_who who = 0; who < DIES_COUNT; who++) {
			rows += expect_rows(db, moment, who, round);
			rows += expect_blocker(db, who, round);
		}
	cr_expect_eq(query(db, "SELECT count(*) FROM message", NULL), rows);
	sqlite3_close(db);
	free(path);
}

/* ---- the tests ---- */

static void
run_moment(enum death_moment moment)
{
	const struct death_row *row = &death_rows[moment];
	struct gateway_run *g = run_create();
	char *chat = memory_format("acks: true%s", row->chat ? row->chat : "");
	char *talk = memory_format("has: \"command,filter,sending,observer\"%s",
		row->talk ? row->talk : "");

	free(g->extra);
	g->extra = memory_copy_text(TOKEN);
	chat_add(g, "a", chat, row->entry ? row->entry : "");
	chat_add_talk(g, "t", "a", talk);
	run_start(g);
	run_announce(g, "killed by signal 9");
	for (unsigned i = 0; i < rounds() * DIES_COUNT; i++) {
		ctl_await_shown(g, "a", "channels.0.state", "up");
		run_cell(&(struct cell){.g = g,
			.moment = moment,
			.row = row,
			.who = i % DIES_COUNT,
			.round = i / DIES_COUNT});
	}
	cr_expect_eq(chat_count(g, "a", "journal", "two-holders"), 0);
	run_signal(g, SIGTERM);
	cr_expect_eq(run_wait(g), 0);
	expect_database(g, moment);
	run_forget(g);
	free(chat);
	free(talk);
}

Test(channel_deaths, before_supd_has_the_message)
{
	run_moment(DEATH_BEFORE_GIVEN);
}

Test(channel_deaths, before_it_is_stored)
{
	run_moment(DEATH_BEFORE_STORED);
}

Test(channel_deaths, before_it_is_acknowledged)
{
	run_moment(DEATH_BEFORE_ACKNOWLEDGED);
}

Test(channel_deaths, in_its_filter)
{
	run_moment(DEATH_IN_FILTER);
}

Test(channel_deaths, in_a_filter_that_must_not_fail)
{
	run_moment(DEATH_IN_STRICT_FILTER);
}

Test(channel_deaths, in_its_command)
{
	run_moment(DEATH_IN_COMMAND);
}

Test(channel_deaths, in_its_command_before_it_is_acknowledged)
{
	run_moment(DEATH_IN_COMMAND_HANDLED);
}

Test(channel_deaths, in_its_observer)
{
	run_moment(DEATH_IN_OBSERVER);
}

Test(channel_deaths, while_its_reply_waits)
{
	run_moment(DEATH_REPLY_WAITS);
}

Test(channel_deaths, while_its_reply_is_sent)
{
	run_moment(DEATH_REPLY_GIVEN);
}

Test(channel_deaths, after_its_reply_is_out)
{
	run_moment(DEATH_REPLY_OUT);
}

Test(channel_deaths, after_its_reply_is_out_and_cannot_be_found)
{
	run_moment(DEATH_REPLY_OUT_BLIND);
}

Test(channel_deaths, in_the_filter_of_what_is_sent)
{
	run_moment(DEATH_OUT_IN_FILTER);
}

Test(channel_deaths, before_what_is_sent_is_stored)
{
	run_moment(DEATH_OUT_BEFORE_STORED);
}

Test(channel_deaths, while_it_waits_to_be_sent)
{
	run_moment(DEATH_OUT_WAITS);
}

Test(channel_deaths, while_it_is_marked)
{
	run_moment(DEATH_OUT_BEING_MARKED);
}

Test(channel_deaths, while_it_is_sent)
{
	run_moment(DEATH_OUT_GIVEN);
}

Test(channel_deaths, while_it_is_sent_and_cannot_be_found)
{
	run_moment(DEATH_OUT_GIVEN_BLIND);
}

Test(channel_deaths, after_it_is_out)
{
	run_moment(DEATH_OUT_OUT);
}

Test(channel_deaths, after_it_is_out_and_may_be_sent_again)
{
	run_moment(DEATH_OUT_OUT_RESENDS);
}
