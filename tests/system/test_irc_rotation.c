/* The package irc, on a real server (ngircd): another connection in the place
 * of the one in use, without a reload. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/irc_bed.h"

TestSuite(irc_rotation, .fini = run_fini, .timeout = 300);

#define BOT ":bot!~supd@127.0.0.1 "

static void
expect_configured(struct ctl *c)
{
	cr_expect_str_eq(
		ctl_text(c, "results.0.mode"), "configure", "%s", c->out);
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")), "%s", c->out);
	ctl_destroy(c);
}

static void
expect_first_worker(struct irc_bed *b)
{
	cr_expect_eq(ctl_status_number(b->run, "irc", "generation"), 1);
	person_says(&b->ann, "PRIVMSG #room :!echo still");
	person_hears(&b->ann, " PRIVMSG #room :echo still");
}

Test(irc_rotation, takes_limits_and_prefixes_without_another_connection)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	expect_configured(irc_bed_apply(&b, 0, IRC_FAST ", prefix: \".\""));
	person_says(&b.ann, "PRIVMSG #room :.echo dot");
	person_hears(&b.ann, "PRIVMSG #room :echo dot");
	cr_expect_eq(person_count(&b.ann, "QUIT"), 0);
	irc_bed_end(&b);
}

Test(irc_rotation, replaces_the_connection_and_keeps_the_nick)
{
	struct irc_bed b = {0};

	irc_bed_begin_with(
		&b, "Password = old", "old", IRC_FAST ", password: old");
	ircd_reread(&b.ircd, "Password = new", "");
	expect_configured(irc_bed_apply(&b, 0, IRC_FAST ", password: new"));
	person_hears(&b.ann, ":bot_!~supd@127.0.0.1 JOIN ");
	person_hears(&b.ann, BOT "QUIT ");
	person_hears(&b.ann, ":bot_!~supd@127.0.0.1 NICK :bot");
	expect_first_worker(&b);
	cr_expect_eq(person_count(&b.ann, "PRIVMSG #room"), 1);
	irc_bed_end(&b);
}

Test(irc_rotation, changes_nick_and_channels)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	expect_configured(irc_bed_apply(&b, 0,
		IRC_FAST ", nick: robot, channels: [\"#room\", \"#more\"]"));
	person_hears(&b.ann, ":robot!~supd@127.0.0.1 JOIN ");
	person_hears(&b.ann, BOT "QUIT ");
	person_says(&b.ann, "JOIN #more");
	person_hears(&b.ann, " 366 ");
	person_says(&b.ann, "PRIVMSG #more :!echo more");
	person_hears(&b.ann, ":robot!~supd@127.0.0.1 PRIVMSG #more :echo more");
	irc_bed_end(&b);
}

/* Settings of another connection, eight times while ann talks. */
Test(irc_rotation, loses_and_doubles_nothing)
{
	static const char *const args[] = {"apply", NULL};
	struct irc_bed b = {0};
	struct ctl *apply = NULL;
	char settings[100], server[32];

	irc_bed_begin(&b, IRC_FAST);
	snprintf(server, sizeof(server), "127.0.0.1:%d", b.ircd.port);
	for (int i = 0; i < 80; i++) {
		if (i % 10 == 3) {
			snprintf(settings, sizeof(settings),
				IRC_FAST ", realname: r%d", i);
			irc_bed_set(b.run, server, settings);
			run_write_config(b.run);
			apply = ctl_begin(b.run, 0, args);
		}
		irc_bed_say_number(&b, i);
		if (i % 10 == 9) {
			ctl_wait(apply);
			expect_configured(apply);
		}
	}
	irc_bed_expect_numbers(b.run, 80);
	person_says(&b.ann, "PING :end");
	person_hears(&b.ann, " PONG ");
	cr_expect_eq(person_count(&b.ann, "!~supd@127.0.0.1 QUIT "), 8);
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 1);
	irc_bed_end(&b);
}

/* The two servers have nobody in common. */
Test(irc_rotation, moves_to_another_network)
{
	struct irc_bed b = {0};
	struct ircd other = {0};
	struct person bob;
	char server[40];

	irc_bed_begin(&b, IRC_FAST);
	ircd_start(&other, b.run, "", "");
	person_come(&bob, other.port, NULL, "bob", "#room");
	snprintf(server, sizeof(server), "127.0.0.1:%d", other.port);
	irc_bed_set(b.run, server, IRC_FAST);
	run_write_config(b.run);
	expect_configured(ctl_expect(b.run, 0, "apply", NULL));
	person_hears(&b.ann, BOT "QUIT ");
	person_hears(&bob, ":bot_!~supd@127.0.0.1 NICK :bot");
	person_says(&bob, "PRIVMSG #room :!echo moved");
	person_hears(&bob, BOT "PRIVMSG #room :echo moved");
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 1);
	person_leave(&bob);
	ircd_stop(&other);
	irc_bed_end(&b);
}

/* Nothing listens there: the old connection stays, and the reload that supd
 * tries instead gives back. */
Test(irc_rotation, stays_if_the_other_server_is_down)
{
	struct irc_bed b = {0};
	char server[40];
	struct ctl *c;

	irc_bed_begin(&b, IRC_FAST);
	run_announce(b.run, "Connection refused");
	snprintf(server, sizeof(server), "127.0.0.1:%d", http_free_port());
	irc_bed_set(b.run, server, IRC_FAST);
	run_write_config(b.run);
	c = ctl_expect(b.run, 1, "apply", NULL);
	cr_expect(strstr(ctl_text(c, "results.0.fallback"),
			  "127.0.0.1: Connection refused"),
		"%s", c->out);
	ctl_destroy(c);
	irc_bed_await_state(b.run, "up");
	expect_first_worker(&b);
	irc_bed_end(&b);
}

/* Reloads and other connections in turn, ten of both. */
Test(irc_rotation, and_reloads_lose_and_double_nothing)
{
	static const char *const reload[] = {"reload", "irc", NULL};
	static const char *const apply[] = {"apply", NULL};
	struct irc_bed b = {0};
	struct ctl *c = NULL;
	char settings[100];

	irc_bed_begin(&b, IRC_FAST);
	for (int i = 0; i < 100; i++) {
		bool reloads = i % 20 < 10;

		if (i % 10 == 2) {
			snprintf(settings, sizeof(settings),
				IRC_FAST ", realname: r%d", i / 20);
			irc_bed_set_here(&b, settings);
			run_write_config(b.run);
			c = ctl_begin(b.run, 0, reloads ? reload : apply);
		}
		irc_bed_say_number(&b, i);
		if (i % 10 == 9) {
			ctl_wait(c);
			cr_expect_eq(c->exit_code, 0, "%s%s", c->out, c->err);
			ctl_destroy(c);
		}
	}
	irc_bed_expect_numbers(b.run, 100);
	irc_bed_end(&b);
}

/* That so many have come, once each and in order. */
static void
expect_echoes(struct irc_bed *b, int count)
{
	const char *at = (const char *)buffer_bytes(&b->ann.all);
	size_t left = buffer_length(&b->ann.all);
	const char *found;
	int next = 0;

	while ((found = memmem(at, left, " :echo n", 8))) {
		cr_expect_eq(atoi(found + 8), next, "n%d, not n%d",
			atoi(found + 8), next);
		next++;
		left -= (size_t)(found + 8 - at);
		at = found + 8;
	}
	cr_expect_eq(next, count);
}

/* Sends wait for the new connection, and go out in their order. */
Test(irc_rotation, keeps_the_order_of_what_is_sent)
{
	static const char *const args[] = {"apply", NULL};
	struct irc_bed b = {0};
	struct ctl *apply = NULL;
	char server[32];

	irc_bed_begin(&b, IRC_FAST);
	snprintf(server, sizeof(server), "127.0.0.1:%d", b.ircd.port);
	irc_bed_set(b.run, server, IRC_FAST ", realname: other");
	run_write_config(b.run);
	for (int i = 0; i < 40; i++) {
		if (i == 10)
			apply = ctl_begin(b.run, 0, args);
		person_says(&b.ann, "PRIVMSG #room :!echo n%d", i);
		person_says(&b.ann, "PING :%d", i);
		person_hears(&b.ann, " PONG ");
	}
	ctl_wait(apply);
	expect_configured(apply);
	irc_bed_await_heard(&b, "echo n39 from ann", 1);
	person_says(&b.ann, "PRIVMSG #room :!echo end");
	person_hears(&b.ann, " PRIVMSG #room :echo end");
	expect_echoes(&b, 40);
	irc_bed_end(&b);
}

/* The reload that supd tries instead fails, too, and gives back. */
Test(irc_rotation, keeps_the_old_connection_if_the_new_password_is_wrong)
{
	struct irc_bed b = {0};
	struct ctl *c;

	irc_bed_begin_with(
		&b, "Password = old", "old", IRC_FAST ", password: old");
	run_announce(b.run, "Access denied");
	c = irc_bed_apply(&b, 1, IRC_FAST ", password: wrong");
	cr_expect(strstr(ctl_text(c, "results.0.fallback"),
			  "did not accept its settings"),
		"%s", c->out);
	cr_expect(strstr(ctl_text(c, "results.0.fallback"), "Access denied"),
		"%s", c->out);
	ctl_destroy(c);
	irc_bed_await_state(b.run, "up");
	expect_first_worker(&b);
	irc_bed_end(&b);
}

Test(irc_rotation, is_not_tried_for_what_a_reload_is_for)
{
	struct irc_bed b = {0};
	struct ctl *c;

	irc_bed_begin(&b, IRC_FAST);
	c = irc_bed_apply(&b, 0, IRC_FAST ", name: other");
	cr_expect(strstr(ctl_text(c, "results.0.fallback"), "change name"),
		"%s", c->out);
	ctl_destroy(c);
	person_hears(&b.ann, BOT "JOIN ");
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 2);
	irc_bed_end(&b);
}
