/* Channels at their edges: what is refused, what does not fit, what comes too
 * early or too late, and an outside server or a store that is not there. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"

TestSuite(channel_edges, .fini = run_fini, .timeout = 240);

static struct gateway_run *
create(const char *settings, const char *talk)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", settings, "");
	chat_add_talk(g, "t", "a", talk);
	return g;
}

static struct gateway_run *
start(const char *settings, const char *talk)
{
	struct gateway_run *g = create(settings, talk);

	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

static void
await_channel(struct gateway_run *g, const char *path, const char *text)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	struct ctl *c;
	bool is_so;

	do {
		c = ctl_expect(g, 0, "channels", NULL);
		is_so = !strcmp(ctl_text(c, path), text);
		cr_assert(is_so || clock_ms() < until, "no %s in %s", text,
			c->out);
		ctl_destroy(c);
	} while (!is_so && poll(NULL, 0, 5) == 0);
}

/* As long as it grows there is time for it. */
static void
await_count(struct gateway_run *g, const char *path, long least)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long count, before = -1;
	struct ctl *c;

	do {
		c = ctl_expect(g, 0, "channels", NULL);
		count = ctl_number(c, path);
		if (count != before)
			until = clock_ms() + RUN_DEADLINE_MS;
		before = count;
		cr_assert(count >= least || clock_ms() < until,
			"no %ld as %s in %s", least, path, c->out);
		ctl_destroy(c);
	} while (count < least && poll(NULL, 0, 20) == 0);
}

/* ---- refused ---- */

/* A list in a list, and so on. */
static char *
nested(unsigned depth)
{
	char *text = memory_alloc(2 * depth + 1);

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	return text;
}

Test(channel_edges, what_is_never_taken_is_refused_and_the_next_one_comes)
{
	struct gateway_run *g = start("", "has: observer");
	char *deep = nested(23);
	struct ctl *c;

	chat_say(g, "a", "\"id\": \"m1\", \"raw\": %s", deep);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"two\"");
	chat_await(g, "a", "journal", "1 refused m1", 1);
	chat_await(g, "a", "heard", "heard room m2 two", 1);
	run_await_log(g, 0, "channel chat: the message 'm1' is refused: ");
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.answers.refused"), 1);
	cr_expect_eq(ctl_number(c, "channels.0.answers.new"), 1);
	cr_expect_eq(ctl_number(c, "channels.0.ended.observed"), 1);
	ctl_destroy(c);
	/* it counts as taken: it does not come again */
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "journal", "2 start 2 2", 1);
	free(deep);
	run_end(g);
}

/* A stranger decides how many there are. */
Test(channel_edges, replies_that_cannot_be_sent_make_one_line_a_second)
{
	const unsigned count = 200;
	uint64_t begun = clock_ms(), seconds;
	struct gateway_run *g = start("together: true", "has: filter");
	unsigned lines;

	for (unsigned i = 0; i < count; i++)
		chat_say(g, "a",
			"\"id\": \"m%u\", \"lane\": \"%u\", \"text\": \"claim "
			"nothing\"",
			i, i);
	await_count(g, "channels.0.ended.claimed", count);
	run_await_log(g, 0,
		"channel chat: a reply is not sent: text of the content must "
		"be a string (0 more since the last line)");
	lines = capture_count(&g->log, 0, "a reply is not sent");
	seconds = (clock_ms() - begun) / 1000;
	cr_expect_leq(lines, seconds + 1);
	run_end(g);
}

static void
add_raw(struct gateway_run *g, const char *id, const char *manifest)
{
	char *path = run_package_file(g, id, "plugin.yaml");

	files_write(path,
		"name: raw-calls\nversion: 1.0.0\nexec: [python3, main.py]\n"
		"settings: {channel: chat, late: [chat, m1, \"%s/late\"]}\n%s",
		g->dir, manifest);
	free(path);
}

static void
await_late(struct gateway_run *g, const char *text)
{
	char *path = memory_format("%s/late", g->dir), *said = NULL;
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;

	while (!(said = files_exist(path) ? files_read(path) : NULL) ||
		!strstr(said, text)) {
		cr_assert_lt(clock_ms(), until, "no %s in %s", text, said);
		free(said);
		poll(NULL, 0, 5);
	}
	free(said);
	free(path);
}

Test(channel_edges, a_worker_that_lost_its_channel_is_not_listened_to)
{
	struct gateway_run *g = run_create();
	struct ctl *c;
	pid_t old;

	run_package(g, "raw-calls", "raw");
	add_raw(g, "raw", "");
	run_plugin(g, "r", "use: raw, probation: 10m");
	g->may_grow = true;
	run_start(g);
	ctl_await_shown(g, "r", "channels.0.state", "up");
	old = (pid_t)ctl_status_number(g, "r", "pid");
	kill(old, SIGUSR2);
	await_late(g, "new\n");
	c = ctl_expect(g, 0, "reload", "r", NULL);
	cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
	ctl_destroy(c);
	kill(old, SIGUSR2); /* it stands by */
	await_late(g, "conflict: the channel 'chat' is not started here\n");
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.answers.conflict"), 1);
	cr_expect_eq(ctl_number(c, "channels.0.answers.new"), 1);
	ctl_destroy(c);
	kill((pid_t)ctl_status_number(g, "r", "pid"), SIGUSR2);
	await_late(g, "seen\n");
	run_end(g);
}

/* ---- what goes out and does not fit ---- */

static void
expect_send(struct gateway_run *g, const char *content, const char *said)
{
	char *args = memory_format("{\"call\": [\"channel\", \"chat\", "
				   "{\"target\": {\"chat\": \"bob\"}, "
				   "\"content\": %s}, 20000]}",
		content);
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "do", args, NULL);

	cr_expect(strstr(c->out, said), "%s: %s", content, c->out);
	ctl_destroy(c);
	free(args);
}

Test(channel_edges, texts_and_media_must_be_such_as_the_channel_takes)
{
	struct gateway_run *g =
		create("can: \"text,find\", text_limit: 10", "has: sending");

	chat_add(g, "b", "name: other, can: \"text,media,find\"", "");
	run_package(g, "raw-calls", "raw");
	run_plugin(g, "r", "use: raw");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	expect_send(g, "{\"text\": \"0123456789\"}", "sent");
	expect_send(g, "{\"text\": \"0123456789a\"}",
		"the text is longer than the 10 bytes that the channel");
	/* bytes, not letters; and a filter may not make it longer */
	expect_send(g, "{\"text\": \"äöüßäö\"}", "longer than the 10 bytes");
	expect_send(g, "{\"text\": \"x\", \"media\": []}",
		"the channel 'chat' cannot send media");
	expect_send(g, "{}", "neither text nor media");
	expect_send(g, "{\"text\": 5}", "text of the content must be a string");
	expect_send(g, "{\"text\": \"x\", \"media\": {}}",
		"media of the content must be a list");
	expect_send(g, "{\"text\": \"x\", \"format\": \"html\"}",
		"format of the content must be plain or markdown");
	expect_send(g, "5", "bad_message");
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 1);
	run_end(g);
}

/* ---- sets ---- */

#define KEEPING                                                                \
	"name: a\nversion: 1.0.0\nexec: [python3, main.py]\n"                  \
	"keep: [\"channel:chat\"]\n"                                           \
	"settings: {dir: \"%s/a.d\", without: %s}\n"

Test(channel_edges, a_channel_to_be_kept_may_not_be_missing)
{
	struct gateway_run *g = create("", "has: observer");
	char *path = run_package_file(g, "a", "plugin.yaml");
	struct ctl *c;

	files_write(path, KEEPING, g->dir, "false");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	files_write(path, KEEPING, g->dir, "true");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect(strstr(ctl_text(c, "error"), "channel:chat"), "%s",
		ctl_text(c, "error"));
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "journal", "1 stop"), 0);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_await(g, "a", "heard", "heard room m1 one", 1);
	free(path);
	run_end(g);
}

static void
offer(struct gateway_run *g, const char *names)
{
	char *args = memory_format("{\"offer\": %s}", names);
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "do", args, NULL);

	cr_expect_str_eq(c->out, "null\n", "%s", c->out);
	ctl_destroy(c);
	free(args);
}

Test(channel_edges, may_come_and_go_at_run_time)
{
	struct gateway_run *g = run_create();
	struct ctl *c;

	run_package(g, "raw-calls", "raw");
	run_plugin(g, "r", "use: raw");
	g->may_grow = true;
	run_start(g);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "channels")), 0);
	cr_expect(json_is_null(ctl_at(c, "store"))); /* none is needed */
	ctl_destroy(c);
	offer(g, "[{\"kind\": \"channel\", \"name\": \"x\"}]");
	await_channel(g, "channels.0.state", "up");
	offer(g, "[{\"kind\": \"channel\", \"name\": \"x\"}, "
		 "{\"kind\": \"channel\", \"name\": \"y\"}]");
	ctl_await_shown(g, "r", "channels.1.state", "up");
	offer(g, "[{\"kind\": \"channel\", \"name\": \"y\"}]");
	c = ctl_expect(g, 0, "show", "r", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "channels")), 1);
	cr_expect_str_eq(ctl_text(c, "channels.0.name"), "y");
	cr_expect_str_eq(ctl_text(c, "channels.0.state"), "up");
	ctl_destroy(c);
	ctl_destroy(ctl_expect(g, 5, "send", "x", "bob", "hello", NULL));
	offer(g, "[]");
	ctl_destroy(ctl_expect(g, 5, "send", "y", "bob", "hello", NULL));
	run_end(g);
}

/* ---- the store ---- */

static void
await_event(struct gateway_run *g, const char *name)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	struct ctl *c;
	bool is_there;

	do {
		c = ctl_expect(g, 0, "events", NULL);
		is_there = strstr(c->out, name);
		cr_assert(is_there || clock_ms() < until, "no %s in %s", name,
			c->out);
		ctl_destroy(c);
	} while (!is_there && poll(NULL, 0, 5) == 0);
}

Test(channel_edges, a_store_that_others_have_is_reported_and_waited_for)
{
	struct gateway_run *g = create("", "has: observer");
	char *folder = memory_format("%s/state", g->dir);
	char *path = memory_format("%s/messages.db.lock", folder);
	int lock;

	(void)mkdir(folder, 0700); /* it may be there */
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(lock, 0);
	cr_assert_eq(flock(lock, LOCK_EX), 0);
	run_announce(g, "message store");
	run_start(g);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	await_event(g, "channel.store_unavailable");
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	ctl_await_shown(g, "a", "channels.0.text",
		"the message store is not available");
	cr_expect_eq(chat_count(g, "a", "journal", "start"), 0);
	close(lock);
	await_event(g, "channel.store_available");
	chat_await(g, "a", "heard", "heard room m1 one", 1);
	free(path);
	free(folder);
	run_end(g);
}

Test(channel_edges, a_damaged_store_is_put_aside_and_a_new_one_is_begun)
{
	struct gateway_run *g = start("acks: true", "has: observer");
	char *path = memory_format("%s/state/messages.db", g->dir);

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"one\"");
	chat_await(g, "a", "heard", "heard room m1 one", 1);
	chat_await(g, "a", "acked", "m1\n", 1);
	run_signal(g, SIGTERM);
	run_wait(g);
	files_write(path, "this is no database\n");
	run_announce(g, "message store");
	run_start(g);
	await_event(g, "channel.store_damaged");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"two\"");
	chat_await(g, "a", "heard", "heard room m2 two", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m1"), 1);
	free(path);
	run_end(g);
}

/* ---- texts ---- */

/* Each comes to the command as it was, and the reply to the platform. */
Test(channel_edges, texts_of_every_kind_go_in_and_out_as_they_are)
{
	static const char *const texts[] = {
		"",
		"\\u0645\\u0631\\u062d\\u0628\\u0627 \\u202eabc\\u202c",
		"\\ud83d\\udc69\\u200d\\ud83d\\udcbb\\ufe0f",
		"e\\u0301 \\ufeff \\u2028 \\\\ \\\" \\t",
	};
	struct gateway_run *g = start("", "has: \"command,filter,observer\"");
	char id[16], *text;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		chat_say(g, "a", "\"id\": \"m%zu\", \"text\": \"/echo <%s>\"",
			i, texts[i]);
		text = memory_format("\"text\": \"echo <%s>\"", texts[i]);
		chat_await(g, "a", "outbox", text, 1);
		snprintf(id, sizeof(id), "1 new m%zu\n", i);
		chat_await(g, "a", "journal", id, 1);
		free(text);
	}
	/* a command's argument has no NUL, and is not cut */
	chat_say(g, "a", "\"id\": \"n1\", \"text\": \"/echo a\\u0000b\"");
	chat_await(g, "a", "outbox",
		"echo: a command's argument must be a string without NUL", 1);
	chat_say(g, "a", "\"id\": \"n2\", \"text\": \"a\\u0000b\"");
	chat_await(g, "a", "heard", "heard room n2 a\\0b\n", 1);
	chat_say(g, "a", "\"id\": \"e1\", \"text\": \"\"");
	chat_await(g, "a", "heard", "heard room e1 \n", 1);
	chat_say(g, "a", "\"id\": \"e2\"");
	chat_await(g, "a", "heard", "heard room e2 None\n", 1);
	run_end(g);
}

/* As large as a message of the wire may be, and larger. */
Test(channel_edges, the_largest_text_goes_through_and_a_larger_one_is_refused)
{
	struct gateway_run *g = start("", "has: observer");
	const size_t most = 1000000;
	char *text = memory_alloc(2 * most + 1);

	memset(text, 'x', 2 * most);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"%s\"", text);
	chat_await(g, "a", "journal", " m2\n", 1);
	cr_expect_eq(chat_count(g, "a", "journal", "1 new m2\n"), 0);
	text[most] = '\0';
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"%s\"", text);
	chat_await(g, "a", "journal", "1 new m1\n", 1);
	chat_await(g, "a", "heard", "heard room m1 xxx", 1);
	chat_say(g, "a", "\"id\": \"m3\", \"text\": \"three\"");
	chat_await(g, "a", "heard", "heard room m3 three", 1);
	free(text);
	run_end(g);
}

/* ---- poison ---- */

Test(channel_edges,
	what_kills_every_handler_is_a_dead_letter_and_its_lane_goes_on)
{
	struct gateway_run *g =
		start("", "has: \"command,filter,observer\", fragile: true");
	struct ctl *c;

	run_announce(g, "exit status 9");
	chat_set(g, "a", "deaths", "99");
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo poison\"");
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"poison\"");
	chat_say(g, "a", "\"id\": \"m3\", \"text\": \"/echo fine\"");
	chat_await(g, "a", "outbox", "echo fine", 1);
	/* the filter is skipped, the command and the observer have two tries */
	cr_expect_eq(chat_count(g, "a", "heard", "filter /echo poison"), 1);
	cr_expect_eq(chat_count(g, "a", "heard", " echo poison"), 2);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m1"), 0);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room m2"), 2);
	await_count(g, "channels.0.ended.command", 1);
	c = ctl_expect(g, 0, "messages", "list", NULL);
	cr_expect_eq(json_array_size(ctl_at(c, "messages")), 2, "%s", c->out);
	cr_expect_str_eq(ctl_text(c, "messages.0.state"), "dead");
	cr_expect_str_eq(ctl_text(c, "messages.1.state"), "dead");
	ctl_destroy(c);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.ended.dead"), 2);
	ctl_destroy(c);
	run_end(g);
}

/* ---- a flood while the handlers are held ---- */

Test(channel_edges, a_flood_while_the_handlers_are_exchanged_is_bounded)
{
	static const char *const reload[] = {"reload", "t", NULL};
	struct gateway_run *g = run_create();
	const unsigned most = 10000, more = 60, lanes = 80;
	struct ctl *c;

	chat_add(g, "a", "together: true", "");
	chat_add_talk_with(g, "t", "a",
		"has: \"command,observer\", service: true",
		"hold_timeout: 10m");
	chat_set(g, "a", "gate", ""); /* /slow does not wait */
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	chat_await(g, "a", "heard", "1 serves", 1);
	chat_set(g, "a", "closed", "");
	c = ctl_begin(g, 0, reload);
	chat_await(g, "a", "heard", "2 waits", 1);
	chat_say_many(g, "a", lanes, most + more);
	await_count(g, "channels.0.pending", most);
	await_count(g, "channels.0.answers.busy", 1);
	cr_expect_eq(chat_count(g, "a", "heard", "heard l"), 0);
	chat_set(g, "a", "closed", NULL);
	ctl_wait(c);
	cr_expect_eq(c->exit_code, 0, "%s%s", c->out, c->err);
	ctl_destroy(c);
	await_count(g, "channels.0.answers.new", most + more);
	await_count(g, "channels.0.ended.observed", most + more - lanes);
	await_count(g, "channels.0.ended.command", lanes);
	chat_await(g, "a", "journal", "1 new ", most + more);
	cr_expect_eq(chat_count(g, "a", "heard", "heard l"), most + more);
	cr_expect_eq(chat_count(g, "a", "heard", "1 heard l"), 0);
	run_end(g);
}

/* ---- an outside server that is not there ---- */

static void
expect_works(struct gateway_run *g, const char *id)
{
	char *text = memory_format("echo %s", id);

	chat_say(g, "a", "\"id\": \"%s\", \"text\": \"/echo %s\"", id, id);
	chat_await(g, "a", "outbox", text, 1);
	cr_expect_eq(chat_count(g, "a", "outbox", text), 1);
	cr_expect_eq(chat_count(g, "a", "journal", "two-holders"), 0);
	free(text);
}

Test(channel_edges, a_reload_while_the_server_is_down_succeeds)
{
	struct gateway_run *g = create("", "has: command");
	struct ctl *c;

	chat_set(g, "a", "refuse", "");
	run_start(g);
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_eq(ctl_number(c, "generation"), 2);
	ctl_destroy(c);
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	chat_await(g, "a", "journal", "2 start ", 2); /* it is tried again */
	chat_set(g, "a", "refuse", NULL);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	expect_works(g, "m1");
	run_end(g);
}

/* The connection is lost, and the channel tries to make it again by itself. */
static struct gateway_run *
lose_connection(void)
{
	struct gateway_run *g = start("", "has: command");

	expect_works(g, "m1");
	chat_set(g, "a", "refuse", "");
	chat_set(g, "a", "drop", "");
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	return g;
}

Test(channel_edges, a_reload_while_the_channel_connects_again_takes_over)
{
	struct gateway_run *g = lose_connection();

	chat_set(g, "a", "drop", NULL);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/echo m2\"");
	chat_set(g, "a", "refuse", NULL);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	ctl_await_shown(g, "a", "channels.0.state", "up");
	chat_await(g, "a", "outbox", "echo m2", 1);
	expect_works(g, "m3");
	cr_expect_eq(chat_count(g, "a", "outbox", "echo m2"), 1);
	run_end(g);
}

/* The old one was not connected, so the new one need not be. */
Test(channel_edges, a_reload_while_it_cannot_connect_again_succeeds)
{
	struct gateway_run *g = lose_connection();

	chat_set(g, "a", "drop", NULL);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	chat_set(g, "a", "refuse", NULL);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	expect_works(g, "m2");
	run_end(g);
}

Test(channel_edges, a_second_poller_keeps_the_channel_waiting_until_it_leaves)
{
	struct gateway_run *g = create("", "has: command");
	char *path = memory_format("%s/a.d/lock", g->dir);
	int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(lock, 0);
	cr_assert_eq(flock(lock, LOCK_EX), 0);
	run_start(g);
	ctl_await_shown(g, "a", "channels.0.state", "waiting");
	chat_await(g, "a", "journal", "two-holders", 2);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/echo m1\"");
	close(lock);
	ctl_await_shown(g, "a", "channels.0.state", "up");
	chat_await(g, "a", "outbox", "echo m1", 1);
	free(path);
	run_end(g);
}
