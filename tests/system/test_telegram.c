/* The package telegram by long polling, against a double of the Bot API
 * (tests/system/botapi): what comes in, what goes out, and what goes wrong. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/botapi.h"
#include "tests/system/chat.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/http.h"

TestSuite(telegram, .fini = run_fini, .timeout = 300);

static struct botapi server;

static struct gateway_run *
create(const char *settings)
{
	struct gateway_run *g = run_create();

	botapi_start(&server);
	botapi_add(g, &server, BOTAPI_TOKEN, settings, "");
	chat_add_talk(g, "t", "telegram", "has: \"command,observer\"");
	return g;
}

static struct gateway_run *
start(const char *settings)
{
	struct gateway_run *g = create(settings);

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
await_heard(struct gateway_run *g, const char *text)
{
	chat_await(g, "telegram", "heard", text, 1);
}

static void
send_text(struct gateway_run *g, int exit_code, const char *chat,
	const char *text)
{
	ctl_destroy(
		ctl_expect(g, exit_code, "send", "telegram", chat, text, NULL));
}

Test(telegram, messages_are_heard_with_all_that_is_known_of_them)
{
	struct gateway_run *g = start("");

	botapi_say(&server, "\"text\": \"Hello there\"");
	await_heard(g, "heard 42 42:1 Hello there");
	botapi_say(&server, "\"text\": \"Hello all\", \"edit\": 1");
	await_heard(g, "heard 42 42:1:e");
	botapi_say(&server,
		"\"text\": \"in a topic\", \"chat\": -100, \"type\": "
		"\"supergroup\", \"thread\": 5");
	await_heard(g, "heard -100/5 -100:2 in a topic");
	botapi_say(&server, "\"more\": {\"new_chat_title\": \"nothing\"}");
	botapi_say(&server, "\"text\": \"last\"");
	await_heard(g, "heard 42 42:4 last");
	cr_expect_eq(chat_count(g, "telegram", "heard", "heard "), 4);
	/* All is acknowledged by the next request, and by none before. */
	botapi_await(&server, "acknowledged", 5);
	end(g);
}

Test(telegram, commands_are_run_and_answered_in_their_chat)
{
	struct gateway_run *g = start("");
	json_t *sent, *first, *second;

	botapi_say(&server, "\"text\": \"/echo one\"");
	botapi_say(&server,
		"\"text\": \"/echo@BOT1001_bot two\", \"chat\": -7, "
		"\"type\": \"group\"");
	botapi_say(&server, "\"text\": \"/echo@another_bot three\"");
	sent = botapi_await_sent(&server, 2);
	first = json_array_get(sent, 0);
	second = json_array_get(sent, 1);
	if (json_integer_value(json_object_get(first, "chat_id")) != 42) {
		first = json_array_get(sent, 1);
		second = json_array_get(sent, 0);
	}
	cr_expect_str_eq(
		json_string_value(json_object_get(first, "text")), "echo one");
	cr_expect_str_eq(
		json_string_value(json_object_get(second, "text")), "echo two");
	cr_expect_eq(
		json_integer_value(json_object_get(second, "chat_id")), -7);
	await_heard(g, "/echo@another_bot three");
	json_decref(sent);
	end(g);
}

Test(telegram, texts_go_out_in_pieces_that_telegram_takes)
{
	struct gateway_run *g = start("");
	char *text = memory_alloc(9001);
	json_t *sent;

	memset(text, 'x', 9000);
	text[9000] = '\0';
	text[4000] = text[8000] = '\n';
	send_text(g, 0, "42", text);
	sent = botapi_sent(&server);
	cr_assert_eq(json_array_size(sent), 3);
	cr_expect_eq(json_string_length(
			     json_object_get(json_array_get(sent, 0), "text")),
		4000);
	cr_expect_eq(json_string_length(
			     json_object_get(json_array_get(sent, 2), "text")),
		999);
	json_decref(sent);
	free(text);
	end(g);
}

Test(telegram, what_is_out_is_edited_reacted_to_and_deleted)
{
	struct gateway_run *g = start("");
	json_t *sent;

	send_text(g, 0, "42", "first");
	ctl_destroy(ctl_expect(g, 0, "send", "--edit", "42:1", "telegram", "42",
		"second", NULL));
	ctl_destroy(ctl_expect(
		g, 0, "send", "--react", "42:1", "telegram", "42", "+", NULL));
	ctl_destroy(ctl_expect(
		g, 0, "send", "--delete", "42:1", "telegram", "42", NULL));
	ctl_destroy(ctl_expect(
		g, 1, "send", "--delete", "42:1", "telegram", "42", NULL));
	sent = botapi_await_sent(&server, 4);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(sent, 1), "text")),
		"second");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(sent, 3), "method")),
		"deleteMessage");
	json_decref(sent);
	end(g);
}

Test(telegram, what_is_refused_is_not_sent_and_says_why)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	botapi_set(&server, "\"blocked\": [13]");
	c = ctl_expect(g, 1, "send", "telegram", "13", "hi", NULL);
	cr_expect(strstr(c->out, "blocked by the user") ||
			  strstr(c->err, "blocked by the user"),
		"%s%s", c->out, c->err);
	ctl_destroy(c);
	send_text(g, 1, "nobody", "hi");
	send_text(g, 0, "42", "hi");
	end(g);
}

Test(telegram, too_many_messages_wait_as_long_as_they_are_told)
{
	struct gateway_run *g = start("");
	json_t *sent;

	botapi_set(&server, "\"too_many\": 2, \"retry_after\": 1");
	send_text(g, 0, "42", "patience");
	cr_expect_eq(botapi_count(&server, "too_many"), 2);
	cr_expect_eq(botapi_count(&server, "impatient"), 0);
	sent = botapi_sent(&server);
	cr_expect_eq(json_array_size(sent), 1);
	json_decref(sent);
	end(g);
}

Test(telegram, answers_that_a_gateway_loses_lose_and_double_nothing)
{
	struct gateway_run *g = create("poll_timeout: 1s");

	botapi_set(&server, "\"bad_gateway\": 0.2");
	run_start(g);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	for (unsigned i = 0; i < 100; i++)
		botapi_say(&server, "\"text\": \"number %%d\"");
	botapi_expect_heard(g, 100);
	cr_expect_gt(botapi_count(&server, "bad_gateways"), 0);
	botapi_set(&server, "\"bad_gateway\": 0");
	botapi_await(&server, "acknowledged", 100);
	botapi_expect_heard(g, 100);
	end(g);
}

Test(telegram, sends_whose_answer_is_lost_are_unknown_and_not_repeated)
{
	struct gateway_run *g = start("");
	struct ctl *c;

	botapi_set(&server, "\"bad_gateway\": 1");
	c = ctl_run(g, "send", "telegram", "42", "once", NULL);
	cr_expect_neq(c->exit_code, 0);
	cr_expect(strstr(c->out, "unknown"), "%s%s", c->out, c->err);
	ctl_destroy(c);
	botapi_set(&server, "\"bad_gateway\": 0");
	botapi_say(&server, "\"text\": \"after\"");
	await_heard(g, "after");
	cr_expect_eq(botapi_count(&server, "sendMessage"), 0);
	end(g);
}

Test(telegram, a_second_poller_is_named_and_waited_for)
{
	static const char poll[] = "{\"timeout\": 50}";
	struct gateway_run *g = create("");
	struct client other;

	botapi_set(&server, "\"second_poll\": \"refuse\"");
	cr_assert(client_open(&other, server.at.where));
	client_say(&other,
		"POST /bot" BOTAPI_TOKEN "/getUpdates HTTP/1.1\r\nHost: x\r\n"
		"Content-Length: %zu\r\n\r\n%s",
		strlen(poll), poll);
	botapi_await(&server, "held", 1);
	run_start(g);
	run_await_log(g, 0,
		"channel telegram: another program polls for this "
		"bot");
	ctl_await_shown(g, "telegram", "channels.0.state", "waiting");
	send_text(g, 0, "42", "sending goes on");
	client_close(&other);
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	botapi_say(&server, "\"text\": \"mine\"");
	await_heard(g, "mine");
	end(g);
}

Test(telegram, a_token_that_is_not_valid_any_more_needs_a_person)
{
	struct gateway_run *g = start("poll_timeout: 1s");

	botapi_set(&server, "\"tokens\": []");
	ctl_await_shown(g, "telegram", "channels.0.state", "login");
	botapi_set(&server, "\"tokens\": [\"" BOTAPI_TOKEN "\"]");
	botapi_say(&server, "\"text\": \"again\"");
	await_heard(g, "again");
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	end(g);
}

Test(telegram, a_server_that_is_down_is_waited_for)
{
	struct gateway_run *g = create("");

	botapi_set(&server, "\"down\": true");
	run_start(g);
	ctl_await_shown(g, "telegram", "channels.0.state", "waiting");
	botapi_set(&server, "\"down\": false");
	botapi_say(&server, "\"text\": \"back\"");
	await_heard(g, "back");
	ctl_await_shown(g, "telegram", "channels.0.state", "up");
	cr_expect_eq(ctl_status_number(g, "telegram", "generation"), 1);
	end(g);
}
