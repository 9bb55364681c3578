/* The package irc on the built programs, on a real server (ngircd): what is
 * said comes in, what is sent goes out, also over reloads. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/irc_bed.h"

TestSuite(irc, .fini = run_fini, .timeout = 300);

#define BOT ":bot!~supd@127.0.0.1 "

/* ---- in ---- */

Test(irc, takes_commands_and_replies_where_they_were_given)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	person_says(&b.ann, "PRIVMSG #room :!echo one");
	person_hears(&b.ann, BOT "PRIVMSG #room :echo one");
	person_says(&b.ann, "PRIVMSG bot :/echo two");
	person_hears(&b.ann, BOT "PRIVMSG ann :echo two");
	person_says(&b.ann, "PRIVMSG #ROOM :bot: !echo three");
	person_hears(&b.ann, BOT "PRIVMSG #room :echo three");
	person_says(&b.ann, "PRIVMSG #room :plain words");
	irc_bed_await_heard(&b, "heard #room 1.4 plain words", 1);
	irc_bed_await_heard(&b, "echo one from ann!~ann@127.0.0.1", 1);
	irc_bed_await_heard(&b, "heard ann 1.2 /echo two", 1);
	irc_bed_end(&b);
}

Test(irc, passes_on_text_without_its_dress)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	person_says(
		&b.ann, "PRIVMSG #room :\2bold\2 \00304,12red\3 \x1dsl\x0f");
	person_says(&b.ann, "PRIVMSG #room :caf\xe9");
	person_says(&b.ann, "PRIVMSG #room :\1ACTION waves\1");
	person_says(&b.ann, "PRIVMSG #room :\1ACTION /echo no\1");
	person_says(&b.ann, "PRIVMSG #room :\xd7\xa9\xd7\x9c \xf0\x9f\x91\x8d");
	irc_bed_await_heard(&b, "1.1 bold red sl\n", 1);
	irc_bed_await_heard(&b, "1.2 caf\xc3\xa9\n", 1);
	irc_bed_await_heard(&b, "1.3 * ann waves\n", 1);
	irc_bed_await_heard(&b, "1.4 * ann /echo no\n", 1);
	irc_bed_await_heard(&b, "1.5 \xd7\xa9\xd7\x9c \xf0\x9f\x91\x8d\n", 1);
	cr_expect_eq(chat_count(b.run, "irc", "heard", "echo no from"), 0);
	irc_bed_end(&b);
}

Test(irc, answers_what_clients_ask_each_other_but_not_without_end)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	person_says(&b.ann, "PRIVMSG bot :\1VERSION\1");
	person_hears(&b.ann, "NOTICE ann :\1VERSION supd irc 1.0.0\1");
	person_says(&b.ann, "PRIVMSG bot :\1PING 12 34\1");
	person_hears(&b.ann, "NOTICE ann :\1PING 12 34\1");
	for (int i = 0; i < 20; i++)
		person_says(&b.ann, "PRIVMSG bot :\1VERSION\1");
	person_says(&b.ann, "PRIVMSG bot :!echo end");
	person_hears(&b.ann, "PRIVMSG ann :echo end");
	cr_expect_lt(person_count(&b.ann, "NOTICE ann"), 22);
	cr_expect_eq(chat_count(b.run, "irc", "heard", "VERSION"), 0);
	irc_bed_end(&b);
}

/* ---- out ---- */

/* supctl send; the state. */
static void
expect_sent(struct irc_bed *b, const char *chat, const char *text,
	const char *state)
{
	bool is_sent = !strcmp(state, "sent");
	struct ctl *c = ctl_expect(
		b->run, is_sent ? 0 : 1, "send", "irc", chat, text, NULL);

	cr_expect_str_eq(ctl_text(c, "state"), state, "%s", c->out);
	ctl_destroy(c);
}

Test(irc, sends_long_texts_as_lines_that_a_server_takes)
{
	struct irc_bed b = {0};
	char text[1301], piece[101];

	irc_bed_begin(&b, IRC_FAST);
	for (int i = 0; i < 130; i++)
		memcpy(text + (size_t)i * 10,
			"\xc3\xa4\xc3\xb6\xc3\xbc"
			"1234",
			10);
	text[1300] = '\0';
	expect_sent(&b, "#room", text, "sent");
	for (int i = 0; i < 3; i++)
		person_hears(&b.ann, "#room :\xc3\xa4");
	person_hears(&b.ann, "#room :\xc3");
	cr_expect_eq(person_count(&b.ann, "1234"), 130);
	memcpy(piece, text, 100);
	piece[100] = '\0';
	cr_expect(person_count(&b.ann, piece) >= 10);
	expect_sent(&b, "#room", "one\n\ntwo\r\nthree\rQUIT :no", "sent");
	person_hears(&b.ann, BOT "PRIVMSG #room :one");
	person_hears(&b.ann, BOT "PRIVMSG #room :two");
	person_hears(&b.ann, BOT "PRIVMSG #room :three");
	person_hears(&b.ann, BOT "PRIVMSG #room :QUIT :no");
	expect_sent(
		&b, "#room", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12", "sent");
	person_hears(&b.ann, "#room :9");
	person_hears(&b.ann, "#room :(3 more lines)");
	cr_expect_eq(person_count(&b.ann, "#room :10"), 0);
	irc_bed_end(&b);
}

/* What a client of HTTP says in JSON: any byte. */
Test(irc, lets_nobody_put_a_second_command_into_a_line)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	expect_sent(&b, "#room\r\nQUIT", "hello", "not_sent");
	expect_sent(&b, "#room,ann", "hello", "not_sent");
	expect_sent(&b, "#room :x", "hello", "not_sent");
	expect_sent(&b, "#room", "\1DCC SEND x\1", "sent");
	person_hears(&b.ann, BOT "PRIVMSG #room : DCC SEND x");
	expect_sent(&b, "ann", " \n \r ", "not_sent");
	cr_expect_eq(person_count(&b.ann, "QUIT"), 0);
	irc_bed_end(&b);
}

Test(irc, says_what_the_server_does_not_deliver)
{
	struct irc_bed b = {0};
	struct ctl *c;

	irc_bed_begin(&b, IRC_FAST);
	c = ctl_expect(b.run, 1, "send", "irc", "nobody", "hello", NULL);
	cr_expect_str_eq(ctl_text(c, "state"), "not_sent");
	cr_expect(strstr(c->out, "No such nick"), "%s", c->out);
	ctl_destroy(c);
	expect_sent(&b, "ann", "hello", "sent");
	person_hears(&b.ann, BOT "PRIVMSG ann :hello");
	irc_bed_end(&b);
}

/* ---- reloads ---- */

static int
compare(const void *a, const void *b)
{
	return *(const long *)a < *(const long *)b
		       ? -1
		       : *(const long *)a > *(const long *)b;
}

/* The new worker is in the room when the old one leaves. */
static void
reload_often(struct irc_bed *b, int count)
{
	long took[50];

	for (int i = 0; i < count; i++) {
		struct ctl *c = ctl_expect(b->run, 0, "reload", "irc", NULL);

		cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
		took[i] = ctl_number(c, "takeMs");
		ctl_destroy(c);
		person_hears(&b->ann, BOT "QUIT ");
		irc_bed_await_nick(b);
	}
	qsort(took, (size_t)count, sizeof(*took), compare);
	printf("takeMs of %d reloads: median %ld, most %ld\n", count,
		took[count / 2], took[count - 1]);
}

Test(irc, has_its_nick_again_after_each_of_50_reloads)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	reload_often(&b, 50);
	person_says(&b.ann, "PRIVMSG #room :!echo here");
	person_hears(&b.ann, BOT "PRIVMSG #room :echo here");
	irc_bed_end(&b);
}

/* ngircd as it is by default lets each newcomer wait for a second. That is
 * over when the old worker leaves. */
Test(irc, does_not_wait_when_the_server_lets_newcomers_wait)
{
	struct irc_bed b = {.ircd = {.is_strict = true}};

	irc_bed_begin(&b, IRC_FAST);
	reload_often(&b, 1);
	irc_bed_end(&b);
}

/* It is as if the connection had been lost. */
Test(irc, comes_back_when_its_worker_is_killed)
{
	struct irc_bed b = {0};
	pid_t pid;

	irc_bed_begin(&b, IRC_FAST);
	run_announce(b.run, "killed by signal 9");
	pid = (pid_t)ctl_status_number(b.run, "irc", "pid");
	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	ctl_await_number(b.run, "irc", "generation", 2);
	irc_bed_await_state(b.run, "up");
	person_says(&b.ann, "PRIVMSG bot :!echo again");
	person_hears(&b.ann, BOT "PRIVMSG ann :echo again");
	irc_bed_end(&b);
}

Test(irc, loses_and_doubles_nothing_that_is_said_while_it_is_reloaded)
{
	struct irc_bed b = {0};
	struct ctl *reload = NULL;
	static const char *const args[] = {"reload", "irc", NULL};

	irc_bed_begin(&b, IRC_FAST);
	for (int i = 0; i < 60; i++) {
		if (i % 10 == 5)
			reload = ctl_begin(b.run, 0, args);
		irc_bed_say_number(&b, i);
		if (i % 10 == 9) {
			ctl_wait(reload);
			cr_expect_eq(reload->exit_code, 0);
			ctl_destroy(reload);
		}
	}
	irc_bed_expect_numbers(b.run, 60);
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 7);
	irc_bed_end(&b);
}

Test(irc, leaves_with_a_word_when_supd_stops)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	ctl_destroy(ctl_expect(b.run, 0, "stop", "irc", NULL));
	person_hears(&b.ann, BOT "QUIT ");
	ctl_destroy(ctl_expect(b.run, 0, "start", "irc", NULL));
	person_hears(&b.ann, BOT "JOIN ");
	irc_bed_end(&b);
}

/* ---- who may do what ---- */

static void
set_admin(struct gateway_run *g)
{
	free(g->extra);
	g->extra = memory_copy_text(
		"admin: {chat: [{channel: irc, from: \"ann!*@127.0.0.1\", "
		"role: operator}]}\n");
}

static void
begin_with_admin(struct irc_bed *b, const char *verified)
{
	char *settings = memory_format(IRC_FAST ", verified: %s", verified);

	ircd_needed();
	b->run = irc_bed_make("x:1", "");
	ircd_start(&b->ircd, b->run, "", "");
	irc_bed_set_here(b, settings);
	set_admin(b->run);
	person_come(&b->ann, b->ircd.port, NULL, "ann", "#room");
	run_start(b->run);
	irc_bed_await_state(b->run, "up");
	free(settings);
}

/* Its answer comes from the new worker. */
Test(irc, is_reloaded_by_an_admin_through_itself)
{
	struct irc_bed b = {0};
	struct person eve;

	begin_with_admin(&b, "[\"ann!*@127.0.0.1\"]");
	person_come(&eve, b.ircd.port, NULL, "eve", "#room");
	person_says(&eve, "PRIVMSG #room :!reload irc");
	person_hears(&eve, BOT "PRIVMSG #room :permission denied");
	person_says(&b.ann, "PRIVMSG #room :!reload irc");
	person_hears(&b.ann, " PRIVMSG #room :irc: reload done");
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 2);
	person_leave(&eve);
	irc_bed_end(&b);
}

/* Anybody may have called himself ann. */
Test(irc, is_not_reloaded_by_who_only_has_the_nick_of_an_admin)
{
	struct irc_bed b = {0};

	begin_with_admin(&b, "account");
	person_says(&b.ann, "PRIVMSG #room :!reload irc");
	person_hears(&b.ann, BOT "PRIVMSG #room :permission denied");
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 1);
	irc_bed_end(&b);
}
