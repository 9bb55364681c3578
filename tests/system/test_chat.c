/* Built-in commands of chats: what they answer, and to whom. The outside server
 * is that of tests/plugins/chat-python. */
#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/http.h"

TestSuite(chat, .fini = run_fini, .timeout = 120);

#define ADMINS                                                                 \
	"admin: {chat: [{channel: chat, from: \"ann!*@good\", role: "          \
	"operator}, {channel: chat, from: \"bob\", role: viewer}]}\n"
#define ANN "\"from\": {\"id\": \"ann!x@good\", \"verified\": true}"
#define BOB "\"from\": {\"id\": \"bob\", \"verified\": true}"

static void
set_extra(struct gateway_run *g, const char *extra)
{
	free(g->extra);
	g->extra = memory_copy_text(extra);
}

/* The channel a with the commands of t, and admins. */
static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = run_create();

	set_extra(g, ADMINS);
	chat_add(g, "a", settings, "");
	chat_add_talk(g, "t", "a", "has: \"command,observer\"");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

/* Says it, and waits for the answer. */
static void
expect_answer(struct gateway_run *g, const char *from, const char *id,
	const char *text, const char *answer)
{
	chat_say(
		g, "a", "\"id\": \"%s\", %s, \"text\": \"%s\"", id, from, text);
	chat_await(g, "a", "outbox", answer, 1);
}

static void
expect_in_outbox(struct gateway_run *g, const char *text)
{
	char *out = chat_file(g, "a", "outbox");

	cr_expect(strstr(out, text), "no \"%s\" in %s", text, out);
	free(out);
}

/* Waits until the page of metrics has the line. */
static void
expect_metric(struct gateway_run *g, const char *line)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	bool found = false;

	while (!found) {
		struct answer page = http_get(g->http, "/metrics");

		found = strstr(page.body, line);
		cr_assert(found || clock_ms() < until, "no %s in %s", line,
			page.body);
		answer_finish(&page);
	}
}

/* ---- what is answered ---- */

Test(chat, help_names_the_commands_that_the_sender_may_use)
{
	struct gateway_run *g = start("");
	char *out;

	chat_say(g, "a", "\"id\": \"m1\", \"text\": \"/help\"");
	chat_await(g, "a", "outbox", "/echo", 1);
	out = chat_file(g, "a", "outbox");
	cr_expect_not(strstr(out, "/reload"), "%s", out);
	cr_expect_not(strstr(out, "/status"), "%s", out);
	free(out);
	expect_answer(g, BOB, "m2", "/help", "/status [ID] - ");
	out = chat_file(g, "a", "outbox");
	cr_expect_not(strstr(out, "/reload"), "%s", out);
	free(out);
	expect_answer(g, ANN, "m3", "/help me", "/reload ID - ");
	cr_expect_eq(chat_count(g, "a", "outbox", "/echo"), 3);
	run_end(g);
}

Test(chat, status_and_plugins_say_what_there_is)
{
	struct gateway_run *g = start("");

	expect_answer(g, BOB, "m1", "/plugins",
		"a: serving, generation 1, version 1.0.0, up ");
	expect_in_outbox(g, "\\nt: serving, generation 1");
	expect_answer(g, BOB, "m2", "/status", "plugins: 2 serving");
	expect_in_outbox(g, ": ready, up ");
	expect_answer(g, BOB, "m3", "/status a", "channel chat: up");
	expect_in_outbox(g, "in flight: 0, held: 0, restarts: 0");
	expect_answer(
		g, BOB, "m4", "/status nobody", "no such plugin: 'nobody'");
	expect_answer(g, BOB, "m5", "/status a b", "usage: /status [ID]");
	/* they are for observers as well */
	chat_await(g, "a", "heard", "heard room m5 /status a b", 1);
	run_end(g);
}

Test(chat, reload_answers_with_generation_counts_and_duration)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	expect_answer(g, ANN, "m1", "/reload t",
		"t: reload done: generation 1 -> 2, version 1.0.0 in ");
	expect_in_outbox(g, " ms; registered: commands 7, hooks 2");
	cr_expect_eq(ctl_status_number(g, "t", "generation"), 2);
	c = ctl_expect(g, 0, "show", "t", NULL);
	cr_expect_str_eq(ctl_text(c, "lastReload.trigger"), "chat");
	cr_expect_str_eq(ctl_text(c, "lastReload.by"), "ann!x@good on chat");
	ctl_destroy(c);
	expect_answer(g, ANN, "m2", "/reload", "usage: /reload ID");
	run_end(g);
}

Test(chat, reload_answers_with_phase_and_cause)
{
	struct gateway_run *g = start("");
	char *path = run_package_file(g, "t", "main.py");

	files_write(path, "raise SystemExit('it is broken')\n");
	free(path);
	run_announce(g, "exit status 1");
	expect_answer(
		g, ANN, "m1", "/reload t", "t: reload rolled back after ");
	expect_in_outbox(g, " ms: spawning: the worker died before it said "
			    "hello: exit status 1; generation 1 serves");
	run_end(g);
}

static void
write_rules(struct gateway_run *g, const char *rules)
{
	char *path = run_package_file(g, "filter", "rules.yaml");

	files_write(path, "%s", rules);
	free(path);
}

Test(chat, reload_of_rules_answers_with_their_number_or_with_the_place)
{
	struct gateway_run *g = run_create();

	set_extra(g, ADMINS);
	chat_add(g, "a", "", "");
	run_package(g, "filter", "filter");
	run_plugin(g, "filter", "settings: {file: rules.yaml}");
	write_rules(g, "- {on: tool.before, enrich: {args.v: 1}}\n");
	run_start(g);
	write_rules(g, "- {on: tool.before, enrich: {args.v: 2}}\n"
		       "- {on: tool.after, enrich: {result.after: true}}\n");
	expect_answer(g, ANN, "m1", "/reload filter",
		"filter: reload done: generation 1 -> 2");
	expect_in_outbox(g, "\\n> 2 rules from rules.yaml");
	write_rules(g, "- {on: tool.befor}\n");
	run_announce(g, "rules.yaml:");
	run_announce(g, "plugin 'filter'");
	expect_answer(g, ANN, "m2", "/reload filter",
		"filter: reload rolled back after ");
	expect_in_outbox(g, "rules.yaml:1:8: 'tool.befor' cannot be filtered");
	run_end(g);
}

Test(chat, reload_of_its_own_channel_is_answered_by_the_new_worker)
{
	static const char *const settings[] = {"", "ack: handled"};

	for (size_t i = 0; i < 2; i++) {
		struct gateway_run *g = start(settings[i]);

		expect_answer(g, ANN, "m1", "/reload a",
			"a: reload done: generation 1 -> 2");
		chat_await(g, "a", "journal", "1 new m1", 1);
		expect_in_outbox(g, "; taken over in ");
		expect_in_outbox(g, "\"gen\": 2");
		cr_expect_eq(chat_count(g, "a", "journal", "seen m1"), 0);
		run_end(g);
	}
}

Test(chat, reload_of_its_own_channel_that_fails_is_answered_by_the_old_one)
{
	struct gateway_run *g = start("");

	chat_settings(g, "a", "refuses: true");
	run_announce(g, "the server refuses");
	expect_answer(
		g, ANN, "m1", "/reload a", "a: reload rolled back after ");
	expect_in_outbox(g, "the server refuses");
	expect_in_outbox(g, "\"gen\": 1");
	run_end(g);
}

Test(chat, reload_lists_the_ids_of_an_ambiguous_name)
{
	struct gateway_run *g = run_create();

	set_extra(g, ADMINS);
	chat_add(g, "a", "", "");
	run_package(g, "hello", "hello");
	run_plugin(g, "one", "use: hello, mount: /one, namespace: one");
	run_plugin(g, "two", "use: hello, mount: /two, namespace: two");
	run_start(g);
	expect_answer(g, ANN, "m1", "/reload hello",
		"its package is used by one, two");
	cr_expect_eq(ctl_status_number(g, "one", "generation"), 1);
	expect_answer(g, ANN, "m2", "/reload one",
		"one: reload done: generation 1 -> 2");
	run_end(g);
}

Test(chat, long_answers_are_sent_in_pieces)
{
	struct gateway_run *g = start("text_limit: 60");
	char *out;

	expect_answer(g, BOB, "m1", "/plugins", "t: serving");
	out = chat_file(g, "a", "outbox");
	cr_expect_eq(
		chat_count(g, "a", "outbox", "\"to\": \"room\""), 2, "%s", out);
	free(out);
	run_end(g);
}

Test(chat, help_and_plugins_name_the_first_ones)
{
	struct gateway_run *g = run_create();
	char id[16];

	set_extra(g, ADMINS);
	chat_add(g, "a", "", "");
	chat_add_talk(g, "t", "a", "has: observer, many: 45");
	run_package(g, "hello", "hello");
	for (unsigned i = 2; i < 45; i++) {
		snprintf(id, sizeof(id), "p%u", i);
		run_plugin(g, id, "use: hello, enabled: false");
	}
	run_start(g);
	expect_answer(g, BOB, "m1", "/plugins", "p39: disabled");
	expect_in_outbox(g, "\\nand 5 more");
	cr_expect_eq(chat_count(g, "a", "outbox", "p40: "), 0);
	chat_say(g, "a", "\"id\": \"m2\", \"text\": \"/help\"");
	chat_await(g, "a", "outbox", "/more", 40);
	expect_in_outbox(g, " - One\\n");
	cr_expect_eq(chat_count(g, "a", "outbox", "\\nand 5 more"), 2);
	run_end(g);
}

/* The same keys from every channel; other doors have the first of them. */
Test(chat, commands_of_plugins_get_the_same_context_from_every_channel)
{
	static const char *const ids[] = {"a", "b"}, *names[] = {"chat", "two"};
	struct gateway_run *g = run_create();
	struct ctl *c;

	chat_add(g, "a", "", "");
	chat_add(g, "b", "name: two", "");
	chat_add_talk(g, "t", "a", "has: command");
	run_start(g);
	for (int i = 0; i < 2; i++) {
		char *context = memory_format(
			"channel=\\\"%s\\\" chat={\\\"id\\\": \\\"room\\\", "
			"\\\"type\\\": \\\"group\\\"} door=\\\"channel\\\" "
			"from={\\\"id\\\": \\\"ann\\\", \\\"name\\\": "
			"\\\"Ann\\\", \\\"verified\\\": true} id=\\\"m1\\\" "
			"thread=null",
			names[i]);

		chat_say(g, ids[i], "\"id\": \"m1\", \"text\": \"/context\"");
		chat_await(g, ids[i], "outbox", context, 1);
		free(context);
	}
	c = ctl_expect(g, 0, "call", "command", "context", NULL);
	cr_expect(strstr(c->out, "door=\\\"supctl\\\""), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- to whom ---- */

#define TIMES 100

Test(chat, everybody_else_is_denied_every_time)
{
	static const char *const strangers[] = {
		/* somebody else */
		"\"from\": {\"id\": \"eve\", \"verified\": true}",
		/* an admin's id that nobody vouches for */
		"\"from\": {\"id\": \"ann!x@good\", \"verified\": false}",
		"\"from\": {\"id\": \"ann!x@good\"}",
		/* an admin's id as a name */
		"\"from\": {\"id\": \"eve\", \"name\": \"ann!x@good\", "
		"\"verified\": true}",
		"\"from\": {\"id\": \"ann!x@good.evil\", \"verified\": true}",
	};
	const unsigned count = sizeof(strangers) / sizeof(*strangers);
	struct gateway_run *g = start("");

	for (unsigned i = 0; i < TIMES; i++)
		chat_say(g, "a",
			"\"id\": \"m%u\", %s, \"text\": \"%s\", \"lane\": "
			"\"l%u\", \"chat\": {\"id\": \"c%u\", \"type\": "
			"\"group\"}",
			i, strangers[i % count],
			i % 4 == 3   ? "/status"
			: i % 4 == 2 ? "/plugins"
			: i % 4 == 1 ? "/reload t"
				     : "/reload",
			i % 7, i % 7);
	chat_await(g, "a", "outbox", "\"permission denied\"", TIMES);
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), TIMES);
	cr_expect_eq(ctl_status_number(g, "t", "generation"), 1);
	expect_metric(g, "supd_chat_commands_total{outcome=\"denied\"} 100");
	run_end(g);
}

Test(chat, an_admin_of_one_channel_is_nobody_in_another)
{
	struct gateway_run *g = run_create();

	set_extra(g, ADMINS);
	chat_add(g, "a", "", "");
	chat_add(g, "b", "name: other", "");
	run_start(g);
	for (unsigned i = 0; i < TIMES; i++)
		chat_say(g, "b",
			"\"id\": \"m%u\", " ANN ", \"text\": \"/reload b\"", i);
	chat_await(g, "b", "outbox", "\"permission denied\"", TIMES);
	cr_expect_eq(ctl_status_number(g, "b", "generation"), 1);
	expect_answer(
		g, ANN, "m1", "/reload b", "b: reload done: generation 1 -> 2");
	run_end(g);
}

Test(chat, a_viewer_may_look_and_not_reload)
{
	struct gateway_run *g = start("");

	for (unsigned i = 0; i < TIMES; i++)
		chat_say(g, "a",
			"\"id\": \"m%u\", " BOB ", \"text\": \"/reload t\"", i);
	chat_await(g, "a", "outbox",
		"permission denied: 'reload' needs the role operator", TIMES);
	cr_expect_eq(ctl_status_number(g, "t", "generation"), 1);
	run_end(g);
}

Test(chat, admins_change_with_the_next_apply)
{
	struct gateway_run *g = start("");

	expect_answer(g, ANN, "m1", "/reload t", "generation 1 -> 2");
	set_extra(g, "admin: {chat: [{channel: chat, from: bob, role: "
		     "operator}]}\n");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_answer(g, ANN, "m2", "/reload t", "\"permission denied\"");
	expect_answer(g, BOB, "m3", "/reload t", "generation 2 -> 3");
	run_end(g);
}

/* ---- bounds ---- */

/* Until the platform has taken those that wait, there are no more. */
Test(chat, a_stranger_who_floods_gets_no_more_answers_than_may_wait)
{
	struct gateway_run *g = start("");
	const unsigned more = 100, most = 512;
	struct ctl *c;

	chat_set(g, "a", "hold", "");
	for (unsigned i = 0; i < most + more; i++)
		chat_say(g, "a", "\"id\": \"m%u\", \"text\": \"/%s\"", i,
			i % 2 ? "help" : "reload t");
	chat_await(g, "a", "journal", "1 new m", most + more);
	/* the one who may is answered nevertheless, and elsewhere all are */
	chat_say(g, "a", "\"id\": \"p\", " ANN ", \"text\": \"/status t\"");
	chat_say(g, "a",
		"\"id\": \"q\", \"text\": \"/reload t\", \"lane\": \"q\", "
		"\"chat\": {\"id\": \"q\", \"type\": \"direct\"}");
	chat_await(g, "a", "heard", "heard room p", 1);
	chat_await(g, "a", "heard", "heard q q", 1);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(ctl_number(c, "channels.0.sending"), most + 2);
	ctl_destroy(c);
	expect_metric(g, "supd_chat_unanswered_total 100");
	chat_set(g, "a", "hold", NULL);
	chat_await(g, "a", "outbox", "t: serving", 1);
	chat_await(g, "a", "outbox", "\"to\": \"q\"", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), most + 2);
	run_end(g);
}

/* ---- notices ---- */

#define NOTIFY_OF(what)                                                        \
	"admin: {notify: [{channel: chat, chat: ops, what: " what "}]}\n"

/* The channel a, a plugin t, and a chat that is told. */
static struct gateway_run *
start_told(const char *notify, const char *settings)
{
	struct gateway_run *g = run_create();

	set_extra(g, notify);
	chat_add(g, "a", settings, "");
	run_package(g, "hello", "t");
	run_plugin(g, "t", "mount: /t");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

static void
break_it(struct gateway_run *g)
{
	char *path = run_package_file(g, "t", "plugin.yaml");

	files_write(path, "name: t\nversion: 2.0.0\nexec: [\"false\"]\n");
	free(path);
}

Test(chat, notices_tell_of_failures)
{
	struct gateway_run *g = start_told(NOTIFY_OF("failures"), "");

	ctl_destroy(ctl_expect(g, 0, "reload", "t", NULL));
	break_it(g);
	run_announce(g, "exit status 1");
	ctl_destroy(ctl_expect(g, 1, "reload", "t", NULL));
	chat_await(g, "a", "outbox",
		"\"to\": \"ops\", \"reply_to\": null, \"text\": \"t: reload "
		"rolled back after ",
		1);
	expect_in_outbox(g, "exit status 1; generation 2 serves");
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 1);
	expect_metric(g, "supd_chat_notices_total{result=\"sent\"} 1");
	expect_metric(g, "supd_event_followers 0");
	run_end(g);
}

Test(chat, notices_tell_of_reloads_as_well)
{
	struct gateway_run *g = start_told(NOTIFY_OF("all"), "");

	ctl_destroy(ctl_expect(g, 0, "reload", "t", NULL));
	chat_await(g, "a", "outbox", "t: reload done: generation 1 -> 2", 1);
	/* and of the channel's own, which the new worker sends */
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "outbox", "a: reload done: generation 1 -> 2", 1);
	expect_in_outbox(g, "\"gen\": 2");
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 2);
	run_end(g);
}

Test(chat, notices_tell_of_a_refused_configuration)
{
	struct gateway_run *g = start_told(NOTIFY_OF("failures"), "");

	set_extra(g, NOTIFY_OF("failures") "nonsense: 1\n");
	run_write_config(g);
	run_announce(g, "nonsense");
	run_announce(g, "configuration not applied");
	ctl_destroy(ctl_expect(g, 1, "apply", NULL));
	chat_await(g, "a", "outbox", "configuration refused, ", 1);
	run_end(g);
}

/* The sum of the numbers in "and N more notices". */
static unsigned
summed_up(struct gateway_run *g)
{
	char *out = chat_file(g, "a", "outbox"), *at = out;
	unsigned sum = 0;

	for (; (at = strstr(at, "\"and ")); at++)
		sum += (unsigned)strtoul(at + 5, NULL, 10);
	free(out);
	return sum;
}

/* Ten at once and then one every 10 s; what is more is told in one. */
Test(chat, notices_of_a_flood_are_summed_up)
{
	struct gateway_run *g = start_told(NOTIFY_OF("failures"), "");
	uint64_t began = clock_ms(), until = began + 2 * RUN_DEADLINE_MS;
	const unsigned count = 15;
	unsigned single, all;

	break_it(g);
	run_announce(g, "exit status 1");
	for (unsigned i = 0; i < count; i++)
		ctl_destroy(ctl_expect(g, 1, "reload", "t", NULL));
	do {
		poll(NULL, 0, 5);
		all = chat_count(g, "a", "outbox", "\n");
		single = chat_count(g, "a", "outbox", "rolled back after ");
	} while (single + summed_up(g) < count && clock_ms() < until);
	cr_expect_eq(single + summed_up(g), count);
	cr_expect_geq(single, 10);
	cr_expect_leq(all, 10 + (clock_ms() - began) / 10000);
	run_end(g);
}

/* Notices wait for a channel that is not there yet, and a later apply may take
 * the chat away. */
Test(chat, notices_wait_for_their_channel)
{
	struct gateway_run *g = start_told(
		"admin: {notify: [{channel: other, chat: ops}]}\n", "");

	break_it(g);
	run_announce(g, "exit status 1");
	ctl_destroy(ctl_expect(g, 1, "reload", "t", NULL));
	chat_settings(g, "a", "name: other");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "outbox", "t: reload rolled back", 1);
	set_extra(g, "");
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 8, "apply", NULL)); /* t is still broken */
	ctl_destroy(ctl_expect(g, 1, "reload", "t", NULL));
	expect_metric(g, "supd_chat_notices_total{result=\"sent\"} 1");
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 1);
	run_end(g);
}

Test(chat, notices_tell_of_a_revert_and_of_a_plugin_given_up)
{
	struct gateway_run *g = run_create();

	set_extra(g, NOTIFY_OF("failures"));
	run_defaults(g, "probation: 20s, crash: {early_max: 2, within: 5m}");
	chat_add(g, "a", "", "");
	run_add_fault(g);
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	run_announce(g, "plugin failed");
	run_fault(g, "fault", "exit_after_swap", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "fault", NULL));
	chat_await(g, "a", "outbox", "fault: reload reverted after ", 1);
	expect_in_outbox(g, "; generation 1 serves");
	ctl_destroy(ctl_run(g, "restart", "fault", NULL));
	chat_await(g, "a", "outbox",
		"fault: failed, and supd does not try again until ", 1);
	run_end(g);
}

/* A notice that cannot be sent makes no other one. */
Test(chat, notices_that_are_not_sent_make_no_more)
{
	struct gateway_run *g = start_told(NOTIFY_OF("all"), "");

	chat_set(g, "a", "sends", "not_sent");
	ctl_destroy(ctl_expect(g, 0, "reload", "t", NULL));
	expect_metric(g, "supd_chat_notices_total{result=\"not_sent\"} 1");
	ctl_destroy(ctl_expect(g, 0, "reload", "t", NULL));
	chat_await(g, "a", "outbox", "generation 2 -> 3", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 1);
	run_end(g);
}

/* ---- before a channel is passed on ---- */

#define ANNOUNCED "plugin 'a' is about to be reloaded; "

static void
say_in(struct gateway_run *g, const char *id, const char *chat)
{
	chat_say(g, "a",
		"\"id\": \"%s\", \"text\": \"hello\", \"chat\": {\"id\": "
		"\"%s\", \"type\": \"group\"}",
		id, chat);
	chat_await(g, "a", "heard", id, 1);
}

/* The channel a, which says so before it is passed on, and an observer. */
static struct gateway_run *
start_announcing(const char *extra)
{
	struct gateway_run *g = run_create();

	set_extra(g, extra);
	chat_add(g, "a", "announce: true", "");
	chat_add_talk(g, "t", "a", "has: observer");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

static bool
has_said(struct gateway_run *g, const char *text, const char *chat)
{
	char *out = chat_file(g, "a", "outbox");
	char *line = memory_format("\"to\": \"%s\", \"reply_to\": null, "
				   "\"text\": \"%s",
		chat, text);
	bool found = strstr(out, line);

	free(line);
	free(out);
	return found;
}

/* The number that the line of `at` begins with. */
static int
line_number(const char *text, const char *at)
{
	while (at > text && at[-1] != '\n')
		at--;
	return atoi(at);
}

/* A machine that is too busy to say it within a second gets more tries. */
static void
until_said(struct gateway_run *g, const char *verb, const char *text,
	const char *const *chats)
{
	uint64_t until = clock_ms() + 2 * RUN_DEADLINE_MS;

	for (; *chats; chats++)
		while (!has_said(g, text, *chats)) {
			cr_assert_lt(clock_ms(), until, "%s", *chats);
			ctl_destroy(ctl_expect(g, 0, verb, "a", NULL));
		}
}

Test(chat, a_channel_that_announces_tells_those_who_wrote_lately)
{
	static const char *const chats[] = {"ops", "one", "two", NULL};
	struct gateway_run *g = start_announcing(NOTIFY_OF("failures"));
	char *journal, *said, *stop;

	say_in(g, "m1", "one");
	say_in(g, "m2", "two");
	say_in(g, "m3", "one");
	until_said(g, "reload", ANNOUNCED, chats);
	until_said(
		g, "restart", "plugin 'a' is about to be restarted; ", chats);
	/* whoever has said it has let go only then */
	journal = chat_file(g, "a", "journal");
	said = strstr(journal, "send ok " ANNOUNCED);
	cr_assert_not_null(said, "%s", journal);
	stop = memory_format("\n%d stop\n", line_number(journal, said));
	cr_expect_null(
		memmem(journal, (size_t)(said - journal), stop, strlen(stop)));
	cr_expect_not_null(strstr(said, stop), "%s", journal);
	free(stop);
	free(journal);
	run_end(g);
}

Test(chat, a_channel_announces_no_reload_that_is_not_proven)
{
	struct gateway_run *g = start_announcing("");
	char *path = run_package_file(g, "a", "main.py");

	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	say_in(g, "m1", "one");
	files_write(path, "raise SystemExit('it is broken')\n");
	free(path);
	run_announce(g, "exit status 1");
	ctl_destroy(ctl_expect(g, 1, "reload", "a", NULL));
	cr_expect_eq(chat_count(g, "a", "outbox", "\n"), 0);
	run_end(g);
}

/* Who is told is bounded, and so is the time that it takes. */
Test(chat, a_channel_announces_to_eight_and_waits_a_second)
{
	static const char *const chats[] = {
		"c4.", "c5.", "c6.", "c7.", "c8.", "c9.", "c10.", "c11.", NULL};
	struct gateway_run *g = start_announcing("");
	char id[16], chat[16];
	long generation;

	for (unsigned i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "m%u.", i);
		snprintf(chat, sizeof(chat), "c%u.", i);
		say_in(g, id, chat);
	}
	until_said(g, "reload", ANNOUNCED, chats);
	for (unsigned i = 0; i < 4; i++) {
		snprintf(chat, sizeof(chat), "c%u.", i);
		cr_expect_not(has_said(g, ANNOUNCED, chat), "%s", chat);
	}
	/* the platform takes nothing */
	generation = ctl_status_number(g, "a", "generation");
	chat_set(g, "a", "hold", "");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	cr_expect_eq(ctl_status_number(g, "a", "generation"), generation + 1);
	run_end(g);
}

Test(chat, a_channel_that_dies_while_it_announces_is_replaced)
{
	struct gateway_run *g = start_announcing("");

	say_in(g, "m1", "one");
	chat_set(g, "a", "sends", "die");
	run_announce(g, "exit status 9");
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	chat_await(g, "a", "journal", "2 connected", 1);
	run_end(g);
}
