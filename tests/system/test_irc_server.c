/* The package irc and its server: TLS, SASL, nicks, limits, a server that goes
 * away, and servers that are hostile. ngircd has no SASL and is not hostile;
 * there the test is the server. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/shell.h"
#include "tests/system/irc_bed.h"

TestSuite(irc_server, .fini = run_fini, .timeout = 300);

#define BOT ":bot!~supd@127.0.0.1 "

/* ---- TLS ---- */

/* DIR/NAME.pem and NAME.key, which everybody may read: ngircd is nobody. */
static void
make_certificate(struct gateway_run *g, const char *name)
{
	free(shell_expect(g, 0,
		"cd %s && openssl req -x509 -newkey ec -pkeyopt "
		"ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=%s "
		"-addext subjectAltName=IP:127.0.0.1 -keyout %s.key -out "
		"%s.pem 2>&1 && chmod 644 %s.key",
		g->dir, name, name, name, name));
}

static void
begin_tls(struct irc_bed *b, const char *host, const char *ca)
{
	char *options, *settings, server[40];
	int port = http_free_port();

	ircd_needed();
	if (!shell_has("openssl"))
		cr_skip_test("needs openssl (apt-get install openssl)");
	b->run = irc_bed_make("x:1", "");
	make_certificate(b->run, "good");
	make_certificate(b->run, "other");
	options = memory_format("[SSL]\nCertFile = %s/good.pem\n"
				"KeyFile = %s/good.key\nPorts = %d",
		b->run->dir, b->run->dir, port);
	ircd_start(&b->ircd, b->run, "", options);
	settings = memory_format(
		IRC_FAST ", tls: {ca: \"%s/%s.pem\"}", b->run->dir, ca);
	snprintf(server, sizeof(server), "%s:%d", host, port);
	irc_bed_set(b->run, server, settings);
	free(options);
	free(settings);
	person_come(&b->ann, b->ircd.port, NULL, "ann", "#room");
	run_start(b->run);
}

Test(irc_server, is_spoken_to_by_tls)
{
	struct irc_bed b = {0};

	begin_tls(&b, "127.0.0.1", "good");
	person_hears(&b.ann, BOT "JOIN ");
	person_says(&b.ann, "PRIVMSG #room :!echo secret");
	person_hears(&b.ann, BOT "PRIVMSG #room :echo secret");
	ctl_destroy(ctl_expect(b.run, 0, "reload", "irc", NULL));
	person_hears(&b.ann, BOT "QUIT ");
	irc_bed_await_nick(&b);
	irc_bed_end(&b);
}

/* The same server by another port, and by TLS no more. */
Test(irc_server, is_spoken_to_by_tls_until_the_settings_change)
{
	struct irc_bed b = {0};
	struct ctl *c;

	begin_tls(&b, "127.0.0.1", "good");
	irc_bed_await_state(b.run, "up");
	c = irc_bed_apply(&b, 0, IRC_FAST);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")), "%s", c->out);
	ctl_destroy(c);
	person_hears(&b.ann, BOT "QUIT ");
	irc_bed_await_nick(&b);
	irc_bed_end(&b);
}

static void
expect_refused(struct irc_bed *b, const char *why)
{
	irc_bed_await_state(b->run, "waiting");
	run_await_log(b->run, 0, why);
	cr_expect_eq(person_count(&b->ann, "bot"), 0);
	irc_bed_end(b);
}

Test(irc_server, is_not_spoken_to_if_nobody_trusts_it)
{
	struct irc_bed b = {0};

	begin_tls(&b, "127.0.0.1", "other");
	expect_refused(&b, "TLS: the server's certificate: self-signed");
}

/* The name is looked up by a thread, too. */
Test(irc_server, is_not_spoken_to_if_it_is_another_host)
{
	struct irc_bed b = {0};

	begin_tls(&b, "localhost", "good");
	expect_refused(&b, "TLS: the server's certificate: hostname mismatch");
}

/* ---- nicks and channels ---- */

Test(irc_server, has_somebody_with_the_nick_until_he_leaves)
{
	struct irc_bed b = {0};
	struct person other;

	ircd_needed();
	b.run = irc_bed_make("x:1", "");
	ircd_start(&b.ircd, b.run, "", "");
	irc_bed_set_here(&b, IRC_FAST);
	person_come(&b.ann, b.ircd.port, NULL, "ann", "#room");
	person_come(&other, b.ircd.port, NULL, "bot", "#room");
	run_start(b.run);
	person_hears(&b.ann, ":bot_!~supd@127.0.0.1 JOIN ");
	person_says(&b.ann, "PRIVMSG #room :bot_: !echo under");
	person_hears(&b.ann, "PRIVMSG #room :echo under");
	person_leave(&other);
	person_hears(&b.ann, ":bot_!~supd@127.0.0.1 NICK :bot");
	irc_bed_end(&b);
}

Test(irc_server, throws_the_bot_out_and_it_comes_back)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	person_says(&b.ann, "KICK #room bot :out");
	person_hears(&b.ann, " KICK #room bot ");
	person_hears(&b.ann, BOT "JOIN ");
	irc_bed_end(&b);
}

Test(irc_server, lets_the_bot_into_one_channel_only)
{
	struct irc_bed b = {0};

	ircd_needed();
	b.run = irc_bed_make("x:1", "");
	ircd_start(&b.ircd, b.run, "", "");
	irc_bed_set_here(&b,
		IRC_FAST ", channels: [\"#room\", {name: \"#key\", key: k}, "
			 "\"#shut\"]");
	person_come(&b.ann, b.ircd.port, NULL, "ann", "#room");
	person_says(&b.ann, "JOIN #key,#shut");
	person_says(&b.ann, "MODE #key +k k");
	person_says(&b.ann, "MODE #shut +k other");
	person_hears(&b.ann, "MODE #shut +k");
	run_start(b.run);
	person_hears(&b.ann, BOT "JOIN :#key");
	person_hears(&b.ann, BOT "JOIN :#room");
	irc_bed_await_state(b.run, "up");
	ctl_await_shown(b.run, "irc", "channels.0.text",
		"127.0.0.1 as bot; #shut: Cannot join channel (+k) -- Wrong "
		"channel key");
	irc_bed_end(&b);
}

/* ---- limits ---- */

/* ngircd as it is by default: it lets clients wait that say too much at once.
 * Each line waits for its answer, so nobody has to. */
Test(irc_server, is_not_flooded)
{
	struct irc_bed b = {.ircd = {.is_strict = true}};
	char text[40];

	irc_bed_begin(&b, IRC_FAST);
	for (int i = 0; i < 30; i++)
		ctl_destroy(ctl_expect(b.run, 0, "send", "irc", "#room",
			"1\n2\n3\n4\n5", NULL));
	for (int i = 0; i < 150; i++) {
		snprintf(
			text, sizeof(text), BOT "PRIVMSG #room :%d", i % 5 + 1);
		person_hears(&b.ann, text);
	}
	cr_expect_eq(person_count(&b.ann, "QUIT"), 0);
	irc_bed_end(&b);
}

Test(irc_server, is_sent_no_more_than_the_rate_allows)
{
	struct irc_bed b = {0};
	uint64_t began;

	irc_bed_begin(&b, "rate: {burst: 3, every: 200ms}");
	began = clock_ms();
	ctl_destroy(ctl_expect(b.run, 0, "send", "irc", "#room",
		"1\n2\n3\n4\n5\n6\n7\n8", NULL));
	person_hears(&b.ann, "#room :8");
	/* the worker's clock is as old as its turn of the loop */
	cr_expect_geq(clock_ms() - began, 900);
	irc_bed_end(&b);
}

/* ---- it goes away ---- */

Test(irc_server, is_killed_and_comes_back_and_what_was_sent_waits)
{
	static const char *const args[] = {
		"send", "irc", "#room", "patience", NULL};
	struct irc_bed b = {0};
	struct ctl *send;

	irc_bed_begin(&b, IRC_FAST);
	ircd_stop(&b.ircd);
	person_leave(&b.ann);
	irc_bed_await_state(b.run, "waiting");
	send = ctl_begin(b.run, 0, args);
	ircd_start_again(&b.ircd, "", "");
	person_come(&b.ann, b.ircd.port, NULL, "ann", NULL);
	irc_bed_await_state(b.run, "up");
	ctl_wait(send);
	cr_expect_eq(send->exit_code, 0, "%s%s", send->out, send->err);
	cr_expect_str_eq(ctl_text(send, "state"), "sent");
	ctl_destroy(send);
	irc_bed_end(&b);
}

Test(irc_server, may_be_away_while_the_bot_is_reloaded)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST);
	ircd_stop(&b.ircd);
	person_leave(&b.ann);
	irc_bed_await_state(b.run, "waiting");
	ctl_destroy(ctl_expect(b.run, 0, "reload", "irc", NULL));
	ircd_start_again(&b.ircd, "", "");
	person_come(&b.ann, b.ircd.port, NULL, "ann", "#room");
	irc_bed_await_state(b.run, "up");
	cr_expect_eq(ctl_status_number(b.run, "irc", "generation"), 2);
	irc_bed_end(&b);
}

Test(irc_server, that_hangs_is_left)
{
	struct irc_bed b = {0};

	irc_bed_begin(&b, IRC_FAST ", ping: 300ms");
	ircd_freeze(&b.ircd, true);
	run_await_log(b.run, 0, "the server does not answer a ping");
	irc_bed_await_state(b.run, "waiting");
	ircd_freeze(&b.ircd, false);
	irc_bed_await_state(b.run, "up");
	irc_bed_end(&b);
}

/* ---- the test is the server ---- */

struct double_bed {
	struct gateway_run *run;
	int fd;
	struct person bot; /* the server's end of its connection */
};

static void
double_begin(struct double_bed *d, const char *settings)
{
	bool has_time = strstr(settings, "connect_timeout: ") != NULL;
	char *all = memory_format(
		"%s%s", settings, has_time ? "" : ", connect_timeout: 2m");
	char server[40];
	int port;

	d->fd = ircd_listen(&port);
	snprintf(server, sizeof(server), "127.0.0.1:%d", port);
	d->run = irc_bed_make(server, all);
	free(all);
	run_start(d->run);
	ircd_accept(d->fd, &d->bot);
}

static void
double_end(struct double_bed *d)
{
	person_leave(&d->bot);
	close(d->fd);
	run_end(d->run);
}

static void
welcome(struct person *bot)
{
	person_hears(bot, "NICK bot");
	person_says(bot, ":s 001 bot :hello");
	person_hears(bot, "JOIN #room");
	person_says(bot, ":bot!b@h JOIN #room");
	person_says(bot, ":s 353 bot = #room :bot");
	person_says(bot, ":s 366 bot #room :end");
}

/* Commands come in, and answers go out. */
static void
expect_works(struct double_bed *d)
{
	const char *ping;

	person_says(&d->bot, ":ann!a@h PRIVMSG #room :!echo works");
	person_hears(&d->bot, "PRIVMSG #room :echo works");
	ping = person_hears(&d->bot, "PING :sent-");
	person_says(&d->bot, ":s PONG s %s", ping + strlen("PING "));
	irc_bed_await_state(d->run, "up");
}

Test(irc_server, may_want_a_login_by_sasl)
{
	struct double_bed d = {0};

	double_begin(&d, IRC_FAST ", sasl: {user: bot, password: secret}");
	person_hears(&d.bot, "CAP LS 302");
	person_says(&d.bot, ":s CAP * LS * :multi-prefix server-time");
	person_says(&d.bot, ":s CAP * LS :sasl=EXTERNAL,PLAIN message-tags "
			    "account-tag");
	person_hears(
		&d.bot, "CAP REQ :message-tags server-time account-tag sasl");
	person_says(&d.bot, ":s CAP * ACK :message-tags server-time "
			    "account-tag sasl");
	person_hears(&d.bot, "AUTHENTICATE PLAIN");
	person_says(&d.bot, "AUTHENTICATE +");
	person_hears(&d.bot, "AUTHENTICATE AGJvdABzZWNyZXQ=");
	person_says(&d.bot, ":s 903 * :fine");
	person_hears(&d.bot, "CAP END");
	person_says(&d.bot, ":s 001 bot :hello");
	person_hears(&d.bot, "JOIN #room");
	person_says(&d.bot, ":bot!b@h JOIN #room");
	person_says(&d.bot, ":s 366 bot #room :end");
	person_says(&d.bot, "@msgid=a\\sb;account=ann;time="
			    "2026-11-29T12:00:00.500Z :ann!a@h PRIVMSG #room "
			    ":tagged");
	chat_await(d.run, "irc", "heard", "heard #room a b tagged", 1);
	expect_works(&d);
	double_end(&d);
}

Test(irc_server, may_refuse_the_login)
{
	struct double_bed d = {0};

	double_begin(&d, IRC_FAST ", sasl: {user: bot, password: wrong}");
	person_hears(&d.bot, "CAP LS 302");
	person_says(&d.bot, ":s CAP * LS :sasl");
	person_hears(&d.bot, "CAP REQ :sasl");
	person_says(&d.bot, ":s CAP * ACK :sasl");
	person_hears(&d.bot, "AUTHENTICATE PLAIN");
	person_says(&d.bot, "AUTHENTICATE +");
	person_hears(&d.bot, "AUTHENTICATE AGJvdAB3cm9uZw==");
	person_says(&d.bot, ":s 904 * :no");
	cr_expect(person_sees_close(&d.bot));
	run_await_log(d.run, 0, "SASL: the server refuses the login");
	cr_expect_not(run_log_has(d.run, 0, "wrong"));
	double_end(&d);
}

/* 64 MiB without an end, before and after the registration. */
static void
say_endless_line(struct double_bed *d)
{
	char *bytes = memory_alloc(1024 * 1024);

	memset(bytes, 'x', 1024 * 1024);
	for (int i = 0; i < 64; i++)
		cr_assert(client_send(&d->bot.client, bytes, 1024 * 1024));
	person_says(&d->bot, "%s", "");
	free(bytes);
}

static long
worker_rss(struct double_bed *d)
{
	return process_rss_kib((pid_t)ctl_status_number(d->run, "irc", "pid"));
}

Test(irc_server, may_send_a_line_without_an_end)
{
	struct double_bed d = {0};
	long before;

	double_begin(&d, IRC_FAST);
	say_endless_line(&d);
	welcome(&d.bot);
	expect_works(&d);
	before = worker_rss(&d);
	say_endless_line(&d);
	expect_works(&d);
	cr_expect_leq(
		worker_rss(&d) - before, process_worker_growth_max_kib(2048));
	double_end(&d);
}

/* What a large network says in a netsplit, and more: none of it is kept. */
Test(irc_server, may_say_a_million_things)
{
	static const struct {
		const char *before, *behind; /* a number */
	} things[] = {{":a", "!b@c QUIT :split"}, {":a", "!b@c JOIN #room"},
		{":a!b@c NICK :b", ""}, {":s 353 bot = #room :a", " b c d e"},
		{":s 366 bot #x", " :end"}, {":s 433 bot bot", " :taken"},
		{":s NOTICE bot :", ""}, {":a", "!b@c PART #room"},
		{":a!b@c KICK #room a", ""}, {":s 404 bot #room :no", ""},
		{"PONG :sent-", ""}, {":s CAP bot NEW :x", ""},
		{"AUTHENTICATE a", ""}};
	const size_t count = sizeof(things) / sizeof(*things);
	struct double_bed d = {0};
	struct buffer lines = {0};
	char line[100];
	long before;

	double_begin(&d, IRC_FAST);
	welcome(&d.bot);
	expect_works(&d);
	before = worker_rss(&d);
	for (int i = 0; i < 1000000; i++) {
		size_t k = (size_t)i % count;
		int length = snprintf(line, sizeof(line), "%s%d%s",
			things[k].before, i, things[k].behind);

		buffer_append(&lines, line, (size_t)length);
		buffer_append(&lines, "\r\n", 2);
		if (buffer_length(&lines) < 60000)
			continue;
		cr_assert(client_send(&d.bot.client, buffer_bytes(&lines),
			buffer_length(&lines)));
		buffer_clear(&lines);
	}
	buffer_finish(&lines);
	expect_works(&d);
	cr_expect_leq(
		worker_rss(&d) - before, process_worker_growth_max_kib(2048));
	double_end(&d);
}

/* More than supd takes at once: the bot stops reading, and goes on. */
Test(irc_server, may_say_more_than_supd_takes_at_once)
{
	struct double_bed d = {0};

	double_begin(&d, IRC_FAST);
	welcome(&d.bot);
	for (int i = 0; i < 3000; i++)
		cr_assert(
			person_says(&d.bot, ":ann!a@h PRIVMSG #room :n%d", i));
	expect_works(&d);
	irc_bed_expect_numbers(d.run, 3000);
	double_end(&d);
}

/* Each is answered; the server does not read the answers. */
Test(irc_server, that_does_not_read_is_left)
{
	struct double_bed d = {0};
	char ping[420];
	int i = 0;

	double_begin(&d, IRC_FAST);
	welcome(&d.bot);
	memset(ping, 'p', sizeof(ping));
	ping[400] = '\0';
	while (person_says(&d.bot, "PING :%s", ping))
		cr_assert_lt(i++, 1000000);
	run_await_log(d.run, 0, "the server does not read what is sent to it");
	double_end(&d);
}

Test(irc_server, that_says_nothing_is_left)
{
	struct double_bed d = {0};

	double_begin(&d, IRC_FAST ", connect_timeout: 300ms");
	cr_expect(person_sees_close(&d.bot));
	irc_bed_await_state(d.run, "waiting");
	run_await_log(d.run, 0, "no registration in time");
	double_end(&d);
}

Test(irc_server, may_break_off_within_a_line)
{
	struct double_bed d = {0};

	double_begin(&d, IRC_FAST);
	welcome(&d.bot);
	expect_works(&d);
	client_say(&d.bot.client, ":ann!a@h PRIVMSG #room :!echo half");
	person_leave(&d.bot);
	ircd_accept(d.fd, &d.bot);
	welcome(&d.bot);
	expect_works(&d);
	cr_expect_eq(chat_count(d.run, "irc", "heard", "half"), 0);
	double_end(&d);
}

/* Nobody knows whether it has passed it on: that is what is said. */
Test(irc_server, that_goes_before_it_has_confirmed_a_message)
{
	static const char *const args[] = {
		"send", "irc", "#room", "perhaps", NULL};
	struct double_bed d = {0};
	struct ctl *send;

	double_begin(&d, IRC_FAST);
	welcome(&d.bot);
	irc_bed_await_state(d.run, "up");
	send = ctl_begin(d.run, 0, args);
	person_hears(&d.bot, "PRIVMSG #room :perhaps");
	person_leave(&d.bot);
	ctl_wait(send);
	cr_expect_str_eq(ctl_text(send, "state"), "unknown", "%s", send->out);
	ctl_destroy(send);
	ircd_accept(d.fd, &d.bot);
	welcome(&d.bot);
	expect_works(&d);
	cr_expect_eq(person_count(&d.bot, "perhaps"), 0);
	double_end(&d);
}
