/* Names of events, patterns and matches. */
#include <criterion/criterion.h>
#include <string.h>

#include "proto/event_name.h"

static bool
is_valid(const char *name)
{
	return event_name_is_valid(bytes_of(name));
}

Test(event_name, has_words_and_single_dots)
{
	char longest[EVENT_NAME_MAX + 2];

	memset(longest, 'a', sizeof(longest));
	longest[EVENT_NAME_MAX] = '\0';
	cr_expect(is_valid("a"));
	cr_expect(is_valid("reload.verdict"));
	cr_expect(is_valid("A-1_b:c.2"));
	cr_expect(is_valid(longest));
	longest[EVENT_NAME_MAX] = 'a';
	cr_expect_not(event_name_is_valid(
		(struct bytes){longest, EVENT_NAME_MAX + 1}));
	cr_expect_not(is_valid(""));
	cr_expect_not(is_valid("."));
	cr_expect_not(is_valid(".a"));
	cr_expect_not(is_valid("a."));
	cr_expect_not(is_valid("a..b"));
	cr_expect_not(is_valid("a b"));
	cr_expect_not(is_valid("a.*"));
	cr_expect_not(is_valid("a\xc3\xa4"));
}

Test(event_name, of_supds_own_words_are_supds)
{
	static const char *const own[] = {"channel.status", "command.before",
		"config.applied", "gateway.ready", "hold.overflow", "hook.lost",
		"message.inbound", "plugin.offered", "reload.verdict",
		"routes.changed", "schedule.missed", "tool.x",
		"worker.crashed"};
	static const char *const free_ones[] = {
		"tool", "tools.x", "a.tool.b", "bot.said", "Tool.x"};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		cr_expect(event_name_is_own(bytes_of(own[i])), "%s", own[i]);
	for (size_t i = 0; i < sizeof(free_ones) / sizeof(free_ones[0]); i++)
		cr_expect_not(event_name_is_own(bytes_of(free_ones[i])), "%s",
			free_ones[i]);
	cr_expect(event_name_is_transient(BYTES("tool.before")));
	cr_expect_not(event_name_is_transient(BYTES("reload.verdict")));
	cr_expect(event_name_is_filterable(BYTES("message.sending")));
	cr_expect_not(event_name_is_filterable(BYTES("message.received")));
}

Test(event_pattern, ends_in_a_word_or_a_star)
{
	static const char *const good[] = {"a", "a.b", "*", "a.*", "a.b.*"};
	static const char *const bad[] = {
		"", "a*", "*.a", "a.*.b", "**", ".*", "a..*", "a.b*", "a."};
	struct error err;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect_eq(event_pattern_check(bytes_of(good[i]), &err), 0,
			"%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(event_pattern_check(bytes_of(bad[i]), &err), -1,
			"%s", bad[i]);
}

Test(event_pattern, matches_any_depth_below_it)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{"a.b", "a.b", true},
		{"a.b", "a.b.c", false},
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", true},
		{"a.*", "a", false},
		{"a.*", "ab.c", false},
		{"a.b.*", "a.b.c", true},
		{"a.b.*", "a.bc.d", false},
		{"*", "a", true},
		{"*", "a.b.c", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(event_pattern_matches(bytes_of(rows[i].pattern),
				     bytes_of(rows[i].name)),
			rows[i].matches, "%s %s", rows[i].pattern,
			rows[i].name);
}

static bool
holds(const char *match, const char *data)
{
	json_t *m = json_loads(match, 0, NULL);
	json_t *d = json_loads(data, JSON_DECODE_ANY, NULL);
	struct error err = {.text = ""};
	bool result;

	cr_assert(m && d, "%s %s", match, data);
	cr_assert_eq(event_match_check(m, &err), 0, "%s", err.text);
	result = event_match_holds(m, d);
	json_decref(m);
	json_decref(d);
	return result;
}

Test(event_match, compares_top_level_fields)
{
	cr_expect(holds("{}", "7"));
	cr_expect(holds("{\"a\":1}", "{\"a\":1,\"b\":2}"));
	cr_expect(holds("{\"a\":1}", "{\"a\":1.0}"));
	cr_expect(holds("{\"a\":[1,\"x\"]}", "{\"a\":\"x\"}"));
	cr_expect(holds("{\"a\":null}", "{\"a\":null}"));
	cr_expect_not(holds("{\"a\":null}", "{}"));
	cr_expect_not(holds("{\"a\":1,\"b\":1}", "{\"a\":1}"));
	cr_expect_not(holds("{\"a\":1,\"b\":1}", "{\"a\":1,\"b\":2}"));
	cr_expect_not(holds("{\"a\":\"1\"}", "{\"a\":1}"));
	cr_expect_not(holds("{\"a\":1}", "[1]"));
	cr_expect_not(holds("{\"a\":1}", "{\"a\":{\"a\":1}}"));
}

Test(event_match, has_few_and_plain_values)
{
	static const char *const bad[] = {
		"[]", "{\"a\":{}}", "{\"a\":[[1]]}", "{\"a\":[]}"};
	json_t *many = json_array(), *match = json_pack("{s:o}", "a", many);
	struct error err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *m = json_loads(bad[i], 0, NULL);

		cr_expect_eq(event_match_check(m, &err), -1, "%s", bad[i]);
		json_decref(m);
	}
	for (int i = 0; i < EVENT_MATCH_VALUES_MAX; i++)
		json_array_append_new(many, json_integer(i));
	cr_expect_eq(event_match_check(match, &err), 0);
	json_array_append_new(many, json_integer(-1));
	cr_expect_eq(event_match_check(match, &err), -1);
	json_decref(match);
}
