/* irc_bed: a bot of the package irc on a server, and somebody who talks to
 * it. */
#pragma once

#include "tests/system/ircd.h"

/* A rate that does not slow tests down. */
#define IRC_FAST "rate: {burst: 1000, every: 1ms}"

struct irc_bed {
	struct gateway_run *run;
	struct ircd ircd;
	struct person ann; /* in #room */
	int bots;	   /* of ours that she sees there */
};

/* The entry of the plugin: nick bot, in #room, unless the settings have other
 * ones (the inside of a map). Not written yet. */
void irc_bed_set(
	struct gateway_run *g, const char *server, const char *settings);
/* The same on the ngircd of the bed. */
void irc_bed_set_here(struct irc_bed *b, const char *settings);
/* A run with that bot, and a plugin t that has commands and observes: what it
 * does is in the file "heard" of "irc" (chat.h). It is not started. */
struct gateway_run *irc_bed_make(const char *server, const char *settings);
/* On an ngircd, with ann, until the bot is in #room. */
void irc_bed_begin(struct irc_bed *b, const char *settings);
/* The same with more lines for [Global], and a password of ann. */
void irc_bed_begin_with(struct irc_bed *b, const char *global,
	const char *password, const char *settings);
void irc_bed_end(struct irc_bed *b);
/* Other settings by `supctl apply`, which must end so; the caller destroys. */
struct ctl *irc_bed_apply(
	struct irc_bed *b, int exit_code, const char *settings);
void irc_bed_await_heard(struct irc_bed *b, const char *text, unsigned count);
/* Waits until ann sees somebody become bot, or a bot come. */
void irc_bed_await_nick(struct irc_bed *b);
/* Waits until the channel is in that state. */
void irc_bed_await_state(struct gateway_run *g, const char *state);

/* Ann says a number in #room, "n7", again and again until the server had it for
 * the bot, too. */
void irc_bed_say_number(struct irc_bed *b, int number);
/* Each of so many numbers has come, once, in order. */
void irc_bed_expect_numbers(struct gateway_run *g, int count);
