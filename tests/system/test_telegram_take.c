/* The package telegram over reloads, rotations and crashes, against a double of
 * the Bot API: every message once and in order, whatever is replaced. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "proto/util/clock.h"
#include "tests/system/botapi.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"

TestSuite(telegram_take, .fini = run_fini, .timeout = 300);

#define COUNT 100
#define EACH 10 /* messages between two changes */
#define SECOND_TOKEN "1001:second"

static struct botapi server;

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	botapi_start(&server);
	botapi_add(g, &server, BOTAPI_TOKEN, "", "");
	chat_add_talk(g, "t", "telegram", "has: \"command,observer\"");
	run_start(g);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	botapi_await(&server, "polls", 1);
	return g;
}

static void
end(struct gateway_run *g)
{
	run_end(g);
	botapi_end(&server);
}

static void
set_token(struct gateway_run *g, const char *token)
{
	run_no_plugins(g);
	botapi_add(g, &server, token, "", "");
	run_plugin(g, "t", "mount: /t");
	run_write_config(g);
}

Test(telegram_take, reloads_lose_and_double_nothing)
{
	struct gateway_run *g = start();

	for (unsigned i = 0; i < COUNT / EACH; i++) {
		struct ctl *c = ctl_begin(
			g, 0, (const char *[]){"reload", "telegram", NULL});

		botapi_say_some(&server, EACH);
		ctl_wait(c);
		cr_assert_eq(c->exit_code, 0, "%s%s", c->out, c->err);
		cr_expect_str_eq(ctl_text(c, "mode"), "exclusive");
		cr_expect(json_is_number(ctl_at(c, "takeMs")), "%s", c->out);
		ctl_destroy(c);
	}
	botapi_expect_heard(g, COUNT);
	cr_expect_eq(ctl_status_number(g, "telegram", "generation"),
		COUNT / EACH + 1);
	/* No poll of an old worker is left to end a new one. */
	cr_expect_eq(botapi_count(&server, "conflicts"), 0);
	end(g);
}

Test(telegram_take, an_old_poll_that_the_server_still_holds_is_waited_for)
{
	struct gateway_run *g = start();

	botapi_set(&server, "\"second_poll\": \"refuse\", \"linger\": 1");
	ctl_destroy(ctl_expect(g, 0, "reload", "telegram", NULL));
	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, EACH);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	cr_expect_gt(botapi_count(&server, "conflicts"), 0);
	end(g);
}

Test(telegram_take, a_killed_worker_gets_again_what_it_did_not_acknowledge)
{
	struct gateway_run *g = start();

	run_announce(g, "killed by signal 9");
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = (pid_t)ctl_status_number(g, "telegram", "pid");

		cr_assert_gt(pid, 1);
		botapi_say_some(&server, EACH);
		kill(pid, SIGKILL);
		botapi_say_some(&server, EACH);
		ctl_await_number(g, "telegram", "restarts", i + 1);
		ctl_await_state(g, "telegram", "serving");
		botapi_expect_heard(g, 2 * EACH * (i + 1));
	}
	botapi_await(&server, "acknowledged", 6 * EACH);
	end(g);
}

Test(telegram_take, a_killed_supd_gets_again_what_it_did_not_store)
{
	struct gateway_run *g = start();

	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, EACH);
	run_signal(g, SIGKILL);
	run_wait(g);
	botapi_say_some(&server, EACH);
	run_start(g);
	botapi_say_some(&server, EACH);
	chat_await(g, "telegram", "heard", " 42:30 ", 1);
	botapi_await(&server, "acknowledged", 3 * EACH);
	end(g);
}

Test(telegram_take, a_token_is_rotated_without_a_reload)
{
	struct gateway_run *g = start();
	long pid = ctl_status_number(g, "telegram", "pid");
	struct ctl *c;

	botapi_set(&server,
		"\"tokens\": [\"" BOTAPI_TOKEN "\", \"" SECOND_TOKEN "\"]");
	botapi_say_some(&server, EACH);
	set_token(g, SECOND_TOKEN);
	c = ctl_begin(g, 0, (const char *[]){"apply", NULL});
	botapi_say_some(&server, EACH);
	ctl_wait(c);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")), "%s", c->out);
	ctl_destroy(c);
	botapi_set(&server, "\"tokens\": [\"" SECOND_TOKEN "\"]");
	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, 3 * EACH);
	ctl_destroy(ctl_expect(g, 0, "send", "telegram", "42", "hi", NULL));
	cr_expect_eq(ctl_status_number(g, "telegram", "pid"), pid);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	end(g);
}

Test(telegram_take, a_token_that_is_not_good_keeps_the_old_one)
{
	struct gateway_run *g = start();
	struct ctl *c;

	set_token(g, "1001:wrong");
	run_announce(g, "the token is not valid");
	c = ctl_expect(g, 1, "apply", NULL);
	cr_expect(strstr(c->out, "the token is not valid"), "%s", c->out);
	cr_expect_null(strstr(c->out, "1001:wrong"));
	cr_expect_not(run_log_has(g, 0, "1001:"), "the log has a token");
	ctl_destroy(c);
	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, EACH);
	end(g);
}

Test(telegram_take, a_reload_while_the_server_is_down_keeps_the_old_worker)
{
	struct gateway_run *g = start();
	long pid = ctl_status_number(g, "telegram", "pid");

	botapi_set(&server, "\"down\": true");
	run_announce(g, "channel telegram");
	ctl_destroy(ctl_expect(g, 1, "reload", "telegram", NULL));
	cr_expect_eq(ctl_status_number(g, "telegram", "pid"), pid);
	botapi_set(&server, "\"down\": false");
	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, EACH);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	end(g);
}

/* Kills the worker, which may be in its probation, and waits for another one:
 * a new one, or the one before it. */
static void
kill_worker(struct gateway_run *g)
{
	uint64_t until = clock_ms() + RUN_DEADLINE_MS;
	long pid = ctl_status_number(g, "telegram", "pid");

	cr_assert_gt(pid, 1);
	kill((pid_t)pid, SIGKILL);
	while (ctl_status_number(g, "telegram", "pid") == pid) {
		cr_assert_lt(clock_ms(), until, "%ld stays", pid);
		poll(NULL, 0, 10);
	}
	ctl_await_state(g, "telegram", "serving");
}

/* What a day brings, in a minute. */
static void
disturb(struct gateway_run *g, unsigned step)
{
	static const char *const tokens[] = {SECOND_TOKEN, BOTAPI_TOKEN};

	botapi_set(&server, "\"bad_gateway\": %s", step % 4 ? "0" : "0.3");
	switch (step % 4) {
	case 1:
		ctl_destroy(ctl_expect(g, 0, "reload", "telegram", NULL));
		break;
	case 2:
		set_token(g, tokens[step / 4 % 2]);
		ctl_destroy(ctl_expect(g, 0, "apply", NULL));
		break;
	case 3:
		kill_worker(g);
		break;
	default:
		break; /* answers are lost */
	}
}

Test(telegram_take, all_of_it_together_loses_and_doubles_nothing)
{
	struct gateway_run *g = start();

	run_announce(g, "killed by signal 9");
	botapi_set(&server,
		"\"tokens\": [\"" BOTAPI_TOKEN "\", \"" SECOND_TOKEN "\"]");
	for (unsigned i = 0; i < COUNT / EACH; i++) {
		botapi_say_some(&server, EACH / 2);
		disturb(g, i);
		botapi_say_some(&server, EACH / 2);
	}
	botapi_expect_heard(g, COUNT);
	botapi_await(&server, "acknowledged", COUNT);
	end(g);
}
