#include "tests/system/irc_bed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"

static bool
has(const char *settings, const char *key)
{
	return strstr(settings, key) != NULL;
}

void
irc_bed_set(struct gateway_run *g, const char *server, const char *settings)
{
	run_no_plugins(g);
	run_plugin(g, "irc", "settings: {server: \"%s\"%s%s%s%s}", server,
		has(settings, "nick: ") ? "" : ", nick: bot",
		has(settings, "channels: ") ? "" : ", channels: [\"#room\"]",
		*settings ? ", " : "", settings);
	run_plugin(g, "t", "mount: /t");
}

struct gateway_run *
irc_bed_make(const char *server, const char *settings)
{
	struct gateway_run *g = run_create();
	char *folder = memory_format("%s/irc.d", g->dir);

	cr_assert(!mkdir(folder, 0755));
	free(folder);
	g->may_grow = true; /* the socket of the message store */
	run_package(g, "irc", "irc");
	chat_add_talk(g, "t", "irc",
		"has: \"command,observer\", channel: irc, timeout: 60.0");
	irc_bed_set(g, server, settings);
	return g;
}

void
irc_bed_set_here(struct irc_bed *b, const char *settings)
{
	char server[32];

	snprintf(server, sizeof(server), "127.0.0.1:%d", b->ircd.port);
	irc_bed_set(b->run, server, settings);
}

void
irc_bed_begin_with(struct irc_bed *b, const char *global, const char *password,
	const char *settings)
{
	ircd_needed();
	b->run = irc_bed_make("x:1", "");
	ircd_start(&b->ircd, b->run, global, "");
	irc_bed_set_here(b, settings);
	person_come(&b->ann, b->ircd.port, password, "ann", "#room");
	run_start(b->run);
	person_hears(&b->ann, "!~supd@127.0.0.1 JOIN ");
	b->bots = 1;
	irc_bed_await_state(b->run, "up");
}

void
irc_bed_begin(struct irc_bed *b, const char *settings)
{
	irc_bed_begin_with(b, "", NULL, settings);
}

void
irc_bed_end(struct irc_bed *b)
{
	person_leave(&b->ann);
	ircd_stop(&b->ircd);
	run_end(b->run);
}

struct ctl *
irc_bed_apply(struct irc_bed *b, int exit_code, const char *settings)
{
	irc_bed_set_here(b, settings);
	run_write_config(b->run);
	return ctl_expect(b->run, exit_code, "apply", NULL);
}

void
irc_bed_await_heard(struct irc_bed *b, const char *text, unsigned count)
{
	chat_await(b->run, "irc", "heard", text, count);
}

void
irc_bed_await_nick(struct irc_bed *b)
{
	const char *line;

	do {
		line = person_hears(&b->ann, "!~supd@127.0.0.1 ");
	} while (!strstr(line, " NICK :bot") &&
		 !strstr(line, ":bot!~supd@127.0.0.1 JOIN "));
}

void
irc_bed_await_state(struct gateway_run *g, const char *state)
{
	ctl_await_shown(g, "irc", "channels.0.state", state);
}

/* Reads up to her own copy of it. The server has it for the bot if it was in
 * the room at that moment, by any nick. */
static bool
is_delivered(struct irc_bed *b, const char *copy)
{
	const char *line;

	do {
		line = person_hears(&b->ann, " ");
		if (strstr(line, "!~supd@127.0.0.1 JOIN "))
			b->bots++;
		else if (strstr(line, "!~supd@127.0.0.1 QUIT "))
			b->bots--;
	} while (!strstr(line, copy));
	return b->bots > 0;
}

void
irc_bed_say_number(struct irc_bed *b, int number)
{
	char copy[40];

	snprintf(copy, sizeof(copy), "PRIVMSG ann :n%d", number);
	do {
		person_says(&b->ann, "PRIVMSG #room,ann :n%d", number);
	} while (!is_delivered(b, copy));
}

void
irc_bed_expect_numbers(struct gateway_run *g, int count)
{
	char text[40], *heard, *line, *rest;
	int next = 0, number;

	snprintf(text, sizeof(text), " n%d\n", count - 1);
	chat_await(g, "irc", "heard", text, 1);
	heard = chat_file(g, "irc", "heard");
	for (line = strtok_r(heard, "\n", &rest); line;
		line = strtok_r(NULL, "\n", &rest)) {
		if (!strstr(line, " heard #room ") || !strstr(line, " n"))
			continue;
		number = atoi(strrchr(line, 'n') + 1);
		cr_expect_eq(number, next, "n%d, not n%d", number, next);
		next = number + 1;
	}
	cr_expect_eq(next, count);
	free(heard);
}
