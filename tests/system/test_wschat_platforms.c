/* The package wschat where the platforms differ: what each of them does with
 * its connections, against the doubles. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/wschat.h"

TestSuite(wschat_platforms, .fini = run_fini, .timeout = 180);

static void
say(struct wschat *w, const char *text)
{
	wschat_ask(w, "say", "\"text\": \"%s\"", text);
}

static void
drop(struct wschat *w)
{
	wschat_ask(w, "drop", "%s", "");
}

/* ---- Mattermost ---- */

Test(wschat_platforms, mattermost_resumes_a_connection)
{
	struct wschat *w = wschat_start("mattermost", WSCHAT_QUICK);

	wschat_many(w, 5);
	wschat_expect_all(w);
	drop(w);
	wschat_many(w, 5);
	wschat_await(w, "counts.resumed", 1);
	wschat_expect_all(w);
	cr_expect_eq(wschat_number(w, "counts.fresh"), 1);
	cr_expect_eq(wschat_number(w, "counts.catch_ups"), 0);
	wschat_end(w);
}

/* The server does not know the connection any more, and keeps 128 events. */
Test(wschat_platforms, mattermost_fetches_what_cannot_be_resumed)
{
	struct wschat *w =
		wschat_start("mattermost", "retry_min: 300ms, retry_max: 1s");

	wschat_many(w, 5);
	wschat_expect_all(w);
	drop(w);
	wschat_ask(w, "set", "\"forget\": true");
	wschat_many(w, 300);
	wschat_expect_all(w);
	cr_expect_geq(wschat_number(w, "counts.catch_ups"), 1);
	wschat_end(w);
}

Test(wschat_platforms, mattermost_fetches_what_came_while_supd_was_away)
{
	struct wschat *w = wschat_start("mattermost", WSCHAT_QUICK);

	wschat_many(w, 5);
	wschat_expect_all(w);
	run_signal(w->run, SIGTERM);
	cr_assert_eq(run_wait(w->run), 0);
	wschat_ask(w, "set", "\"forget\": true");
	wschat_many(w, 100);
	run_start(w->run);
	wschat_many(w, 5);
	wschat_expect_all(w);
	wschat_end(w);
}

Test(wschat_platforms, mattermost_hears_commands_behind_its_name)
{
	struct wschat *w = wschat_start("mattermost", WSCHAT_QUICK);

	say(w, "@bot  /echo by name");
	wschat_await_sent(w, 1, "echo by name");
	say(w, "ask @bot /echo or not");
	wschat_await_heard(w, "ask @bot /echo or not", 1);
	wschat_end(w);
}

/* A webhook posts in the name of whoever made it, so it is nobody's. */
Test(wschat_platforms, mattermost_vouches_for_no_webhook)
{
	const char *root = "\"user\": \"root\", \"text\": \"@bot /reload t\"";
	struct wschat *w = wschat_create("mattermost", NULL);

	free(w->run->extra);
	w->run->extra = memory_copy_text(
		"admin: {chat: [{channel: chat, "
		"from: rootxxxxxxxxxxxxxxxxxxxxxx, role: operator}]}\n");
	wschat_settings(w, "good-token", WSCHAT_QUICK);
	run_start(w->run);
	wschat_await_channel(w, "up");
	wschat_ask(
		w, "say", "%s, \"props\": {\"from_webhook\": \"true\"}", root);
	wschat_await_sent(w, 1, "permission denied");
	say(w, "/reload t");
	wschat_await_sent(w, 2, "permission denied");
	cr_expect_eq(ctl_status_number(w->run, "t", "generation"), 1);
	wschat_ask(w, "say", "%s", root);
	ctl_await_number(w->run, "t", "generation", 2);
	wschat_end(w);
}

/* ---- Slack ---- */

/* supd stands still, so nothing can be in its store. */
Test(wschat_platforms, slack_is_acknowledged_only_what_supd_has)
{
	struct wschat *w = wschat_start("slack", WSCHAT_QUICK);

	say(w, "before;");
	wschat_await(w, "acks", 1);
	kill(w->run->pid, SIGSTOP);
	say(w, "meanwhile;");
	wschat_ask(w, "resend", "%s", "");
	wschat_await(w, "pongs", 1); /* it has been read */
	wschat_ask(w, "resend", "%s", "");
	wschat_await(w, "pongs", 2);
	cr_expect_eq(wschat_number(w, "acks"), 1);
	cr_expect_eq(wschat_number(w, "pending"), 1);
	kill(w->run->pid, SIGCONT);
	wschat_await(w, "acks", 2);
	say(w, "after;");
	wschat_await_heard(w, "after;", 1);
	cr_expect_eq(chat_count(w->run, "w", "heard", "meanwhile;"), 1);
	wschat_await(w, "acks", 3);
	wschat_end(w);
}

Test(wschat_platforms, slack_opens_the_next_connection_before_the_old_one_ends)
{
	struct wschat *w = wschat_start("slack", WSCHAT_QUICK);

	for (unsigned i = 1; i <= 3; i++) {
		wschat_many(w, 10);
		wschat_ask(w, "renew", "\"reason\": \"refresh_requested\"");
		wschat_many(w, 10);
		wschat_await(w, "counts.beside", i);
	}
	wschat_expect_all(w);
	wschat_await(w, "acks", 60);
	wschat_end(w);
}

Test(wschat_platforms, slack_needs_a_person_when_socket_mode_is_off)
{
	struct wschat *w = wschat_start("slack", WSCHAT_QUICK);

	wschat_ask(w, "renew", "\"reason\": \"link_disabled\"");
	wschat_await_text(w, "socket mode is switched off");
	wschat_end(w);
}

Test(wschat_platforms, slack_is_sent_no_commands_of_its_own)
{
	struct wschat *w = wschat_start("slack", WSCHAT_QUICK);

	say(w, "<@U0BOT> /echo a &lt;!channel&gt; &amp; b");
	wschat_await_sent(w, 1, "echo a &lt;!channel&gt; &amp; b");
	wschat_end(w);
}

/* ---- Discord ---- */

Test(wschat_platforms, discord_resumes_a_session_in_the_next_worker)
{
	struct wschat *w = wschat_start("discord", WSCHAT_QUICK);

	wschat_many(w, 5);
	wschat_expect_all(w);
	drop(w);
	wschat_await(w, "counts.resumed", 1);
	ctl_destroy(ctl_expect(w->run, 0, "reload", "w", NULL));
	wschat_many(w, 5);
	wschat_expect_all(w);
	run_signal(w->run, SIGTERM);
	cr_assert_eq(run_wait(w->run), 0);
	wschat_many(w, 5);
	run_start(w->run);
	wschat_expect_all(w);
	cr_expect_geq(wschat_number(w, "counts.resumed"), 3);
	cr_expect_eq(wschat_number(w, "counts.fresh"), 1);
	wschat_end(w);
}

Test(wschat_platforms, discord_fetches_what_an_invalid_session_lost)
{
	struct wschat *w =
		wschat_start("discord", "retry_min: 300ms, retry_max: 1s");

	wschat_many(w, 5);
	wschat_expect_all(w);
	drop(w);
	wschat_ask(w, "set", "\"forget\": true");
	wschat_many(w, 250);
	wschat_await(w, "counts.fresh", 2);
	wschat_many(w, 5);
	wschat_expect_all(w);
	cr_expect_geq(wschat_number(w, "counts.invalid"), 1);
	cr_expect_geq(wschat_number(w, "counts.catch_ups"), 3);
	wschat_end(w);
}

Test(wschat_platforms, discord_connects_again_when_it_is_asked_to)
{
	struct wschat *w = wschat_start("discord", WSCHAT_QUICK);

	for (unsigned i = 1; i <= 3; i++) {
		wschat_many(w, 10);
		wschat_ask(w, "renew", "%s", "");
		wschat_many(w, 10);
		wschat_await(w, "counts.resumed", i);
	}
	wschat_expect_all(w);
	cr_expect_eq(wschat_number(w, "counts.fresh"), 1);
	wschat_end(w);
}

Test(wschat_platforms, discord_leaves_a_connection_without_heartbeats)
{
	struct wschat *w = wschat_create("discord", NULL);

	wschat_ask(w, "set", "\"beat\": 200");
	wschat_settings(w, "good-token", WSCHAT_QUICK);
	run_start(w->run);
	wschat_await_channel(w, "up");
	wschat_await(w, "counts.beats", 5);
	cr_expect_eq(wschat_number(w, "counts.connections"), 1);
	wschat_ask(w, "set", "\"deaf\": true");
	wschat_await(w, "counts.resumed", 2);
	wschat_ask(w, "set", "\"deaf\": false");
	wschat_many(w, 10);
	wschat_expect_all(w);
	cr_expect_eq(wschat_number(w, "counts.fresh"), 1);
	wschat_end(w);
}
