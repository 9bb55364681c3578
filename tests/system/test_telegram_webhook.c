/* The package telegram in webhook mode, against a double of the Bot API that
 * delivers to supd, and again what supd did not take. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>

#include "tests/system/botapi.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"

TestSuite(telegram_webhook, .fini = run_fini, .timeout = 300);

#define COUNT 100
#define EACH 10
#define SETTINGS(secret)                                                       \
	"mode: webhook, webhook: {url: \"https://bot.example/telegram/"        \
	"update\", secret: " secret "}"
#define SECRET "secret-of-the-hook"
#define BODY(id, number)                                                       \
	"{\"update_id\": " #id ", \"message\": {\"message_id\": " #number      \
	", \"date\": 1700000000, \"text\": \"by hand\", \"chat\": {\"id\": "   \
	"42, \"type\": \"private\"}, \"from\": {\"id\": 7}}}"

static struct botapi server;

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	botapi_start(&server);
	botapi_set(&server, "\"deliver_to\": \"%s\"", g->http);
	botapi_add(g, &server, BOTAPI_TOKEN, SETTINGS(SECRET), "");
	chat_add_talk(g, "t", "telegram", "has: \"command,observer\"");
	run_start(g);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	return g;
}

static void
end(struct gateway_run *g)
{
	run_end(g);
	botapi_end(&server);
}

/* The status of a delivery by hand. */
static int
deliver(struct gateway_run *g, const char *header, const char *body)
{
	struct client c;
	struct answer a = {0};
	int status;

	cr_assert(client_open(&c, g->http));
	client_say(&c,
		"POST /telegram/update HTTP/1.1\r\nHost: x\r\n%s"
		"Content-Length: %zu\r\n\r\n%s",
		header, strlen(body), body);
	cr_assert(client_read(&c, &a, false, HTTP_DEADLINE_MS));
	status = a.status;
	answer_finish(&a);
	client_close(&c);
	return status;
}

#define WITH(secret) "X-Telegram-Bot-Api-Secret-Token: " secret "\r\n"

Test(telegram_webhook, messages_are_delivered_and_answered)
{
	struct gateway_run *g = start();

	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, EACH);
	botapi_await(&server, "acknowledged", EACH);
	botapi_say(&server, "\"text\": \"/echo hi\"");
	json_decref(botapi_await_sent(&server, 1));
	end(g);
}

Test(telegram_webhook, only_who_knows_the_secret_is_heard)
{
	static const char body[] = BODY(5, 1);
	struct gateway_run *g = start();

	cr_expect_eq(deliver(g, "", body), 401);
	cr_expect_eq(deliver(g, WITH("secret-of-the-hooK"), body), 401);
	cr_expect_eq(deliver(g, WITH(""), body), 401);
	cr_expect_eq(chat_count(g, "telegram", "heard", "by hand"), 0);
	cr_expect_eq(deliver(g, WITH(SECRET), "{"), 400);
	cr_expect_eq(deliver(g, WITH(SECRET), "[]"), 400);
	cr_expect_eq(deliver(g, WITH(SECRET), "{\"update_id\": 4}"), 200);
	cr_expect_eq(deliver(g, WITH(SECRET), body), 200);
	cr_expect_eq(deliver(g, WITH(SECRET), body), 200);
	chat_await(g, "telegram", "heard", "by hand", 1);
	cr_expect_eq(deliver(g, WITH(SECRET), BODY(6, 2)), 200);
	chat_await(g, "telegram", "heard", "42:2 by hand", 1);
	cr_expect_eq(chat_count(g, "telegram", "heard", "by hand"), 2);
	end(g);
}

Test(telegram_webhook, reloads_lose_and_double_nothing)
{
	struct gateway_run *g = start();

	for (unsigned i = 0; i < 3; i++) {
		struct ctl *c = ctl_begin(
			g, 0, (const char *[]){"reload", "telegram", NULL});

		botapi_say_some(&server, EACH);
		ctl_wait(c);
		cr_assert_eq(c->exit_code, 0, "%s%s", c->out, c->err);
		ctl_destroy(c);
	}
	botapi_expect_heard(g, 3 * EACH);
	botapi_await(&server, "acknowledged", 3 * EACH);
	end(g);
}

Test(telegram_webhook, a_killed_worker_is_delivered_to_again)
{
	struct gateway_run *g = start();
	pid_t pid = (pid_t)ctl_status_number(g, "telegram", "pid");

	run_announce(g, "killed by signal 9");
	botapi_say_some(&server, EACH);
	cr_assert_gt(pid, 1);
	kill(pid, SIGKILL);
	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, 2 * EACH);
	botapi_await(&server, "acknowledged", 2 * EACH);
	end(g);
}

Test(telegram_webhook, what_supd_cannot_take_is_refused_and_comes_again)
{
	struct gateway_run *g = start();
	int status;

	ctl_destroy(ctl_expect(g, 0, "stop", "telegram", NULL));
	status = deliver(g, WITH(SECRET), BODY(5, 1));
	cr_expect(status >= 500 || status == 404, "%d", status);
	botapi_say_some(&server, EACH);
	botapi_await(&server, "deliveries", 3);
	cr_expect_eq(botapi_count(&server, "acknowledged"), 0);
	ctl_destroy(ctl_expect(g, 0, "start", "telegram", NULL));
	botapi_expect_heard(g, EACH);
	end(g);
}

Test(telegram_webhook, a_secret_is_rotated_without_a_reload)
{
	struct gateway_run *g = start();
	struct ctl *c;

	run_no_plugins(g);
	botapi_add(g, &server, BOTAPI_TOKEN, SETTINGS("another-secret"), "");
	run_plugin(g, "t", "mount: /t");
	run_write_config(g);
	c = ctl_begin(g, 0, (const char *[]){"apply", NULL});
	botapi_say_some(&server, EACH);
	ctl_wait(c);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "configure");
	cr_expect(json_is_null(ctl_at(c, "results.0.fallback")), "%s", c->out);
	ctl_destroy(c);
	botapi_expect_heard(g, EACH);
	cr_expect_eq(deliver(g, WITH(SECRET), BODY(5, 1)), 401);
	cr_expect_eq(
		deliver(g, WITH("another-secret"), "{\"update_id\": 4}"), 200);
	end(g);
}

/* The modes are changed by a reload; the webhook does not stay in the way. */
Test(telegram_webhook, polling_takes_over_from_it)
{
	struct gateway_run *g = start();
	struct ctl *c;

	run_no_plugins(g);
	botapi_add(g, &server, BOTAPI_TOKEN, "", "");
	run_plugin(g, "t", "mount: /t");
	run_write_config(g);
	run_announce(g, "a changed mode needs a reload");
	c = ctl_expect(g, 0, "apply", NULL);
	cr_expect_str_eq(ctl_text(c, "results.0.mode"), "exclusive");
	ctl_destroy(c);
	botapi_say_some(&server, EACH);
	botapi_expect_heard(g, EACH);
	botapi_await(&server, "polls", 1);
	end(g);
}
