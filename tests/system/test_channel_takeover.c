/* The take-over of a channel with a fault at each step: somebody has the
 * connection afterwards, never two, and the messages that came before,
 * meanwhile and afterwards are each answered once and in order. */
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

TestSuite(channel_takeover, .fini = run_fini, .timeout = 240);

/* Two channels' settings, and how the reload from one to the other ends. */
struct fault {
	const char *old, *new;
	int exit_code;
	const char *state;    /* of the receipt */
	const char *error;    /* part of it; NULL: none */
	long generation;      /* that serves afterwards */
	unsigned connections; /* of generation 1 */
	const char *announced;
	const char *entry;
};

static struct gateway_run *
start(const char *settings, const char *entry)
{
	struct gateway_run *g = run_create();

	chat_add(g, "a", settings, entry);
	chat_add_talk(g, "t", "a", "has: \"command,observer\"");
	run_start(g);
	chat_await(g, "a", "journal", "1 connected", 1);
	return g;
}

static void
say(struct gateway_run *g, unsigned *count, unsigned more)
{
	for (; more; more--, (*count)++)
		chat_say(g, "a", "\"id\": \"m%u\", \"text\": \"/echo %u.\"",
			*count, *count);
}

/* Each once, in order; and each message ended once. */
static void
expect_answered(struct gateway_run *g, unsigned count)
{
	char *all, *at, text[32];
	struct ctl *c;

	chat_await(g, "a", "outbox", "\"echo ", count);
	all = at = chat_file(g, "a", "outbox");
	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "\"echo %u.\"", i);
		at = strstr(at, text);
		cr_assert(at, "no %s in order in: %s", text, all);
	}
	free(all);
	chat_await(g, "a", "heard", "heard room", count);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"echo "), count);
	cr_expect_eq(chat_count(g, "a", "heard", "heard room"), count);
	cr_expect_eq(chat_count(g, "a", "journal", "two-holders"), 0);
	c = ctl_expect(g, 0, "channels", NULL);
	cr_expect_eq(
		ctl_number(c, "channels.0.answers.new"), count, "%s", c->out);
	ctl_destroy(c);
}

static void
expect_verdict(struct gateway_run *g, struct ctl *c, const struct fault *f)
{
	cr_expect_eq(c->exit_code, f->exit_code, "%s%s", c->out, c->err);
	cr_expect_str_eq(ctl_text(c, "state"), f->state, "%s", c->out);
	if (f->error)
		cr_expect(strstr(ctl_text(c, "error"), f->error), "%s",
			ctl_text(c, "error"));
	ctl_await_number(g, "a", "generation", f->generation);
	cr_expect_eq(
		chat_count(g, "a", "journal", "1 connected"), f->connections);
}

/* After a fault, what is right again is reloaded by the same command. */
static void
try_fault(const struct fault *f)
{
	static const char *const reload[] = {"reload", "a", NULL};
	struct gateway_run *g = start(f->old, f->entry ? f->entry : "");
	unsigned count = 0;
	struct ctl *c;

	if (f->announced)
		run_announce(g, f->announced);
	say(g, &count, 3);
	chat_settings(g, "a", f->new);
	c = ctl_begin(g, 0, reload);
	say(g, &count, 3);
	ctl_wait(c);
	expect_verdict(g, c, f);
	ctl_destroy(c);
	say(g, &count, 3);
	expect_answered(g, count);
	chat_settings(g, "a", "");
	c = ctl_expect(g, 0, "reload", "a", NULL);
	cr_expect_gt(ctl_number(c, "generation"), f->generation);
	ctl_destroy(c);
	say(g, &count, 3);
	expect_answered(g, count);
	run_end(g);
}

Test(channel_takeover, is_not_begun_for_a_worker_that_exits)
{
	try_fault(&(struct fault){.old = "",
		.new = "boot: exit",
		.exit_code = 1,
		.state = "rolled_back",
		.generation = 1,
		.connections = 1,
		.announced = "exit status 9"});
}

Test(channel_takeover, is_not_begun_for_a_worker_whose_channel_is_wrong)
{
	try_fault(&(struct fault){.old = "",
		.new = "can: \"text,dance\"",
		.exit_code = 1,
		.state = "rolled_back",
		.generation = 1,
		.connections = 1,
		.announced = "dance"});
}

Test(channel_takeover, goes_back_when_the_new_one_cannot_connect)
{
	try_fault(&(struct fault){.old = "",
		.new = "refuses: true",
		.exit_code = 1,
		.state = "rolled_back",
		.error = "taking: 3 tries: channel 'chat' did not start",
		.generation = 1,
		.connections = 2,
		.announced = "the server refuses"});
}

Test(channel_takeover, goes_back_when_the_new_one_dies_while_it_connects)
{
	try_fault(&(struct fault){.old = "",
		.new = "start: die",
		.exit_code = 1,
		.state = "rolled_back",
		.error = "taking: ",
		.generation = 1,
		.connections = 2,
		.announced = "exit status 9"});
}

Test(channel_takeover, goes_back_when_the_new_one_hangs_while_it_connects)
{
	try_fault(&(struct fault){.old = "",
		.new = "start: hang",
		.exit_code = 1,
		.state = "rolled_back",
		.error = "taking: channel 'chat' did not start: no answer",
		.generation = 1,
		.connections = 2,
		.entry = "hold_timeout: 8s"});
}

Test(channel_takeover, goes_on_when_the_old_one_dies_while_it_disconnects)
{
	try_fault(&(struct fault){.old = "stop: die",
		.new = "",
		.state = "done",
		.generation = 2,
		.connections = 1,
		.announced = "exit status 9"});
}

/* Nobody else may connect before it has let go. */
static void
the_old_one_keeps_it(const char *settings, const char *announced)
{
	struct gateway_run *g = start(settings, "hold_timeout: 8s");
	unsigned count = 0;
	struct ctl *c;
	pid_t pid;

	run_announce(g, announced);
	say(g, &count, 3);
	chat_await(g, "a", "outbox", "\"echo ", count);
	chat_settings(g, "a", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "rolled_back");
	cr_expect(strstr(ctl_text(c, "error"),
			  "quiescing: channel 'chat' was not stopped"),
		"%s", ctl_text(c, "error"));
	ctl_destroy(c);
	cr_expect_eq(chat_count(g, "a", "journal", "2 start"), 0);
	cr_expect_eq(ctl_status_number(g, "a", "generation"), 1);
	chat_await(g, "a", "journal", "1 connected", 2); /* it goes on */
	say(g, &count, 3);
	expect_answered(g, count);
	/* its death ends what it holds */
	run_announce(g, "killed by signal 9");
	pid = (pid_t)ctl_status_number(g, "a", "pid");
	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	chat_await(g, "a", "journal", " connected", 3);
	say(g, &count, 3);
	expect_answered(g, count);
	run_end(g);
}

Test(channel_takeover, fails_when_the_old_one_does_not_disconnect)
{
	the_old_one_keeps_it("stop: fail", "it does not stop");
}

Test(channel_takeover, fails_when_the_old_one_hangs_while_it_disconnects)
{
	the_old_one_keeps_it("stop: hang", "was not stopped");
}

/* The server is gone just then: nobody can have the connection. */
Test(channel_takeover,
	that_cannot_be_given_back_fails_the_plugin_until_it_is_reloaded)
{
	struct gateway_run *g = start("", "");
	unsigned count = 0;
	struct ctl *c;

	run_announce(g, "plugin failed");
	run_announce(g, "the server refuses");
	say(g, &count, 3);
	chat_await(g, "a", "outbox", "\"echo ", count);
	chat_set(g, "a", "refuse", "");
	c = ctl_expect(g, 1, "reload", "a", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "failed");
	cr_expect(strstr(ctl_text(c, "error"), "taking: "), "%s", c->out);
	cr_expect(
		strstr(ctl_text(c, "error"), "; giving back to the old worker "
					     "failed: "),
		"%s", c->out);
	ctl_destroy(c);
	ctl_await_state(g, "a", "failed");
	ctl_await_state(g, "t", "serving");
	say(g, &count, 3);
	chat_set(g, "a", "refuse", NULL);
	ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	expect_answered(g, count);
	run_end(g);
}

/* ---- at the same time ---- */

Test(channel_takeover, runs_once_at_a_time_for_one_plugin)
{
	static const char *const reload[] = {"reload", "a", NULL};
	struct gateway_run *g = start("", "");
	unsigned count = 0;
	struct ctl *first, *second;

	chat_settings(g, "a", "gated: true");
	first = ctl_begin(g, 0, reload);
	chat_await(g, "a", "journal", "2 waits", 1);
	say(g, &count, 3);
	second = ctl_run(g, "reload", "a", NULL);
	cr_expect_eq(second->exit_code, 6, "%s%s", second->out, second->err);
	cr_expect(strstr(second->out, "already in progress"), "%s%s",
		second->out, second->err);
	ctl_destroy(second);
	chat_set(g, "a", "open", "");
	ctl_wait(first);
	cr_expect_eq(first->exit_code, 0, "%s%s", first->out, first->err);
	ctl_destroy(first);
	expect_answered(g, count);
	run_end(g);
}

/* What the old one's command is doing is answered through the new one, and
 * what it had sent before stays sent. */
Test(channel_takeover, loses_no_answer_that_is_under_way)
{
	struct gateway_run *g = start("", "");
	unsigned count = 0;

	chat_say(g, "a",
		"\"id\": \"s1\", \"lane\": \"x\", \"text\": \"/slow "
		"1\"");
	chat_say(g, "a",
		"\"id\": \"s2\", \"lane\": \"x\", \"text\": \"/echo "
		"last\"");
	chat_await(g, "a", "heard", "1 slow 1\n", 1);
	for (int i = 0; i < 5; i++) {
		say(g, &count, 2);
		ctl_destroy(ctl_expect(g, 0, "reload", "a", NULL));
	}
	chat_await(g, "a", "outbox", "\"echo ", count);
	chat_set(g, "a", "gate", "");
	chat_await(g, "a", "outbox", "\"echo last\"", 1);
	cr_expect_eq(chat_count(g, "a", "outbox", "\"echo "), count + 1);
	cr_expect_eq(chat_count(g, "a", "journal", "two-holders"), 0);
	cr_expect_eq(chat_count(g, "a", "heard", "1 slow 1\n"), 1);
	run_end(g);
}
