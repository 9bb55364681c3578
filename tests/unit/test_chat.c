/* Chats: who has which role, and how documents become lines. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/chat/notice_text.h"
#include "supervisor/chat/role.h"
#include "supervisor/chat/text.h"

/* ---- roles ---- */

static char irc[] = "irc", mask[] = "alice!*@trusted.example";
static char alice[] = "alice!*", bracket[] = "[a]*";
static struct config_chat_admin items[] = {
	{irc, alice, ROLE_VIEWER},
	{irc, mask, ROLE_OPERATOR},
	{irc, bracket, ROLE_ADMIN},
};
static const struct config_admin admin = {.chat = {items, 3}};

static int
role_of(const char *channel, const char *id, bool verified)
{
	const struct chat_sender sender = {
		bytes_of(channel), bytes_of(id), verified};
	enum role role;

	return chat_role(&admin, &sender, &role) ? (int)role : -1;
}

Test(chat, the_highest_role_that_matches_counts)
{
	cr_expect_eq(
		role_of("irc", "alice!a@trusted.example", true), ROLE_OPERATOR);
	cr_expect_eq(role_of("irc", "alice!a@elsewhere", true), ROLE_VIEWER);
	cr_expect_eq(role_of("irc", "[a]b", true), ROLE_ADMIN);
	cr_expect_eq(role_of("irc", "a", true), -1);
}

Test(chat, only_verified_senders_of_that_very_channel_match)
{
	cr_expect_eq(role_of("irc", "alice!a@trusted.example", false), -1);
	cr_expect_eq(role_of("irc2", "alice!a@trusted.example", true), -1);
	cr_expect_eq(role_of("a.irc", "alice!a@trusted.example", true), -1);
	cr_expect_eq(role_of("IRC", "alice!a@trusted.example", true), -1);
	cr_expect_eq(role_of("irc", "", true), -1);
}

Test(chat, a_nul_hides_nothing)
{
	const struct chat_sender sender = {
		BYTES("irc"), BYTES("eve\0alice!a@trusted.example"), true};
	enum role role;

	cr_expect_not(chat_role(&admin, &sender, &role));
}

/* ---- lines ---- */

static void
expect_line(struct buffer *out, const char *expected)
{
	char *text = text_take(out);

	cr_expect_str_eq(text, expected);
	free(text);
	*out = (struct buffer){0};
}

Test(chat, a_line_has_no_line_end_and_nothing_harmful)
{
	struct buffer out = {0};
	char *text;

	text_line(&out, "%s", "a\r\nQUIT\tb\x01\xe2\x80\xae");
	text_line(&out, "second");
	expect_line(&out, "a  QUIT b??\nsecond");
	text_line(&out, "begin %0*d end", 2 * TEXT_LINE_MAX, 0);
	text = text_take(&out);
	cr_expect_leq(strlen(text), TEXT_LINE_MAX);
	cr_expect(strstr(text, "begin "), "%s", text);
	cr_expect(strstr(text, " end"), "%s", text);
	free(text);
}

Test(chat, a_time_has_two_units)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} rows[] = {{0, "0s"}, {59, "59s"}, {61, "1m 1s"}, {3600, "1h 0m"},
		{86399, "23h 59m"}, {90000, "1d 1h"}};
	char text[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		text_time(text, sizeof(text), rows[i].seconds);
		cr_expect_str_eq(text, rows[i].text);
	}
}

static json_t *
json_of(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	cr_assert_not_null(value, "%s", text);
	return value;
}

Test(chat, a_receipt_is_a_line)
{
	static const struct {
		const char *receipt, *line;
	} rows[] = {
		{"{\"pluginId\":\"a\",\"success\":true,\"state\":\"done\","
		 "\"kind\":\"reload\",\"generation\":5,"
		 "\"previousGeneration\":4,\"version\":\"1.2\","
		 "\"durationMs\":412.3,\"registered\":{\"commands\":[\"x\"],"
		 "\"hooks\":2,\"tools\":[]},\"dropped\":[\"tool:y\","
		 "\"tool:z\"],\"takeMs\":40.2,\"held\":3}",
			"a: reload done: generation 4 -> 5, version 1.2 in 412 "
			"ms; registered: commands 1, hooks 2; dropped: tool:y "
			"and 1 more; taken over in 40 ms; 3 held"},
		{"{\"pluginId\":\"a\",\"success\":true,\"state\":\"settled\","
		 "\"unchanged\":true,\"durationMs\":1}",
			"a: reload done: nothing to do in 1 ms"},
		{"{\"pluginId\":\"a\",\"success\":false,\"state\":"
		 "\"rolled_back\",\"kind\":\"reload\",\"generation\":4,"
		 "\"durationMs\":812.4,\"error\":\"checking: no\"}",
			"a: reload rolled back after 812 ms: checking: no; "
			"generation 4 serves"},
		{"{\"pluginId\":\"a\",\"success\":false,\"state\":\"failed\","
		 "\"kind\":\"reload\",\"durationMs\":1,\"error\":\"x\"}",
			"a: reload failed after 1 ms: x; nothing serves it"},
		{"{\"pluginId\":\"a\",\"success\":false,\"state\":\"reverted\","
		 "\"kind\":\"reload\",\"generation\":4,\"durationMs\":1,"
		 "\"error\":\"x\"}",
			"a: reload reverted after 1 ms: x; generation 4 "
			"serves"},
		{"{\"pluginId\":\"a\",\"success\":false,\"state\":\"refused\","
		 "\"error\":\"disabled\"}",
			"a: refused: disabled"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *receipt = json_of(rows[i].receipt);
		struct buffer out = {0};

		text_receipt(&out, receipt);
		expect_line(&out, rows[i].line);
		json_decref(receipt);
	}
}

/* ---- notices ---- */

Test(chat, notices_are_of_failures_and_of_what_needs_a_person)
{
	static const struct {
		const char *name, *data, *text;
		enum config_notify what;
	} rows[] = {
		{"reload.verdict",
			"{\"pluginId\":\"a\",\"success\":false,\"state\":"
			"\"rolled_back\",\"durationMs\":1,\"error\":\"x\"}",
			"a: reload rolled back after 1 ms: x; nothing serves "
			"it",
			NOTIFY_FAILURES},
		{"reload.verdict",
			"{\"pluginId\":\"a\",\"success\":true,\"kind\":"
			"\"reload\",\"trigger\":\"supctl\",\"generation\":2,"
			"\"durationMs\":1}",
			"a: reload done: generation 2 in 1 ms", NOTIFY_ALL},
		{"reload.verdict",
			"{\"pluginId\":\"a\",\"success\":true,\"kind\":"
			"\"restart\",\"trigger\":\"crash\",\"durationMs\":1}",
			NULL, 0},
		{"reload.verdict",
			"{\"pluginId\":\"a\",\"success\":true,\"kind\":"
			"\"start\",\"trigger\":\"start\",\"durationMs\":1}",
			NULL, 0},
		{"reload.verdict",
			"{\"pluginId\":\"a\",\"success\":false,\"proved\":"
			"false,\"durationMs\":1,\"error\":\"x\"}",
			NULL, 0},
		{"reload.repeated", "{\"count\":3,\"error\":\"x\"}",
			"a: 3 more reloads failed: x", NOTIFY_FAILURES},
		{"plugin.failed", "{\"error\":\"x\"}",
			"a: failed, and supd does not try again until it is "
			"reloaded, started or changed: x",
			NOTIFY_FAILURES},
		{"config.refused", "{\"error\":\"x\"}",
			"configuration refused, the old one is in force: x",
			NOTIFY_FAILURES},
		{"config.applied",
			"{\"changes\":[{\"path\":\"a\",\"class\":\"live\"}]}",
			NULL, 0},
		{"config.applied",
			"{\"changes\":[{\"path\":\"state_dir\",\"class\":"
			"\"restart\"}]}",
			"state_dir takes effect only when supd is restarted",
			NOTIFY_FAILURES},
		{"config.planned", "{\"changes\":[{}]}",
			"the configuration on disk has changes, which wait for "
			"'supctl apply': 1",
			NOTIFY_FAILURES},
		{"message.failed", "{\"reason\":\"x\"}", NULL, 0},
		{"worker.crashed", "{\"error\":\"x\"}", NULL, 0},
		{"bot.failed", "{\"error\":\"x\"}", NULL, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *event =
			json_pack("{s:s,s:s,s:o}", "event", rows[i].name,
				"pluginId", "a", "data", json_of(rows[i].data));
		enum config_notify what;
		char *text = notice_text(event, &what);

		if (!rows[i].text) {
			cr_expect_null(text, "%s", text);
		} else {
			cr_assert_not_null(text, "%s", rows[i].data);
			cr_expect_str_eq(text, rows[i].text);
			cr_expect_eq(what, rows[i].what);
		}
		free(text);
		json_decref(event);
	}
}
