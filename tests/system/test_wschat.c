/* The package wschat behind the built programs, each profile against a double
 * of its platform: what people say is heard once and in order, whatever is cut,
 * reloaded or limited, and what is sent goes out once. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/wschat.h"

TestSuite(wschat, .fini = run_fini, .timeout = 180);

/* One test for each platform. */
#define EACH(name)                                                             \
	static void name(const char *profile);                                 \
	Test(wschat, mattermost_##name)                                        \
	{                                                                      \
		name("mattermost");                                            \
	}                                                                      \
	Test(wschat, slack_##name)                                             \
	{                                                                      \
		name("slack");                                                 \
	}                                                                      \
	Test(wschat, discord_##name)                                           \
	{                                                                      \
		name("discord");                                               \
	}                                                                      \
	static void name(const char *profile)

static void
say(struct wschat *w, const char *text)
{
	wschat_ask(w, "say", "\"text\": \"%s\"", text);
}

static void
reload(struct wschat *w)
{
	ctl_destroy(ctl_expect(w->run, 0, "reload", "w", NULL));
}

/* ---- in and out ---- */

EACH(hears_commands_and_answers)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);

	say(w, "/echo hello there");
	wschat_await_sent(w, 1, "echo hello there");
	say(w, "what the bot says comes back to nobody");
	wschat_await_heard(w, "comes back to nobody", 1);
	cr_expect_eq(chat_count(w->run, "w", "heard", "heard "), 2);
	wschat_ask(w, "say", "\"user\": \"bot\", \"text\": \"/echo mine\"");
	say(w, "/echo again");
	wschat_await_sent(w, 2, "echo again");
	wschat_end(w);
}

/* Cuts in the middle of the stream, and a new worker every 25 messages. */
EACH(gives_each_message_once_over_cuts_and_reloads)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);

	wschat_ask(w, "set", "\"drop_every\": 7");
	for (unsigned i = 0; i < 4; i++) {
		wschat_many(w, 25);
		reload(w);
	}
	wschat_expect_all(w);
	cr_expect_geq(wschat_number(w, "counts.cuts"), 4);
	wschat_end(w);
}

EACH(goes_on_after_its_worker_is_killed)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	long pid = ctl_status_number(w->run, "w", "pid");

	wschat_many(w, 30);
	wschat_await_heard(w, " n9;", 1);
	run_announce(w->run, "killed by signal 9");
	cr_assert_gt(pid, 1);
	kill((pid_t)pid, SIGKILL);
	wschat_many(w, 30);
	ctl_await_number(w->run, "w", "restarts", 1);
	wschat_await_channel(w, "up");
	wschat_many(w, 5);
	wschat_expect_all(w);
	wschat_end(w);
}

EACH(sends_again_after_a_limit_of_the_rate)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);

	wschat_ask(w, "set", "\"limit\": 2");
	say(w, "/echo one");
	say(w, "/echo two");
	wschat_await_sent(w, 2, "echo two");
	cr_expect_eq(wschat_number(w, "counts.limit"), 2);
	wschat_end(w);
}

/* The platform has it, and the answer is lost: it finds out, or what it sends
 * again is the same message. */
EACH(sends_once_what_it_hears_no_answer_of)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);

	wschat_ask(w, "set", "\"lose\": 1");
	say(w, "/echo one");
	say(w, "/echo two");
	wschat_await_sent(w, 2, "echo two");
	cr_expect_eq(wschat_number(w, "counts.lose"), 1);
	wschat_end(w);
}

EACH(reports_what_the_platform_refuses)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	struct ctl *c =
		ctl_run(w->run, "send", "chat", "no-such-chat", "hello", NULL);

	run_announce(w->run, "not_sent");
	cr_expect_neq(c->exit_code, 0);
	cr_expect(strstr(c->out, "not_sent"), "%s%s", c->out, c->err);
	ctl_destroy(c);
	cr_expect_eq(wschat_number(w, "counts.lose"), 0);
	wschat_end(w);
}

/* ---- tokens ---- */

static const char two_tokens[] =
	"\"tokens\": {\"good-token\": \"bot\", \"good-app-token\": \"app\", "
	"\"next-token\": \"bot\", \"other-token\": \"other\"}";

EACH(needs_a_person_for_a_token_that_is_refused)
{
	struct wschat *w = wschat_create(profile, NULL);

	wschat_settings(w, "wrong-token", WSCHAT_QUICK);
	run_start(w->run);
	wschat_await_channel(w, "login");
	wschat_await_text(w, "the token is refused");
	wschat_settings(w, "good-token", WSCHAT_QUICK);
	ctl_destroy(ctl_expect(w->run, 0, "apply", NULL));
	wschat_await_channel(w, "up");
	say(w, "/echo hello");
	wschat_await_sent(w, 1, "echo hello");
	/* it is taken away, and another one comes */
	wschat_ask(w, "set",
		"\"tokens\": {\"next-token\": \"bot\", "
		"\"good-app-token\": \"app\"}");
	wschat_ask(w, "drop", "%s", "");
	wschat_await_channel(w, "login");
	wschat_many(w, 3);
	wschat_settings(w, "next-token", WSCHAT_QUICK);
	ctl_destroy(ctl_expect(w->run, 0, "apply", NULL));
	wschat_await_channel(w, "up");
	if (strcmp(profile, "discord")) /* it says what it finds */
		wschat_expect_all(w);
	wschat_end(w);
}

EACH(takes_another_token_without_a_reload)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	long pid = ctl_status_number(w->run, "w", "pid");
	struct ctl *c;

	wschat_ask(w, "set", "%s", two_tokens);
	wschat_many(w, 10);
	wschat_settings(w, "next-token", WSCHAT_QUICK);
	c = ctl_expect(w->run, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")), "%s", c->out);
	ctl_destroy(c);
	wschat_many(w, 10);
	wschat_expect_all(w);
	cr_expect_eq(ctl_status_number(w->run, "w", "pid"), pid);
	wschat_ask(w, "set",
		"\"tokens\": {\"next-token\": \"bot\", "
		"\"good-app-token\": \"app\"}");
	say(w, "/echo hello");
	wschat_await_sent(w, 1, "echo hello");
	wschat_end(w);
}

/* Only slack has two. */
Test(wschat, slack_takes_another_app_token_without_a_reload)
{
	struct wschat *w = wschat_start("slack", WSCHAT_QUICK);
	long pid = ctl_status_number(w->run, "w", "pid");
	struct ctl *c;

	wschat_ask(w, "set",
		"\"tokens\": {\"good-token\": \"bot\", "
		"\"good-app-token\": \"app\", \"next-app-token\": \"app\"}");
	wschat_settings(
		w, "good-token", WSCHAT_QUICK ", app_token: next-app-token");
	c = ctl_expect(w->run, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "plugins.0.action"), "configure");
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")), "%s", c->out);
	ctl_destroy(c);
	wschat_ask(w, "set",
		"\"tokens\": {\"good-token\": \"bot\", "
		"\"next-app-token\": \"app\"}");
	wschat_ask(w, "drop", "%s", "");
	wschat_many(w, 5);
	wschat_expect_all(w);
	cr_expect_eq(ctl_status_number(w->run, "w", "pid"), pid);
	wschat_end(w);
}

/* Another account has other chats: that is a new worker. */
EACH(takes_the_token_of_another_account_by_a_reload)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	struct ctl *c;

	run_announce(w->run, "the new token is that of other, not of bot");
	wschat_ask(w, "set", "%s", two_tokens);
	wschat_settings(w, "other-token", WSCHAT_QUICK);
	c = ctl_expect(w->run, 0, "apply", NULL);
	cr_expect(json_is_string(ctl_at(c, "results.0.fallback")) ||
			  json_is_object(ctl_at(c, "results.0.fallback")),
		"%s", c->out);
	ctl_destroy(c);
	wschat_await_channel(w, "up");
	cr_expect_eq(ctl_status_number(w->run, "w", "generation"), 2);
	say(w, "/echo hello");
	wschat_await_sent(w, 1, "echo hello");
	wschat_end(w);
}

EACH(waits_for_a_platform_that_is_down)
{
	struct wschat *w = wschat_create(profile, NULL);

	wschat_ask(w, "set", "\"down\": true");
	wschat_settings(w, "good-token", WSCHAT_QUICK);
	run_start(w->run);
	wschat_await_channel(w, "waiting");
	wschat_ask(w, "set", "\"down\": false");
	wschat_await_channel(w, "up");
	wschat_many(w, 5);
	wschat_expect_all(w);
	wschat_ask(w, "set", "\"down\": true");
	wschat_await_channel(w, "waiting");
	/* no worker could connect, so the new one is not to blame */
	reload(w);
	cr_expect_eq(ctl_status_number(w->run, "w", "generation"), 2);
	wschat_await_channel(w, "waiting");
	wschat_many(w, 5);
	wschat_ask(w, "set", "\"down\": false");
	wschat_await_channel(w, "up");
	wschat_expect_all(w);
	wschat_end(w);
}

EACH(keeps_its_token_when_another_one_is_refused)
{
	struct wschat *w = wschat_start(profile, WSCHAT_QUICK);
	long pid = ctl_status_number(w->run, "w", "pid");

	run_announce(w->run, "the token is refused");
	wschat_settings(w, "wrong-token", WSCHAT_QUICK);
	ctl_destroy(ctl_expect(w->run, 1, "apply", NULL));
	wschat_await_channel(w, "up");
	cr_expect_eq(ctl_status_number(w->run, "w", "pid"), pid);
	say(w, "/echo hello");
	wschat_await_sent(w, 1, "echo hello");
	wschat_end(w);
}
