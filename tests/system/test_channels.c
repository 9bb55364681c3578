/* Channels on the built programs: their life, with an outside server that
 * takes one connection (tests/plugins/chat-python). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"

TestSuite(channels, .fini = run_fini, .timeout = 120);

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", settings, "");
	run_start(g);
	return g;
}

static void
expect_one_holder(struct gateway_run *g)
{
	cr_expect_eq(chat_count(g, "a", "journal", "two-holders"), 0);
}

Test(channels, are_started_with_an_epoch_and_shown)
{
	struct gateway_run *g = start("");
	struct ctl *c;
	char *journal;

	ctl_await_shown(g, "a", "channels.0.state", "up");
	c = ctl_expect(g, 0, "show", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "channels.0.name"), "chat");
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	cr_expect_str_eq(
		ctl_text(c, "lastReload.registered.channels.0"), "chat");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "routes", "--kind", "channel", NULL);
	cr_expect(strstr(c->out, "chat"), "%s", c->out);
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "stop", "a", NULL));
	journal = chat_file(g, "a", "journal");
	cr_expect_str_eq(
		journal, "1 start 1 nil\n1 connected 1\n1 stop\n1 stopped\n");
	free(journal);
	run_end(g);
}

Test(channels, go_to_the_new_worker_after_the_old_one_has_let_go)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	chat_await(g, "a", "journal", "1 connected", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	chat_await(g, "a", "journal", "2 connected 2", 1);
	cr_expect_eq(chat_count(g, "a", "journal", "1 stopped"), 1);
	expect_one_holder(g);
	run_end(g);
}

Test(channels, go_back_to_the_old_worker_when_the_new_one_cannot_connect)
{
	struct gateway_run *g = start("");

	chat_await(g, "a", "journal", "1 connected", 1);
	chat_settings(g, "a", "refuses: true");
	run_announce(g, "the server refuses");
	ctl_destroy(ctl_expect(g, 1, "reload", "a", NULL));
	cr_expect_eq(chat_count(g, "a", "journal", "2 start "), 3);
	cr_expect_eq(chat_count(g, "a", "journal", "1 connected 5"), 1);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	expect_one_holder(g);
	run_end(g);
}

Test(channels, that_cannot_connect_at_first_wait_and_the_plugin_serves)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", "", "");
	chat_set(g, "a", "refuse", "");
	run_start(g);
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	chat_await(g, "a", "journal", "1 start ", 2);
	chat_set(g, "a", "refuse", NULL);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	run_end(g);
}

Test(channels, get_a_higher_epoch_after_a_crash)
{
	struct gateway_run *g = start("");
	pid_t pid;

	chat_await(g, "a", "journal", "1 connected 1", 1);
	pid = (pid_t)ctl_status_number(g, "a", "pid");
	run_announce(g, "killed by signal 9");
	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	chat_await(g, "a", "journal", "2 connected 2", 1);
	expect_one_holder(g);
	run_end(g);
}

Test(channels, that_may_overlap_run_in_both_workers_until_the_commit)
{
	struct gateway_run *g = start("overlap: true");
	struct ctl *c;

	chat_await(g, "a", "journal", "1 connected", 1);
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "overlap");
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "journal", "2 connected 2"), 1);
	chat_await(g, "a", "journal", "1 stopped", 1);
	run_end(g);
}

Test(channels, keep_the_cursor_of_the_old_worker_after_a_failed_overlap)
{
	struct gateway_run *g = start("overlap: true");
	unsigned without;

	chat_await(g, "a", "journal", "1 connected", 1);
	chat_settings(g, "a", "overlap: true, refuses: true");
	run_announce(g, "the server refuses");
	ctl_destroy(ctl_expect(g, 1, "reload", "a", NULL));
	chat_say(g, "a", "\"id\": \"m1\"");
	chat_say(g, "a", "\"id\": \"m2\"");
	chat_await(g, "a", "journal", "1 new m2", 1);
	without = chat_count(g, "a", "journal", " nil");
	run_signal(g, SIGKILL);
	run_wait(g);
	chat_settings(g, "a", "overlap: true");
	run_start(g);
	chat_await(g, "a", "journal", " connected", 2);
	cr_expect_eq(chat_count(g, "a", "journal", " nil"), without);
	run_end(g);
}

Test(channels, have_names_that_only_one_plugin_may_use)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", "", "");
	chat_add(g, "b", "name: other", "");
	run_start(g);
	chat_settings(g, "b", "name: chat");
	run_announce(g, "channel chat is taken by plugin 'a'");
	ctl_destroy(ctl_expect(g, 1, "reload", "b", NULL));
	run_end(g);
}

static pid_t
store_pid(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "channels", NULL);
	pid_t pid = (pid_t)ctl_number(c, "store.pid");

	ctl_destroy(c);
	return pid;
}

Test(channels, whose_names_nobody_uses_any_more_are_forgotten)
{
	static const char *const sets[] = {"a 150", "b 150", "c 150"};
	struct gateway_run *g = start("overlap: true, renames: true");
	struct ctl *c;

	chat_await(g, "a", "journal", "1 connected", 1);
	for (unsigned i = 0; i < 3; i++) {
		ctl_destroy(ctl_expect(
			g, 0, "call", "command", "rename", sets[i], NULL));
		chat_await(g, "a", "journal", "empty ", 150 * (i + 1));
	}
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_lt(json_array_size(ctl_at(c, "channels")), 450);
	cr_expect(strstr(c->out, "\"c149\""), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- what comes in ---- */

static struct gateway_run *
start_talk(const char *settings, const char *talk)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", settings, "");
	chat_add_talk(g, "t", "a", talk);
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

/* Waits until so many are listed: they wait, or need somebody. */
static json_t *
messages_of(struct gateway_run *g, size_t count)
{
	struct ctl *c;
	json_t *rows;
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	for (;;) {
		c = ctl_expect(g, 0, "messages", "list", NULL);
		rows = json_incref(json_object_get(c->json, "messages"));
		ctl_destroy(c);
		if (json_array_size(rows) == count || clock_ms() > until)
			break;
		json_decref(rows);
		poll(NULL, 0, 5);
	}
	cr_assert_eq(json_array_size(rows), count);
	return rows;
}

Test(channels, give_what_comes_to_observers_once_and_in_order)
{
	struct gateway_run *g = start_talk("", "has: observer");
	char *heard;

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"two\"");
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_await(g, "a", "journal", "1 seen m1", 1);
	cr_expect_eq(chat_count(g, "a", "journal", "1 new m"), 2);
	chat_await(g, "a", "heard", "heard room m2 two", 1);
	heard = chat_file(g, "a", "heard");
	cr_expect_str_eq(heard, "1 heard room m1 one\n1 heard room m2 two\n");
	free(heard);
	run_end(g);
}

Test(channels, do_not_run_a_command_again_that_was_edited)
{
	struct gateway_run *g = start_talk("", "has: 'command,observer'");

	chat_say(g, "a",
		"\"id\": \"m1\", \"edit_of\": \"m0\", "
		"\"text\": \"/echo edited\"");
	chat_say(g, "a",
		"\"id\": \"m2\", \"self\": true, "
		"\"text\": \"/echo self\"");
	chat_say(g, "a", "\"id\": \"m3\", \"text\": \"/echo new\"");
	chat_await(g, "a", "heard", "heard room m3", 1);
	chat_await(g, "a", "outbox", "new", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "edited"), 0);
	cr_expect_eq(chat_count(g, "a", "outbox", "self"), 0);
	/* Observers see all of it. */
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m1"), 1);
	run_end(g);
}

Test(channels, go_on_from_the_cursor_in_the_next_worker)
{
	struct gateway_run *g = start_talk("cursor: none", "has: observer");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"two\"");
	chat_await(g, "a", "journal", "1 new m2", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "journal", "2 start 2 2", 1);
	chat_say(g, "a", "\"id\": \"m3\", \"text\": \"three\"");
	chat_await(g, "a", "heard", "heard room m3 three", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room"), 3);
	run_end(g);
}

Test(channels, know_what_they_have_seen_over_a_restart_of_supd)
{
	struct gateway_run *g = start_talk("", "has: observer");

	chat_say(
		g, "a", "\"id\": \"m1\", \"text\": \"one\", \"cursor\": \"0\"");
	chat_await(g, "a", "heard", "heard room m1 one", 1);
	chat_await(g, "a", "journal", "1 new m1", 1);
	json_decref(messages_of(g, 0)); /* its end is kept, too */
	run_signal(g, SIGKILL);
	run_wait(g);
	chat_settings(g, "a", "cursor: none");
	run_start(g);
	chat_await(g, "a", "journal", "seen m1", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room"), 1);
	run_end(g);
}

Test(channels, run_commands_and_reply)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");
	char *out;

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo hello there\"");
	chat_await(g, "a", "outbox", "echo hello there", 1);
	out = chat_file(g, "a", "outbox");
	cr_expect(strstr(out, "\"to\": \"room\""), "%s", out);
	free(out);
	cr_expect_eq(
		chat_count(g, "a", "heard", "echo hello there from ann"), 1);
	chat_await(g, "a", "heard", "heard room m1", 1);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/nothing here\"");
	chat_await(g, "a", "heard", "heard room m2 /nothing here", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 1);
	run_end(g);
}

Test(channels, ask_filters_first)
{
	struct gateway_run *g = start_talk(
		"", "has: \"command,filter,observer\", on_error: stop");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"claim it\"");
	chat_await(g, "a", "outbox", "claimed it", 1);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"stop it\"");
	chat_say(g, "a", "\"id\": \"m3\", \"text\": \"change /echo x\"");
	chat_await(g, "a", "outbox", "echo x", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "forged"), 0);
	run_announce(g, "as asked");
	chat_say(g, "a", "\"id\": \"m4\", \"text\": \"broken\"");
	chat_say(g, "a", "\"id\": \"m5\", \"text\": \"last\"");
	chat_await(g, "a", "heard", "heard room m5 last", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m1"), 0);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m2"), 0);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m4"), 0);
	chat_await(g, "a", "heard", "failed stopped by the hook", 1);
	run_end(g);
}

Test(channels, make_a_dead_letter_of_what_kills_its_command_twice)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");

	run_announce(g, "exit status 9");
	chat_set(g, "a", "deaths", "2");
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo poison\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/echo fine\"");
	chat_await(g, "a", "outbox", "echo fine", 1);
	chat_await(g, "a", "heard", "failed the worker of the command echo", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "echo poison"), 2);
	run_end(g);
}

Test(channels, make_a_dead_letter_of_what_kills_its_observer_twice)
{
	struct gateway_run *g = start_talk("", "has: observer");

	run_announce(g, "exit status 9");
	chat_set(g, "a", "deaths", "2");
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"poison\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"fine\"");
	chat_await(g, "a", "heard", "heard room m2 fine", 1);
	chat_await(g, "a", "heard", "failed a hook of message.received", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m1 poison"), 2);
	run_end(g);
}

Test(channels, handle_lanes_side_by_side_and_each_in_order)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");

	chat_say(g, "a",
		"\"id\": \"m1\", \"lane\": \"x\", \"text\": \"/slow 1\"");
	chat_say(g, "a", "\"id\": \"m2\", \"lane\": \"x\", \"text\": \"two\"");
	chat_say(
		g, "a", "\"id\": \"m3\", \"lane\": \"y\", \"text\": \"three\"");
	chat_await(g, "a", "heard", "heard y m3", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard x"), 0);
	cr_expect_eq(chat_count(g, "a", "journal", "1 new m2"), 1);
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "heard", "heard x m2", 1);
	run_end(g);
}

Test(channels, acknowledge_what_is_handled_only_then)
{
	struct gateway_run *g =
		start_talk("ack: handled", "has: \"command,observer\"");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/slow 1\"");
	chat_await(g, "a", "heard", "slow 1", 1);
	/* the new worker gets it again, and the answer when it is handled */
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "journal", "1 stopped-with m1", 1);
	chat_await(g, "a", "journal", "2 connected", 1);
	cr_expect_eq(chat_count(g, "a", "journal", "new m1"), 0);
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "journal", "2 new m1", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "1 slow 1"), 1);
	run_end(g);
}

Test(channels, are_not_safe_to_reload_with_messages_in_flight)
{
	struct gateway_run *g =
		start_talk("ack: handled", "has: \"command,observer\"");
	struct ctl *c;

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/slow 1\"");
	chat_await(g, "a", "heard", "1 slow 1", 1);
	c = ctl_expect(g, 6, "can-reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "reason"), "messages in flight");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 6, "reload", "a", "--if-safe", NULL));
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "journal", "1 new m1", 1);
	ctl_destroy(ctl_expect(g, 0, "can-reload", "a", NULL));
	run_end(g);
}

Test(channels, say_what_is_wrong_with_a_message)
{
	struct gateway_run *g = start_talk("", "has: observer");

	run_announce(g, "supd does not take a message");
	chat_say(g, "a", "\"id\": \"\", \"text\": \"one\"");
	chat_await(g, "a", "journal",
		"bad_message: id of the message must be a string of 1 to 512",
		1);
	chat_say(g, "a",
		"\"id\": \"m2\", \"chat\": {\"id\": \"r\", \"type\": \"x\"}");
	chat_await(g, "a", "journal", "chat.type of the message must be", 1);
	chat_say(g, "a", "\"id\": \"m3\", \"at\": \"now\"");
	chat_await(g, "a", "journal", "at of the message must be a number", 1);
	run_end(g);
}

/* Of chat_say_many(): the numbers that were heard grow within each lane. */
static void
expect_lanes_in_order(struct gateway_run *g)
{
	char *all = chat_file(g, "a", "heard"), *rest = all, *line;
	int last[100], lane, number;

	memset(last, -1, sizeof(last));
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "1 heard l%d n%d ", &lane, &number) != 2)
			continue;
		cr_assert_lt(last[lane], number, "lane %d: %d after %d", lane,
			number, last[lane]);
		last[lane] = number;
	}
	free(all);
}

/* The first one of each lane holds it, so all others wait. */
Test(channels, take_no_more_than_they_keep_and_lose_nothing)
{
	struct gateway_run *g =
		start_talk("together: true", "has: \"command,observer\"");
	const unsigned most = 10000, more = 40, lanes = 100;

	chat_say_many(g, "a", lanes, most + more);
	chat_await(g, "a", "journal", "1 new ", most);
	struct ctl *c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.pending"), most);
	cr_expect_geq(ctl_number(c, "channels.0.answers.busy"), 1);
	ctl_destroy(c);
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "journal", "1 new ", most + more);
	chat_await(g, "a", "heard", "heard l", most + more - lanes);
	expect_lanes_in_order(g);
	run_end(g);
}

static long
count_of(struct gateway_run *g, const char *path)
{
	struct ctl *c = ctl_expect(g, 0, "channels", NULL);
	long count = ctl_number(c, path);

	ctl_destroy(c);
	return count;
}

/* A list of small numbers is thirty times as large in memory. */
Test(channels, count_the_values_of_what_is_handled)
{
	struct gateway_run *g =
		start_talk("together: true", "has: \"command,observer\"");
	const unsigned lanes = 12, numbers = 60000;
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	char *list = memory_alloc(2 * numbers + 1);

	for (unsigned i = 0; i < numbers; i++)
		memcpy(&list[2 * i], i ? ",1" : " 1", 2);
	for (unsigned i = 0; i < lanes; i++)
		chat_say(g, "a",
			"\"id\": \"m%u\", \"lane\": \"l%u\", \"text\": \"/slow "
			"%u\", \"raw\": [%s]",
			i, i, i, list);
	free(list);
	while (count_of(g, "channels.0.pendingBytes") < 16 << 20)
		cr_assert_lt(clock_ms(), until);
	cr_expect_lt(chat_count(g, "a", "heard", "1 slow "), lanes);
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "heard", "1 slow-done ", lanes);
	chat_await(g, "a", "journal", "1 new ", lanes);
	run_end(g);
}

/* Neither worker can connect, so the plugin fails; what is to be sent waits
 * until another one can. */
static void
recover_by(const char *verb)
{
	static const char *const send[] = {
		"send", "chat", "bob", "hello", "--timeout", "100s", NULL};
	struct gateway_run *g = run_create();
	struct ctl *c, *sent;

	chat_add(g, "a", "", "hold_timeout: 2s");
	chat_add_talk(g, "t", "a", "has: observer");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_await(g, "a", "heard", "heard room m1", 1);
	chat_set(g, "a", "refuse", "");
	run_announce(g, "plugin failed");
	run_announce(g, "the server refuses");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "giving back"), "%s", c->out);
	ctl_destroy(c);
	ctl_await_state(g, "a", "failed");
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_str_eq(ctl_text(c, "channels.0.state"), "down", "%s", c->out);
	ctl_destroy(c);
	sent = ctl_begin(g, 0, send);
	json_decref(messages_of(g, 1));
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"two\"");
	chat_set(g, "a", "refuse", NULL);
	ctl_destroy(ctl_expect(g, 0, verb, "a", NULL));
	chat_await(g, "a", "journal", " connected ", 2);
	chat_await(g, "a", "heard", "heard room m2", 1);
	ctl_wait(sent);
	cr_expect_eq(sent->exit_code, 0, "%s", sent->out);
	ctl_destroy(sent);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m1"), 1);
	expect_one_holder(g);
	run_end(g);
}

Test(channels, recover_by_a_reload_after_nobody_could_connect)
{
	recover_by("reload");
}

Test(channels, recover_by_a_start_after_nobody_could_connect)
{
	recover_by("start");
}

/* ---- what goes out ---- */

static struct gateway_run *
start_sender(const char *settings, const char *entry)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", settings, entry);
	chat_add_talk(g, "t", "a", "has: \"command,sending,observer\"");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

static void
say_send(struct gateway_run *g, const char *id, const char *text)
{
	chat_say(g, "a",
		"\"id\": \"%s\", \"lane\": \"%s\", \"text\": \"/send bob %s\"",
		id, id, text);
}

Test(channels, send_what_plugins_want_sent)
{
	struct gateway_run *g = start_sender("", "");
	char *out;

	say_send(g, "m1", "hello");
	chat_await(g, "a", "heard", "state sent", 1);
	out = chat_file(g, "a", "outbox");
	cr_expect(strstr(out, "\"to\": \"bob\", \"reply_to\": null, \"text\": "
			      "\"hello\""),
		"%s", out);
	free(out);
	run_end(g);
}

Test(channels, ask_filters_before_they_send)
{
	struct gateway_run *g = start_sender("", "");

	say_send(g, "m1", "rude words");
	chat_await(g, "a", "outbox", "kind words", 1);
	say_send(g, "m2", "a secret");
	chat_await(g, "a", "heard", "refused denied: stopped by the hook", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "a secret"), 0);
	run_end(g);
}

Test(channels, send_again_what_the_platform_wants_later)
{
	struct gateway_run *g = start_sender("", "");

	chat_set(g, "a", "sends", "retry retry");
	say_send(g, "m1", "hello");
	chat_await(g, "a", "heard", "state sent", 1);
	cr_expect_eq(chat_count(g, "a", "journal", "send retry hello"), 2);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"hello\""), 1);
	chat_set(g, "a", "sends", "not_sent");
	say_send(g, "m2", "again");
	chat_await(g, "a", "heard", "state not_sent", 1);
	chat_await(g, "a", "heard", "failed nobody is there", 1);
	run_end(g);
}

Test(channels, find_out_whether_a_message_went_out)
{
	struct gateway_run *g = start_sender("", "");

	run_announce(g, "exit status 9");
	chat_set(g, "a", "sends", "late");
	say_send(g, "m1", "first");
	chat_await(g, "a", "heard", "state sent", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"first\""), 1);
	chat_set(g, "a", "sends", "die");
	say_send(g, "m2", "second");
	chat_await(g, "a", "heard", "state sent", 2);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"second\""), 1);
	cr_expect_eq(chat_count(g, "a", "journal", "find bob"), 2);
	run_end(g);
}

Test(channels, say_that_nobody_knows_whether_a_message_went_out)
{
	struct gateway_run *g = start_sender("can: text", "");

	run_announce(g, "exit status 9");
	chat_set(g, "a", "sends", "late");
	say_send(g, "m1", "first");
	chat_await(g, "a", "heard", "state unknown", 1);
	chat_await(g, "a", "heard", "failed the worker died", 1);
	say_send(g, "m2", "second");
	chat_await(g, "a", "heard", "state sent", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"first\""), 1);
	run_end(g);
}

Test(channels, send_again_what_is_unknown_if_they_are_told_to)
{
	struct gateway_run *g =
		start_sender("can: text", "resend_unknown: true");

	run_announce(g, "exit status 9");
	chat_set(g, "a", "sends", "late");
	say_send(g, "m1", "first");
	chat_await(g, "a", "heard", "state sent", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"first\""), 2);
	run_end(g);
}

/* The first try may have gone out, whatever the second one says. */
Test(channels, do_not_say_that_nothing_was_sent_after_an_unknown_try)
{
	struct gateway_run *g =
		start_sender("can: text", "resend_unknown: true");

	run_announce(g, "exit status 9");
	chat_set(g, "a", "sends", "late not_sent");
	say_send(g, "m1", "first");
	chat_await(g, "a", "heard", "state ", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "state unknown"), 1);
	chat_await(g, "a", "journal", "send not_sent first", 1);
	run_end(g);
}

static void
kill_while_it_sends(struct gateway_run *g)
{
	const char *args[] = {"send", "chat", "bob", "first", NULL};
	struct ctl *c;

	chat_set(g, "a", "sends", "hold");
	c = ctl_begin(g, 0, args);
	chat_await(g, "a", "journal", "send hold first", 1);
	run_signal(g, SIGKILL);
	run_wait(g);
	ctl_wait(c);
	ctl_destroy(c);
	chat_set(g, "a", "release", "");
	run_start(g);
}

Test(channels, do_not_ask_a_channel_without_find_after_a_kill_of_supd)
{
	struct gateway_run *g = start_sender("can: text", "");
	uint64_t until;
	char *state = NULL;

	kill_while_it_sends(g);
	for (until = clock_ms() + RUN_DEADLINE_MS; clock_ms() < until;) {
		struct ctl *c = ctl_expect(g, 0, "messages", "list", NULL);

		free(state);
		state = memory_format("%s: %s", ctl_text(c, "messages.0.state"),
			ctl_text(c, "messages.0.note.text"));
		ctl_destroy(c);
		if (!strncmp(state, "unknown", 7))
			break;
	}
	cr_expect_str_eq(
		state, "unknown: supd ended before the outcome was known");
	free(state);
	run_end(g);
}

Test(channels, send_again_after_a_kill_of_supd_if_they_are_told_to)
{
	struct gateway_run *g =
		start_sender("can: text", "resend_unknown: true");

	kill_while_it_sends(g);
	chat_await(g, "a", "journal", "send ok first", 1);
	chat_await(g, "a", "outbox", "\"first\"", 1);
	run_end(g);
}

Test(channels, send_once_for_each_key)
{
	struct gateway_run *g = start_sender("", "");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/key k one\"");
	chat_await(g, "a", "heard", "key sent k-k", 1);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/key k one\"");
	chat_await(g, "a", "heard", "key sent k-k", 2);
	cr_expect_eq(chat_count(g, "a", "heard", "m-k-k"), 2);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"one\""), 1);
	run_end(g);
}

/* The store has yet to write the end of the first one. */
Test(channels, answer_a_key_that_comes_again_at_its_end)
{
	struct gateway_run *g = start_sender("", "");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/again k one\"");
	chat_await(g, "a", "heard", "again sent k-k", 10);
	cr_expect_eq(chat_count(g, "a", "heard", "m-k-k"), 10);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"one\""), 1);
	run_end(g);
}

Test(channels, keep_what_is_to_be_sent_until_they_are_connected)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", "", "");
	chat_add(g, "b", "name: other", "");
	chat_add_talk(g, "t", "a", "has: command, channel: other");
	chat_set(g, "b", "refuse", "");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	say_send(g, "m1", "hello");
	chat_await(g, "a", "journal", "1 new m1", 1);
	cr_expect_eq(chat_count(g, "b", "outbox", "hello"), 0);
	chat_set(g, "b", "refuse", NULL);
	chat_await(g, "b", "outbox", "hello", 1);
	chat_await(g, "a", "heard", "state sent", 1);
	run_end(g);
}

Test(channels, send_through_the_new_worker_what_the_old_one_received)
{
	struct gateway_run *g = start_sender("", "");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/slow 1\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/echo two\"");
	chat_await(g, "a", "heard", "1 slow 1", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "outbox", "echo two", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"gen\": 2"), 1);
	run_end(g);
}

Test(channels, go_on_with_what_a_killed_supd_had_not_finished)
{
	struct gateway_run *g = start_sender("", "");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/slow 1\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/echo two\"");
	chat_await(g, "a", "heard", "1 slow 1", 1);
	chat_await(g, "a", "journal", "1 new m2", 1);
	run_signal(g, SIGKILL);
	run_wait(g);
	chat_set(g, "a", "gate", "");
	run_start(g);
	chat_await(g, "a", "outbox", "echo two", 1);
	chat_await(g, "a", "heard", "heard room m2", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "slow 1"), 3);
	run_end(g);
}

/* The command ends after supd began to stop. */
Test(channels, keep_the_reply_of_a_command_that_ends_while_supd_stops)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/late 1\"");
	chat_await(g, "a", "heard", "1 slow 1", 1);
	run_signal(g, SIGTERM);
	chat_await(g, "a", "journal", "1 stop", 1);
	chat_set(g, "a", "gate", "");
	run_wait(g);
	cr_expect_eq(chat_count(g, "a", "heard", "slow-done 1"), 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "late 1"), 0);
	run_start(g);
	chat_await(g, "a", "outbox", "late 1", 1);
	chat_await(g, "a", "heard", "heard room m1", 1);
	json_decref(messages_of(g, 0));
	cr_expect_eq(chat_count(g, "a", "heard", " slow 1"), 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "late 1"), 1);
	run_end(g);
}

/* ---- for users ---- */

Test(channels, show_what_waits_and_what_became_of_the_rest)
{
	struct gateway_run *g = start_talk("", "has: observer");
	struct ctl *c;

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_await(g, "a", "heard", "heard room m1", 1);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_str_eq(ctl_text(c, "channels.0.name"), "chat");
	cr_expect_str_eq(ctl_text(c, "channels.0.pluginId"), "a");
	cr_expect_str_eq(ctl_text(c, "channels.0.state"), "up");
	cr_expect_eq(ctl_number(c, "channels.0.answers.new"), 1);
	cr_expect_eq(ctl_number(c, "channels.0.ended.observed"), 1);
	cr_expect_str_eq(ctl_text(c, "store.state"), "up");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "metrics", NULL);
	cr_expect(strstr(c->out, "supd_channel_messages_ended_total"));
	ctl_destroy(c);
	run_end(g);
}

Test(channels, let_users_try_dead_letters_once_more_or_drop_them)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");
	json_t *rows;
	char seq[24];

	run_announce(g, "exit status 9");
	chat_set(g, "a", "deaths", "2");
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo poison\"");
	chat_await(g, "a", "heard", "failed the worker of the command", 1);
	rows = messages_of(g, 1);
	snprintf(seq, sizeof(seq), "%lld",
		json_integer_value(
			json_object_get(json_array_get(rows, 0), "seq")));
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(rows, 0), "state")),
		"dead");
	json_decref(rows);
	struct ctl *c = ctl_expect(g, 0, "messages", "show", seq, NULL);
	cr_expect_str_eq(ctl_text(c, "message.text"), "/echo poison");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 0, "messages", "retry", seq, NULL));
	chat_await(g, "a", "outbox", "echo poison", 1);
	json_decref(messages_of(g, 0));
	ctl_destroy(ctl_expect(g, 6, "messages", "drop", seq, NULL));
	ctl_destroy(ctl_expect(g, 5, "messages", "show", "999", NULL));
	run_end(g);
}

Test(channels, list_messages_in_pages)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");
	long seqs[5];
	char before[24] = "0", path[32];
	struct ctl *c = NULL;

	chat_say(g, "a", "\"id\": \"m0\", \"text\": \"/slow 1\"");
	for (int i = 1; i < 5; i++)
		chat_say(g, "a", "\"id\": \"m%d\", \"text\": \"x\"", i);
	json_decref(messages_of(g, 5));
	for (int i = 0; i < 5; i++) {
		if (i % 2 == 0) {
			c = i ? ctl_expect(g, 0, "messages", "list", "chat",
					"-n", "2", "--before", before, NULL)
			      : ctl_expect(g, 0, "messages", "list", "chat",
					"-n", "2", NULL);
			snprintf(before, sizeof(before), "%ld",
				ctl_number(c, "before"));
		}
		snprintf(path, sizeof(path), "messages.%d.seq", i % 2);
		seqs[i] = ctl_number(c, path);
		cr_expect_gt(seqs[i], 0);
		cr_expect(!i || seqs[i] < seqs[i - 1]);
		if (i % 2 || i == 4)
			ctl_destroy(c);
	}
	cr_expect_str_eq(before, "-1"); /* there are no more */
	ctl_destroy(
		ctl_expect(g, 2, "messages", "list", "--before", "none", NULL));
	chat_set(g, "a", "gate", "");
	run_end(g);
}

Test(channels, let_users_drop_what_waits)
{
	struct gateway_run *g = start_talk("", "has: \"command,observer\"");
	json_t *rows;
	char seq[24];

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/slow 1\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"two\"");
	rows = messages_of(g, 2);
	snprintf(seq, sizeof(seq), "%lld",
		json_integer_value(
			json_object_get(json_array_get(rows, 0), "seq")));
	json_decref(rows);
	ctl_destroy(ctl_expect(g, 0, "messages", "drop", seq, NULL));
	chat_set(g, "a", "gate", "");
	json_decref(messages_of(g, 0));
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m2"), 0);
	run_end(g);
}

/* The seq of the newest message that goes out. */
static long
seq_out(struct gateway_run *g)
{
	struct ctl *c = ctl_expect(g, 0, "messages", "list", NULL);
	long seq = ctl_number(c, "messages.0.seq");

	cr_expect_str_eq(ctl_text(c, "messages.0.direction"), "out");
	ctl_destroy(c);
	return seq;
}

static struct ctl *
begin_drop(struct gateway_run *g, long seq)
{
	char text[24];
	const char *args[] = {"messages", "drop", text, NULL};

	snprintf(text, sizeof(text), "%ld", seq);
	return ctl_begin(g, 0, args);
}

static void
end_well(struct ctl *c)
{
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s", c->err);
	ctl_destroy(c);
}

Test(channels, count_what_users_drop_of_what_goes_out)
{
	struct gateway_run *g = start_talk("", "has: observer");
	const char *args[] = {"send", "chat", "bob", "two", NULL};
	struct ctl *c, *first, *second;

	chat_set(g, "a", "sends", "hold");
	first = ctl_begin(
		g, 0, (const char *[]){"send", "chat", "bob", "one", NULL});
	chat_await(g, "a", "journal", "send hold one", 1);
	second = ctl_begin(g, 0, args);
	json_decref(messages_of(g, 2));
	end_well(begin_drop(g, seq_out(g)));
	ctl_wait(second);
	cr_expect_eq(second->exit_code, 1);
	cr_expect_str_eq(ctl_text(second, "state"), "not_sent");
	ctl_destroy(second);
	chat_set(g, "a", "release", "");
	end_well(first);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.sent.dropped"), 1);
	cr_expect_eq(ctl_number(c, "channels.0.sent.sent"), 1);
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"two\""), 0);
	run_end(g);
}

/* Requests that the store has not answered. */
static void
await_unanswered(struct gateway_run *g, long count)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long now;

	do {
		struct ctl *c = ctl_expect(g, 0, "channels", NULL);

		now = ctl_number(c, "store.unanswered");
		ctl_destroy(c);
	} while (now < count && clock_ms() < until);
	cr_assert_geq(now, count);
}

/* Its turn to be sent comes while the store is asked to drop it. */
Test(channels, do_not_send_what_was_dropped_at_the_last_moment)
{
	struct gateway_run *g = start_talk("", "has: observer");
	struct ctl *first, *second, *drop, *c;
	pid_t store;
	long seq;

	chat_set(g, "a", "sends", "hold");
	first = ctl_begin(
		g, 0, (const char *[]){"send", "chat", "bob", "one", NULL});
	chat_await(g, "a", "journal", "send hold one", 1);
	second = ctl_begin(
		g, 0, (const char *[]){"send", "chat", "bob", "two", NULL});
	json_decref(messages_of(g, 2));
	seq = seq_out(g);
	await_unanswered(g, 0);
	store = store_pid(g);
	cr_assert_gt(store, 1);
	kill(store, SIGSTOP);
	drop = begin_drop(g, seq);
	await_unanswered(g, 1);
	chat_set(g, "a", "release", "");
	end_well(first);
	await_unanswered(g, 3); /* its end, and that the other one is sent */
	kill(store, SIGCONT);
	end_well(drop);
	ctl_wait(second);
	cr_expect_str_eq(ctl_text(second, "state"), "not_sent");
	ctl_destroy(second);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.sent.dropped"), 1);
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"two\""), 0);
	json_decref(messages_of(g, 0));
	run_end(g);
}

Test(channels, send_what_users_want_sent)
{
	struct gateway_run *g = start_talk("", "has: observer");
	struct ctl *c = ctl_expect(g, 0, "send", "chat", "bob", "hello", NULL);

	cr_expect_str_eq(ctl_text(c, "state"), "sent");
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"hello\""), 1);
	ctl_destroy(ctl_expect(g, 5, "send", "nowhere", "bob", "x", NULL));
	chat_set(g, "a", "sends", "not_sent");
	c = ctl_expect(g, 1, "send", "chat", "bob", "x", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "not_sent");
	ctl_destroy(c);
	run_end(g);
}

/* 8 MiB of each plugin's calls, 16 MiB of the channel's messages, and room for
 * replies behind that. */
Test(channels, keep_a_bounded_number_of_bytes_to_send_and_room_for_replies)
{
	struct gateway_run *g = run_create();
	struct ctl *c, *first;

	chat_add(g, "a", "", "");
	chat_add_talk(g, "t", "a", "has: \"command,flood\"");
	chat_add_talk(g, "u", "a", "has: flood, flood: more");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	chat_set(g, "a", "sends", "hold");
	first = ctl_begin(
		g, 0, (const char *[]){"send", "chat", "bob", "one", NULL});
	chat_await(g, "a", "journal", "send hold one", 1);
	ctl_destroy(ctl_expect(
		g, 0, "call", "command", "flood", "12 900000", NULL));
	chat_await(g, "a", "heard", "flood busy: too many calls", 2);
	ctl_destroy(
		ctl_expect(g, 0, "call", "command", "more", "12 900000", NULL));
	chat_await(g, "a", "heard", "flood busy: ", 4);
	cr_expect_geq(chat_count(g, "a", "heard", "too many messages"), 1);
	c = ctl_expect(g, 6, "send", "chat", "bob", "two", NULL);
	cr_expect(strstr(c->out, "too many messages"), "%s", c->out);
	ctl_destroy(c);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo reply\"");
	chat_await(g, "a", "outbox", "echo reply", 1);
	chat_set(g, "a", "release", "");
	end_well(first);
	run_end(g);
}

Test(channels, edit_and_delete_what_is_out_and_react_to_it)
{
	struct gateway_run *g =
		start_talk("can: \"text,edit,delete,react\"", "has: observer");
	struct ctl *c;

	ctl_await_shown(g, "a", "channels.0.state", "up");
	c = ctl_expect(
		g, 0, "send", "chat", "bob", "new", "--edit", "m1", NULL);
	cr_expect_str_eq(ctl_text(c, "receipt.ids.0"), "m1");
	ctl_destroy(c);
	chat_await(g, "a", "journal",
		"act edit bob m1 {\"format\": \"plain\", \"text\": \"new\"}",
		1);
	ctl_destroy(ctl_expect(
		g, 0, "send", "chat", "bob", "--delete", "m1", NULL));
	chat_await(g, "a", "journal", "act delete bob m1 {}", 1);
	ctl_destroy(ctl_expect(
		g, 0, "send", "chat", "bob", "+", "--react", "m1", NULL));
	chat_await(g, "a", "journal", "act react bob m1 {\"emoji\": \"+\"}", 1);
	ctl_destroy(ctl_expect(g, 2, "send", "chat", "bob", NULL));
	ctl_destroy(ctl_expect(g, 2, "send", "chat", "bob", "x", "--edit", "m1",
		"--react", "m1", NULL));
	cr_expect_eq(chat_count(g, "a", "outbox", "{"), 0);
	chat_settings(g, "a", "can: text");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	c = ctl_expect(
		g, 2, "send", "chat", "bob", "new", "--edit", "m1", NULL);
	cr_expect(strstr(c->out, "has no edit in `can`"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(channels, do_not_act_while_they_are_not_connected)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	chat_add(g, "a", "can: \"text,edit\"", "");
	chat_set(g, "a", "refuse", "");
	run_start(g);
	chat_await(g, "a", "journal", "1 start ", 1);
	c = ctl_expect(
		g, 6, "send", "chat", "bob", "new", "--edit", "m1", NULL);
	cr_expect(strstr(c->out, "the channel is not connected"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(channels, send_what_comes_over_http)
{
	struct gateway_run *g = run_create();
	const char *body = "{\"chat\":\"bob\",\"text\":\"hello\"}";
	struct client c;
	struct answer a;

	free(g->extra);
	g->extra = memory_copy_text(
		"admin: {tokens: [{name: ops, role: operator, sha256: "
		"\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527"
		"a25b\"}]}\n");
	chat_add(g, "a", "", "");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	cr_assert(client_open(&c, g->http));
	cr_assert(client_say(&c,
		"POST /api/channels/chat/send HTTP/1.1\r\nHost: x\r\n"
		"Authorization: Bearer secret\r\nContent-Length: %zu\r\n\r\n"
		"%s",
		strlen(body), body));
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	cr_expect_eq(a.status, 200, "%s", a.body);
	cr_expect(strstr(a.body, "\"state\":\"sent\""), "%s", a.body);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"hello\""), 1);
	answer_finish(&a);
	client_close(&c);
	run_end(g);
}

/* Every message that was new has one end, or waits. */
Test(channels, count_each_message_once)
{
	static const char *const texts[] = {"one", "/echo two", "claim it",
		"stop it", "broken", "/echo poison", "last"};
	static const char *const ends[] = {
		"observed", "command", "claimed", "stopped", "dead", "dropped"};
	struct gateway_run *g = start_talk(
		"", "has: \"command,filter,observer\", on_error: stop");
	long sum = 0;
	struct ctl *c;
	char path[64];

	run_announce(g, "exit status 9");
	chat_set(g, "a", "deaths", "2");
	for (size_t i = 0; i < 7; i++)
		chat_say(g, "a", "\"id\": \"m%zu\", \"text\": \"%s\"", i,
			texts[i]);
	chat_await(g, "a", "heard", "heard room m6 last", 1);
	json_decref(messages_of(g, 2)); /* the dead letters */
	c = ctl_expect(g, 0, "channels", NULL);
	for (size_t i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "channels.0.ended.%s", ends[i]);
		sum += ctl_number(c, path);
	}
	cr_expect_eq(sum, 7, "%s", c->out);
	cr_expect_eq(ctl_number(c, "channels.0.answers.new"), 7);
	cr_expect_eq(ctl_number(c, "channels.0.ended.dead"), 2);
	cr_expect_eq(ctl_number(c, "channels.0.ended.observed"), 2);
	ctl_destroy(c);
	run_end(g);
}

Test(channels, lose_nothing_when_the_store_is_killed)
{
	struct gateway_run *g = start_sender("", "");
	pid_t pid;

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/slow 1\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/echo two\"");
	chat_await(g, "a", "journal", "1 new m2", 1);
	pid = store_pid(g);
	cr_assert_gt(pid, 1);
	run_announce(g, "killed by signal 9");
	kill(pid, SIGKILL);
	chat_say(
		g, "a", "\"id\": \"m3\", \"lane\": \"x\", \"text\": \"three\"");
	chat_await(g, "a", "journal", "1 new m3", 1);
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "outbox", "echo two", 1);
	json_decref(messages_of(g, 0));
	run_end(g);
}

/* Each number once, in order. */
static void
expect_echoes(struct gateway_run *g, unsigned count)
{
	char *all = chat_file(g, "a", "outbox"), *at = all;

	for (unsigned i = 0; i < count; i++) {
		char text[32];

		snprintf(text, sizeof(text), "\"echo %u.\"", i);
		at = strstr(at, text);
		cr_assert(at, "no %s in order in: %s", text, all);
	}
	cr_expect_eq(chat_count(g, "a", "outbox", "\"echo "), count);
	free(all);
}

Test(channels, answer_each_message_once_while_everything_is_reloaded)
{
	struct gateway_run *g =
		start_talk("", "has: \"command,filter,observer\"");
	const unsigned count = 200;
	struct ctl *c;

	for (unsigned i = 0; i < count; i++) {
		chat_say(g, "a", "\"id\": \"m%u\", \"text\": \"/echo %u.\"", i,
			i);
		if (i % 50 == 25)
			ctl_destroy(ctl_expect(g, 0, "reload", "t", NULL));
		if (i % 50 == 40) {
			c = ctl_expect(g, 0, "reload", "a", NULL);
			cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
			ctl_destroy(c);
		}
	}
	chat_await(g, "a", "outbox", "\"echo ", count);
	expect_echoes(g, count);
	chat_await(g, "a", "heard", "heard room", count);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room"), count);
	expect_one_holder(g);
	run_end(g);
}

static void
kill_store(struct gateway_run *g)
{
	pid_t pid = store_pid(g);

	run_announce(g, "killed by signal 9");
	if (pid > 1)
		kill(pid, SIGKILL);
}

/* Many of one lane are on their way at once. */
Test(channels, keep_the_order_of_a_lane_while_all_fails_and_is_reloaded)
{
	struct gateway_run *g = start_talk("together: true", "has: command");
	const unsigned count = 600;

	for (unsigned i = 0; i < count; i++)
		chat_say(g, "a", "\"id\": \"m%u\", \"text\": \"/echo %u.\"", i,
			i);
	chat_await(g, "a", "journal", "new m", 20);
	kill_store(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	ctl_destroy(ctl_expect(g, 0, "reload", "t", NULL));
	kill_store(g);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "outbox", "\"echo ", count);
	expect_echoes(g, count);
	run_end(g);
}

/* ---- in other languages ---- */

static void
try_language(const char *package, const char *exec, const char *first,
	const char *again)
{
	struct gateway_run *g = run_create();

	chat_add_of(g, package, exec, "a");
	chat_add_talk(g, "t", "a", "has: \"command,sending,observer\"");
	run_start(g);
	chat_await(g, "a", "journal", "1 start 1 nil", 1);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo hello\"");
	chat_await(g, "a", "outbox", "echo hello", 1);
	chat_await(g, "a", "journal", first, 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "journal", "2 start 2 1", 1);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo hello\"");
	chat_await(g, "a", "journal", again, 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "echo hello"), 1);
	run_announce(g, "exit status 9");
	chat_set(g, "a", "sends", "retry late");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/send bob two\"");
	chat_await(g, "a", "heard", "state sent", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"two\""), 1);
	chat_set(g, "a", "sends", "not_sent");
	chat_say(g, "a", "\"id\": \"m3\", \"text\": \"/send bob three\"");
	chat_await(g, "a", "heard", "state not_sent", 1);
	run_end(g);
}

Test(channels, are_the_same_in_node)
{
	try_language(
		"chat-node", "exec: [node, main.js]", "1 new m1", "2 seen m1");
}

Test(channels, are_the_same_in_c)
{
	try_language("chat-c", "run: chat.so", "1 taken m1", "2 taken m1");
}
