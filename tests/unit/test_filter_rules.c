/* The rules of filter: what each does to an event, which are refused and
 * where, and that none of them takes long. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/filter/rules.h"

#define WORK_MS 20000

static int
read_rules(struct rules *rules, const char *yaml, char why[WHY_BYTES])
{
	struct node *n = node_from_yaml("r.yaml", yaml, strlen(yaml), why);
	int result;

	*rules = (struct rules){0};
	if (!n)
		return -1;
	result = rules_read(rules, n, why);
	node_destroy(n);
	return result;
}

/* The verdict, and after it the data of a change or the reason. */
static void
judge(struct rules *rules, const char *event, const char *data, char *text,
	size_t bytes)
{
	static const char *const verdicts[] = {
		"pass", "change", "stop", "fail"};
	json_t *json = json_loads(data, JSON_DECODE_ANY, NULL);
	json_t *before = json_deep_copy(json);
	struct outcome out = rules_run(
		rules, (enum rule_event)rule_event_of(event), json, 0, WORK_MS);
	char *after = out.data ? json_dumps(out.data, JSON_COMPACT) : NULL;

	snprintf(text, bytes, "%s%s%s", verdicts[out.verdict],
		after || out.reason ? " " : "",
		after	     ? after
		: out.reason ? out.reason
			     : "");
	cr_expect(json_equal(json, before), "the event itself was changed");
	free(after);
	json_decref(out.data);
	json_decref(before);
	json_decref(json);
}

struct row {
	const char *rules, *event, *data, *outcome;
};

static void
expect_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct rules rules;
		char why[WHY_BYTES], text[512];

		cr_assert_eq(read_rules(&rules, rows[i].rules, why), 0,
			"%s: %s", rows[i].rules, why);
		judge(&rules, rows[i].event, rows[i].data, text, sizeof(text));
		cr_expect_str_eq(text, rows[i].outcome, "%s with %s: %s",
			rows[i].rules, rows[i].data, text);
		rules_finish(&rules);
	}
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* ---- when ---- */

#define WHEN(test)                                                             \
	"[{on: tool.before, when: {" test "}, drop: no}]", "tool.before"

Test(filter_rules, hold_for_the_events_and_fields_that_they_name)
{
	static const struct row rows[] = {
		{"[{on: tool.before, drop: no}]", "tool.before", "{}",
			"stop no"},
		{"[{on: tool.before, drop: no}]", "tool.after", "{}", "pass"},
		{"[{on: [tool.after, message.inbound], drop: no}]",
			"message.inbound", "null", "stop no"},
		{WHEN("a: 1"), "{\"a\":1}", "stop no"},
		{WHEN("a: 1"), "{\"a\":1.0}", "stop no"},
		{WHEN("a: 1"), "{\"a\":\"1\"}", "pass"},
		{WHEN("a: '1'"), "{\"a\":\"1\"}", "stop no"},
		{WHEN("a: 1"), "{}", "pass"},
		{WHEN("a: 1"), "[1]", "pass"},
		{WHEN("a: [1, x, null]"), "{\"a\":null}", "stop no"},
		{WHEN("a: [1, x]"), "{\"a\":[1,\"x\"]}", "pass"},
		{WHEN("a: {equals: true}"), "{\"a\":true}", "stop no"},
		{WHEN("a.b: 1"), "{\"a\":{\"b\":1}}", "stop no"},
		{WHEN("a.1: x"), "{\"a\":[\"y\",\"x\"]}", "stop no"},
		{WHEN("a.2: x"), "{\"a\":[\"y\",\"x\"]}", "pass"},
		{WHEN("a.*.k: x"), "{\"a\":[{\"k\":\"y\"},{\"k\":\"x\"}]}",
			"stop no"},
		{WHEN("a.*: x"), "{\"a\":{\"m\":\"x\"}}", "stop no"},
		{WHEN("a: 1, b: 2"), "{\"a\":1,\"b\":2}", "stop no"},
		{WHEN("a: 1, b: 2"), "{\"a\":1,\"b\":3}", "pass"},
		{WHEN("a: {prefix: ab}"), "{\"a\":\"abc\"}", "stop no"},
		{WHEN("a: {prefix: ab}"), "{\"a\":\"a\"}", "pass"},
		{WHEN("a: {regex: 'b+c$'}"), "{\"a\":\"abbc\"}", "stop no"},
		{WHEN("a: {regex: '^b'}"), "{\"a\":\"ab\"}", "pass"},
		{WHEN("a: {regex: '(?i)É'}"), "{\"a\":\"caf\u00e9\"}",
			"stop no"},
		{WHEN("a: {regex: x}"), "{\"a\":{\"x\":1}}", "pass"},
		{WHEN("a: {exists: true}"), "{\"a\":null}", "stop no"},
		{WHEN("a: {exists: false}"), "{\"b\":1}", "stop no"},
		{WHEN("a: {not: 1}"), "{\"a\":2}", "stop no"},
		{WHEN("a: {not: 1}"), "{}", "stop no"},
		{WHEN("a: {not: {regex: x}}"), "{\"a\":\"x\"}", "pass"},
	};

	expect_rows(rows, COUNT(rows));
}

/* ---- what they do ---- */

#define DOES(what) "[{on: tool.before, " what "}]", "tool.before"

Test(filter_rules, rename_redact_and_enrich)
{
	static const struct row rows[] = {
		{DOES("rename: {a: b}"), "{\"a\":1}", "change {\"b\":1}"},
		{DOES("rename: {a: b}"), "{\"c\":1}", "pass"},
		{DOES("rename: {a.x: b.y.z}"), "{\"a\":{\"x\":1}}",
			"change {\"a\":{},\"b\":{\"y\":{\"z\":1}}}"},
		{DOES("rename: {a.0: b}"), "{\"a\":[1,2]}",
			"change {\"a\":[2],\"b\":1}"},
		{DOES("rename: {a: b.c}"), "{\"a\":1,\"b\":2}",
			"fail what is around it is no map"},
		{DOES("redact: {fields: a}"), "{\"a\":{\"x\":1}}",
			"change {\"a\":\"[redacted]\"}"},
		{DOES("redact: {fields: [a, b.*.c], with: x}"),
			"{\"a\":1,\"b\":[{\"c\":2},{\"c\":3,\"d\":4},5]}",
			"change {\"a\":\"x\",\"b\":[{\"c\":\"x\"},"
			"{\"c\":\"x\",\"d\":4},5]}"},
		{DOES("redact: {fields: a, regex: '[0-9]+', with: N}"),
			"{\"a\":\"1 and 22\"}", "change {\"a\":\"N and N\"}"},
		{DOES("redact: {fields: a, regex: '[0-9]+', with: ''}"),
			"{\"a\":[\"x1\",{\"k\":\"22\"},3]}",
			"change {\"a\":[\"x\",{\"k\":\"\"},3]}"},
		{DOES("redact: {fields: a, regex: 'x*', with: y}"),
			"{\"a\":\"\u00e9xx\u00e9\"}",
			"change {\"a\":\"\u00c3\u00a9\"}"},
		{DOES("redact: {fields: a, regex: z}"), "{\"a\":\"x\"}",
			"pass"},
		{DOES("enrich: {a: 1, b.c: [x]}"), "{}",
			"change {\"a\":1,\"b\":{\"c\":[\"x\"]}}"},
		{DOES("enrich: {a: 1}"), "{\"a\":1}", "pass"},
		{DOES("enrich: {t: '[{from.name}] {t}{none} {\"q\"} {x'}"),
			"{\"t\":\"hi\",\"from\":{\"name\":\"A\"}}",
			"change {\"t\":\"[A] hi {\\\"q\\\"} {x\","
			"\"from\":{\"name\":\"A\"}}"},
		{DOES("enrich: {t: '{n} {l}'}"), "{\"n\":1,\"l\":[true]}",
			"change {\"n\":1,\"l\":[true],\"t\":\"1 [true]\"}"},
		{DOES("enrich: {a.b: 1}"), "{\"a\":\"x\"}",
			"fail what is around it is no map"},
		{DOES("enrich: {a.1: 1}"), "{\"a\":[0,0]}",
			"change {\"a\":[0,1]}"},
		{"[{on: tool.before, enrich: {a: 1}}, "
		 "{on: tool.before, when: {a: 1}, rename: {a: b}}, "
		 "{on: tool.before, when: {b: 1}, drop: seen}]",
			"tool.before", "{}", "stop seen"},
	};
	struct row row = rows[9];

	/* An accent is two bytes, and no match begins in the middle. */
	row.outcome = "change {\"a\":\"\u00e9y\u00e9\"}";
	expect_rows(rows, 9);
	expect_rows(&row, 1);
	expect_rows(rows + 10, COUNT(rows) - 10);
}

Test(filter_rules, limit_how_often)
{
	struct rules rules;
	char why[WHY_BYTES], text[256];

	cr_assert_eq(read_rules(&rules,
			     "[{on: tool.before, name: slow, "
			     "limit: {rate: 2/10s, key: who, reason: wait}}]",
			     why),
		0, "%s", why);
	for (int i = 0; i < 3; i++) {
		judge(&rules, "tool.before", "{\"who\":\"a\"}", text,
			sizeof(text));
		cr_expect_str_eq(text, i < 2 ? "pass" : "stop wait");
	}
	judge(&rules, "tool.before", "{\"who\":\"b\"}", text, sizeof(text));
	cr_expect_str_eq(text, "pass");
	judge(&rules, "tool.before", "{}", text, sizeof(text));
	cr_expect_str_eq(text, "pass");
	cr_expect_eq(rules.items[0].matched, 5);
	cr_expect_eq(rules.items[0].stopped, 1);
	rules_finish(&rules);
}

/* ---- what is refused, and where ---- */

Test(filter_rules, that_are_wrong_are_refused_with_their_place)
{
	static const struct {
		const char *rules, *why;
	} rows[] = {
		{"", "r.yaml:1:1: it is empty"},
		{"a: [", "r.yaml:2:1: not YAML: did not find expected node"},
		{"- 1\n- &x 2", "r.yaml:2:3: anchors and tags are not"},
		{"- *x", "r.yaml:1:3: aliases are not allowed"},
		{"- !!str 1", "r.yaml:1:3: anchors and tags are not"},
		{"a: 1\na: 2", "r.yaml:2:1: this key is there twice"},
		{"--- a\n--- b", "r.yaml:2:1: there is more than one"},
		{"[a, [b]: c]", "a key must be a string"},
		{"x: 1", "r.yaml:1:4: unknown key 'x'"},
		{"rules: 1", "r.yaml:1:8: rules must be a list of rules"},
		{"rules: []", "r.yaml:1:8: rules must be a list of rules"},
		{"- a", "r.yaml:1:3: must be a map"},
		{"- {drop: no}", "r.yaml:1:3: on is missing"},
		{"- {on: tool.early, drop: no}",
			"r.yaml:1:8: 'tool.early' cannot be filtered"},
		{"- {on: [], drop: no}", "r.yaml:1:8: must not be an empty"},
		{"- on: tool.before", "r.yaml:1:3: one of drop, rename, "},
		{"- {on: tool.before, drop: no, enrich: {a: 1}}",
			"r.yaml:1:39: a rule does one thing"},
		{"- {on: tool.before, drop: true}",
			"r.yaml:1:27: must be a string of 1"},
		{"- on: tool.before\n  when: {a: {regex: '(x'}}\n  drop: no",
			"r.yaml:2:21: bad regex at byte 2: missing closing"},
		{"- on: tool.before\n  when: {a: {regex: '\\Gx'}}\n  drop: no",
			"\\G is not supported"},
		{"- {on: tool.before, when: {a: {like: x}}, drop: no}",
			"r.yaml:1:38: 'like' is not one of equals, prefix"},
		{"- {on: tool.before, when: {a..b: 1}, drop: no}",
			"r.yaml:1:34: a field has words between its dots"},
		{"- {on: tool.before, when: {}, drop: no}",
			"r.yaml:1:27: must be a map of 1 to 32 fields"},
		{"- {on: tool.before, rename: {a: 1}}",
			"r.yaml:1:33: must be the new field"},
		{"- {on: tool.before, rename: {a.*: b}}",
			"a * is not allowed here"},
		{"- {on: tool.before, redact: {with: x}}",
			"r.yaml:1:29: fields is missing"},
		{"- {on: tool.before, limit: {key: x}}",
			"r.yaml:1:28: rate is missing"},
		{"- {on: tool.before, limit: {rate: 5}}",
			"r.yaml:1:35: must be a rate such as"},
		{"- {on: tool.before, limit: {rate: 5/1w}}",
			"r.yaml:1:35: must be a rate such as"},
		{"- {on: tool.before, limit: {rate: 0/s}}",
			"r.yaml:1:35: must have a count of 1 to"},
		{"- {on: tool.before, limit: {rate: 1/s, keys: 0}}",
			"r.yaml:1:46: must be between 1 and 100000"},
		{"- {on: tool.before, name: x, drop: a}\n"
		 "- {on: tool.before, name: x, drop: a}",
			"r.yaml:2:3: there are two rules 'x'"},
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct rules rules;
		char why[WHY_BYTES] = "";

		cr_expect_eq(read_rules(&rules, rows[i].rules, why), -1, "%s",
			rows[i].rules);
		cr_expect(
			strstr(why, rows[i].why), "%s: %s", rows[i].rules, why);
		rules_finish(&rules);
	}
}

Test(filter_rules, of_the_settings_are_named_by_their_way)
{
	json_t *json = json_loads(
		"{\"rules\":[{\"on\":\"tool.before\",\"drop\":\"no\","
		"\"when\":{\"a.b\":{\"regex\":\"(\"}}}]}",
		0, NULL);
	char why[WHY_BYTES] = "";
	struct node *n = node_from_json(json, why);
	struct rules rules;

	cr_assert(n);
	cr_expect_eq(rules_read(&rules, n, why), -1);
	cr_expect(strstr(why, "settings.rules.0.when.a.b.regex: bad regex"),
		"%s", why);
	rules_finish(&rules);
	node_destroy(n);
	json_decref(json);
}

/* ---- bounds ---- */

/* A regex and a text that it would take for ever with. */
static void
expect_given_up(const char *regex, char fill, size_t bytes, const char *end)
{
	struct rules rules;
	char why[WHY_BYTES], *yaml, *data, text[256];
	char *long_text = malloc(bytes + 1);

	memset(long_text, fill, bytes);
	long_text[bytes] = 0;
	cr_assert(asprintf(&yaml,
			  "[{on: tool.before, when: {t: {regex: '%s'}}, "
			  "drop: no}]",
			  regex) > 0);
	cr_assert(asprintf(&data, "{\"t\":\"%s%s\"}", long_text, end) > 0);
	cr_assert_eq(read_rules(&rules, yaml, why), 0, "%s", why);
	judge(&rules, "tool.before", data, text, sizeof(text));
	cr_expect_str_eq(
		text, "fail a regex takes too many steps", "%s", regex);
	cr_expect_eq(rules.items[0].failed, 1);
	rules_finish(&rules);
	free(long_text);
	free(yaml);
	free(data);
}

Test(filter_rules, give_up_a_regex_that_would_take_for_ever)
{
	expect_given_up("^(a+)+$", 'a', 100, "b");
	expect_given_up("(x+x+)+y", 'x', 100, "zy");
	expect_given_up("^(a|a)*$", 'a', 1000, "b");
	expect_given_up("foo|.*.*=", 'a', 1000000, "");
}

Test(filter_rules, have_a_time_for_all_of_them)
{
	struct rules rules;
	char why[WHY_BYTES];
	json_t *data = json_pack("{s:s}", "t", "x");
	struct outcome out;

	cr_assert_eq(read_rules(&rules,
			     "[{on: tool.before, when: {t: {regex: x}}, "
			     "drop: no}]",
			     why),
		0, "%s", why);
	out = rules_run(&rules, EVENT_TOOL_BEFORE, data, 0, 0);
	cr_expect_eq(out.verdict, VERDICT_FAIL);
	cr_expect_str_eq(out.reason, "the rules take too long");
	rules_finish(&rules);
	json_decref(data);
}

/* Each doubles what the one before made. */
Test(filter_rules, make_only_so_much_text_together)
{
	char yaml[2000] = "", text[256], why[WHY_BYTES];
	char data[70000] = "{\"t\":\"";
	struct rules rules;

	for (int i = 0; i < 20; i++)
		strcat(yaml, "- {on: tool.before, enrich: {t: '{t}{t}'}}\n");
	memset(data + strlen(data), 'x', 60000);
	strcat(data, "\"}");
	cr_assert_eq(read_rules(&rules, yaml, why), 0, "%s", why);
	judge(&rules, "tool.before", data, text, sizeof(text));
	cr_expect_str_eq(text, "fail the rules make too much text");
	rules_finish(&rules);
}

Test(filter_rules, make_no_text_that_is_too_large)
{
	char *yaml, *data, text[256], why[WHY_BYTES];
	char *fields = calloc(1, 8 * 600);
	char *long_text = calloc(1, 10001);
	struct rules rules;

	for (int i = 0; i < 600; i++)
		strcat(fields, "{t}");
	memset(long_text, 'x', 10000);
	cr_assert(asprintf(&yaml, "[{on: tool.before, enrich: {e: '%s'}}]",
			  fields) > 0);
	cr_assert(asprintf(&data, "{\"t\":\"%s\"}", long_text) > 0);
	cr_assert_eq(read_rules(&rules, yaml, why), 0, "%s", why);
	judge(&rules, "tool.before", data, text, sizeof(text));
	cr_expect_str_eq(text, "fail the rules make too much text");
	rules_finish(&rules);
	free(fields);
	free(long_text);
	free(yaml);
	free(data);
}
