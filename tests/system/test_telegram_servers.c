/* The package telegram and what may be at the other end: servers that answer
 * without an end or a sense, and TLS. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/util/memory.h"
#include "tests/system/botapi.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/process.h"
#include "tests/system/harness/shell.h"

TestSuite(telegram_servers, .fini = run_fini, .timeout = 300);

static struct botapi server;

static struct gateway_run *
start(void)
{
	struct gateway_run *g = run_create();

	botapi_start(&server);
	botapi_add(g, &server, BOTAPI_TOKEN, "poll_timeout: 1s", "");
	chat_add_talk(g, "t", "telegram", "has: \"command,observer\"");
	run_start(g);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	botapi_await(&server, "polls", 1);
	return g;
}

/* Each of these ends a poll with a failure that is shown, and the memory and
 * the worker stay what they are. */
static void
survive(const char *const *ways)
{
	struct gateway_run *g = start();
	pid_t pid = (pid_t)ctl_status_number(g, "telegram", "pid");

	for (; *ways; ways++) {
		botapi_set(&server,
			"\"hostile\": {\"method\": \"getUpdates\", "
			"\"how\": \"%s\"}",
			*ways);
		ctl_await_shown(g, "telegram", "channels.0.state", "waiting");
		botapi_set(&server, "\"hostile\": null");
		ctl_await_shown(g, "telegram", "channels.0.state", "up");
	}
	cr_expect_lt(process_status(pid, "VmHWM:"), 200 * 1024);
	cr_expect_eq(ctl_status_number(g, "telegram", "pid"), pid);
	botapi_say(&server, "\"text\": \"still here\"");
	chat_await(g, "telegram", "heard", "still here", 1);
	run_end(g);
	botapi_end(&server);
}

Test(telegram_servers, answers_without_an_end_are_bounded)
{
	survive((const char *[]){"endless", "heads", "cut", NULL});
}

Test(telegram_servers, answers_that_drip_are_ended)
{
	survive((const char *[]){"drip", NULL});
}

Test(telegram_servers, answers_with_too_much_in_them_are_bounded)
{
	survive((const char *[]){"deep", "many", "repeat", NULL});
}

Test(telegram_servers, answers_that_make_no_sense_are_survived)
{
	survive((const char *[]){
		"garbage", "shapes", "updates", "redirect", NULL});
}

/* ---- TLS ---- */

/* The settings `api` and more for a double that speaks TLS. */
static void
add_tls(struct gateway_run *g, const char *more)
{
	char *folder = memory_format("%s/telegram.d", g->dir);

	mkdir(folder, 0755);
	g->may_grow = true;
	run_package(g, "telegram", "telegram");
	run_plugin(g, "telegram",
		"settings: {token: \"" BOTAPI_TOKEN
		"\", api: \"https://127.0.0.1:%d\", poll_timeout: 30s%s}",
		server.at.tls_port, more);
	free(folder);
}

static struct gateway_run *
create_tls(void)
{
	struct gateway_run *g = run_create();
	char *certificate = memory_format("%s/cert.pem", g->dir);
	char *key = memory_format("%s/key.pem", g->dir);

	free(shell_expect(g, 0,
		"openssl req -x509 -newkey rsa:2048 -nodes -days 2 "
		"-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 "
		"-out %s -keyout %s",
		certificate, key));
	botapi_start_tls(&server, certificate, key);
	free(certificate);
	free(key);
	return g;
}

Test(telegram_servers, certificates_are_verified)
{
	struct gateway_run *g;

	if (!shell_has("openssl"))
		cr_skip_test("no openssl; install the package openssl");
	g = create_tls();
	add_tls(g, "");
	run_start(g);
	run_await_log(g, 0, "certificate verify failed");
	ctl_await_shown(g, "telegram", "channels.0.state", "waiting");
	cr_expect_eq(botapi_count(&server, "getMe"), 0);
	botapi_end(&server); /* first: its certificate is of the run */
	run_end(g);
}

Test(telegram_servers, messages_come_and_go_over_tls_and_over_a_reload)
{
	struct gateway_run *g;
	char *more;

	if (!shell_has("openssl"))
		cr_skip_test("no openssl; install the package openssl");
	g = create_tls();
	more = memory_format(", ca: \"%s/cert.pem\"", g->dir);
	add_tls(g, more);
	chat_add_talk(g, "t", "telegram", "has: \"command,observer\"");
	run_start(g);
	botapi_await(&server, "held", 1);
	botapi_say(&server, "\"text\": \"number %%d\"");
	botapi_expect_heard(g, 1);
	botapi_await(&server, "held", 1);
	ctl_destroy(ctl_expect(g, 0, "reload", "telegram", NULL));
	botapi_say(&server, "\"text\": \"number %%d\"");
	botapi_expect_heard(g, 2);
	ctl_destroy(ctl_expect(g, 0, "send", "telegram", "42", "hi", NULL));
	free(more);
	botapi_end(&server); /* first: its certificate is of the run */
	run_end(g);
}
