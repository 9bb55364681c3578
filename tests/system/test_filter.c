/* The package filter behind the built programs: what its rules do to calls of
 * tools and commands, in which order, and which rules serve after a reload. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "tests/system/harness/ctl.h"
#include "tests/system/harness/files.h"
#include "tests/system/harness/run.h"

TestSuite(filter, .fini = run_fini, .timeout = 120);

/* filter with rules in a file, and echo, which gives back what it is sent. */
static struct gateway_run *
create(const char *settings)
{
	struct gateway_run *g = run_create();

	run_package(g, "filter", "filter");
	run_package(g, "echo", "echo");
	run_plugin(g, "echo", "use: echo");
	run_plugin(g, "filter", "settings: {%s}", settings);
	return g;
}

static void
write_rules(struct gateway_run *g, const char *rules)
{
	char *path = run_package_file(g, "filter", "rules.yaml");

	files_write(path, "%s", rules);
	free(path);
}

static struct gateway_run *
start(const char *rules)
{
	struct gateway_run *g = create("file: rules.yaml");

	write_rules(g, rules);
	run_start(g);
	return g;
}

/* The result of the tool echo as JSON text. */
static void
expect_echo(struct gateway_run *g, const char *args, const char *result)
{
	struct ctl *c = ctl_expect(g, 0, "call", "tool", "echo", args, NULL);
	json_t *value = json_loads(c->out, JSON_DECODE_ANY, NULL);
	char *text = json_dumps(
		value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

	cr_expect(text && !strcmp(text, result), "%s: %s, not %s", args, c->out,
		result);
	free(text);
	json_decref(value);
	ctl_destroy(c);
}

static void
expect_refused(struct gateway_run *g, const char *kind, const char *args,
	const char *reason)
{
	struct ctl *c = ctl_expect(g, 1, "call", kind, "echo", args, NULL);

	cr_expect(strstr(c->out, reason) || strstr(c->err, reason),
		"%s is not in %s%s", reason, c->out, c->err);
	ctl_destroy(c);
}

Test(filter, rules_change_calls_of_tools_and_their_results)
{
	struct gateway_run *g =
		start("- {on: tool.before, rename: {args.old: args.new}}\n"
		      "- {on: tool.before, when: {args.new: 1}, "
		      "enrich: {args.by: '{name} {args.new}'}}\n"
		      "- {on: tool.before, redact: {fields: args.key}}\n"
		      "- {on: tool.after, redact: {fields: result, regex: "
		      "'[0-9]{4}', with: N}}\n"
		      "- {on: tool.before, when: {args.bad: true}, "
		      "drop: not this one}\n");

	expect_echo(g, "{\"old\":1}", "{\"by\":\"echo 1\",\"new\":1}");
	expect_echo(g, "{\"key\":\"k\"}", "{\"key\":\"[redacted]\"}");
	expect_echo(g, "{\"a\":[\"1234 5678\",12]}", "{\"a\":[\"N N\",12]}");
	expect_refused(g, "tool", "{\"bad\":true}", "not this one");
	expect_echo(g, "{\"bad\":false}", "{\"bad\":false}");
	run_end(g);
}

Test(filter, rules_change_and_stop_commands)
{
	struct gateway_run *g =
		start("- {on: command.before, when: {args: {prefix: rm}}, "
		      "drop: no}\n"
		      "- {on: command.before, redact: {fields: args, regex: "
		      "secret}}\n");
	struct ctl *c;

	expect_refused(g, "command", "rm all", "no");
	c = ctl_expect(g, 0, "call", "command", "echo", "a secret", NULL);
	cr_expect(strstr(c->out, "a [redacted]"), "%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

Test(filter, limits_hold_for_each_key)
{
	struct gateway_run *g = start("- {on: tool.before, limit: {rate: 2/h, "
				      "key: args.who, reason: enough}}\n");

	expect_echo(g, "{\"who\":\"a\"}", "{\"who\":\"a\"}");
	expect_echo(g, "{\"who\":\"a\"}", "{\"who\":\"a\"}");
	expect_refused(g, "tool", "{\"who\":\"a\"}", "enough");
	expect_echo(g, "{\"who\":\"b\"}", "{\"who\":\"b\"}");
	run_end(g);
}

/* ---- reloads ---- */

/* The last lines of the failed worker are in the receipt. */
static void
expect_says(const struct ctl *c, const char *text)
{
	const char *log = strstr(c->out, "\"log\"");

	cr_expect(log && strstr(log, text), "%s is not in %s", text,
		log ? log : c->out);
}

Test(filter, a_reload_takes_good_rules_and_says_how_many)
{
	struct gateway_run *g = start("- {on: tool.before, enrich: "
				      "{args.v: 1}}\n");

	run_await_log(g, 0, "1 rule from rules.yaml");
	expect_echo(g, "{}", "{\"v\":1}");
	write_rules(g, "- {on: tool.before, enrich: {args.v: 2}}\n"
		       "- {on: tool.after, enrich: {result.after: true}}\n");
	ctl_destroy(ctl_expect(g, 0, "reload", "filter", NULL));
	run_await_log(g, 0, "2 rules from rules.yaml");
	expect_echo(g, "{}", "{\"after\":true,\"v\":2}");
	run_end(g);
}

Test(filter, a_reload_with_bad_rules_names_the_place_and_keeps_the_old_ones)
{
	static const struct {
		const char *rules, *place;
	} rows[] = {
		{"- on: tool.before\n  enrich: {args.v: 2}\n"
		 "- on: tool.before\n  redact: {fields: a, regex: '('}\n",
			"rules.yaml:4:30: bad regex at byte 1: missing"},
		{"- {on: tool.before, drop: x, }\n- {on: tool.befor}\n",
			"rules.yaml:2:8: 'tool.befor' cannot be filtered"},
		{"- a: [\n", "rules.yaml:2:1: not YAML"},
	};
	struct gateway_run *g = start("- {on: tool.before, enrich: "
				      "{args.v: 1}}\n");

	run_announce(g, "rules.yaml:");
	run_announce(g, "plugin 'filter'");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ctl *c;

		write_rules(g, rows[i].rules);
		c = ctl_expect(g, 1, "reload", "filter", NULL);
		expect_says(c, rows[i].place);
		ctl_destroy(c);
		expect_echo(g, "{}", "{\"v\":1}");
	}
	cr_expect_eq(ctl_status_number(g, "filter", "generation"), 1);
	run_end(g);
}

Test(filter, settings_that_make_no_sense_are_named)
{
	static const struct {
		const char *settings, *says;
	} rows[] = {
		{"", "settings: either file or rules must be set"},
		{"file: none.yaml", "none.yaml: No such file or directory"},
		{"rules: 1", "settings.rules: rules must be a list"},
		{"rules: [{on: tool.before}]",
			"settings.rules.0: one of drop, rename"},
		{"file: a, rules: [{}]",
			"settings.rules: file and rules must not"},
		{"rule: []", "settings.rule: unknown key 'rule'"},
		{"priority: high", "settings.priority: must be an integer"},
		{"on_error: ask", "settings.on_error: must be stop or skip"},
	};
	struct gateway_run *g = create("rules: [{on: tool.before, drop: x}]");

	run_start(g);
	run_announce(g, "filter: ");
	run_announce(g, "plugin 'filter'");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ctl *c;

		run_no_plugins(g);
		run_plugin(g, "echo", "use: echo");
		run_plugin(g, "filter", "settings: {%s}", rows[i].settings);
		run_write_config(g);
		c = ctl_expect(g, 1, "apply", NULL);
		expect_says(c, rows[i].says);
		ctl_destroy(c);
	}
	run_end(g);
}

/* ---- counts ---- */

Test(filter, a_tool_and_a_command_say_what_the_rules_have_done)
{
	struct gateway_run *g =
		start("- {name: mark, on: tool.before, when: {name: echo}, "
		      "enrich: {args.v: 1}}\n"
		      "- {name: bad, on: tool.before, when: {args.bad: true}, "
		      "drop: no}\n");
	struct ctl *c;

	expect_echo(g, "{}", "{\"v\":1}");
	expect_refused(g, "tool", "{\"bad\":true}", "no");
	c = ctl_expect(g, 0, "call", "tool", "filter", "{}", NULL);
	cr_expect_eq(ctl_number(c, "rules"), 2);
	cr_expect_str_eq(ctl_text(c, "each.0.name"), "mark");
	cr_expect_eq(ctl_number(c, "each.0.matched"), 2);
	cr_expect_eq(ctl_number(c, "each.1.stopped"), 1);
	ctl_destroy(c);
	c = ctl_expect(g, 0, "call", "command", "filter", "", NULL);
	cr_expect(strstr(c->out, "2 rules\\nmark: enrich, matched 2\\n"
				 "bad: drop, matched 1, stopped 1"),
		"%s", c->out);
	ctl_destroy(c);
	run_end(g);
}

/* ---- failures ---- */

#define SLOW                                                                   \
	"rules: [{name: slow, on: tool.before, when: {args.t: {regex: "        \
	"'^(a+)+$'}}, drop: x}]"
#define TEXT "{\"t\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"}"

Test(filter, a_rule_that_fails_stops_the_event_or_skips_the_filter)
{
	struct gateway_run *g = create(SLOW);

	run_start(g);
	expect_refused(g, "tool", TEXT, "slow: a regex takes too many steps");
	run_no_plugins(g);
	run_plugin(g, "echo", "use: echo");
	run_plugin(g, "filter", "settings: {on_error: skip, %s}", SLOW);
	run_write_config(g);
	ctl_destroy(ctl_expect(g, 0, "apply", NULL));
	expect_echo(g, TEXT, TEXT);
	run_end(g);
}

Test(filter, those_with_a_higher_priority_come_first)
{
	struct gateway_run *g = create(
		"priority: 1, rules: [{on: tool.before, enrich: {args.t: "
		"'{args.t}1'}}]");

	run_plugin(g, "late",
		"use: filter, namespace: late, settings: "
		"{rules: [{on: tool.before, enrich: {args.t: "
		"'{args.t}0'}}]}");
	run_plugin(g, "early",
		"use: filter, namespace: early, settings: "
		"{priority: 2, rules: [{on: tool.before, "
		"enrich: {args.t: '{args.t}2'}}]}");
	run_start(g);
	expect_echo(g, "{\"t\":\"\"}", "{\"t\":\"210\"}");
	ctl_destroy(ctl_expect(g, 0, "reload", "early", NULL));
	expect_echo(g, "{\"t\":\"\"}", "{\"t\":\"210\"}");
	run_end(g);
}
