/* The table of commands: who may, which arguments there are, and what comes of
 * reloads however they end. No process, no socket. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/control/commands.h"
#include "supervisor/ops/journal.h"
#include "tests/unit/fake_gateway.h"

static const char yaml[] = "plugins:\n"
			   "  hello: {}\n"
			   "  a: {use: twin}\n"
			   "  b: {use: twin}\n"
			   "  off: {enabled: false}\n"
			   "  lone: {use: single}\n";

static struct {
	unsigned done, progress;
	enum outcome outcome;
	json_t *result;
	char last_progress[256];
	unsigned shutdowns;
} heard;

static void
on_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	heard.done++;
	heard.outcome = outcome;
	json_decref(heard.result);
	heard.result = json_incref(result);
}

static void
on_progress(struct command_call *call, json_t *event)
{
	char *text = json_dumps(event, JSON_COMPACT);

	heard.progress++;
	snprintf(heard.last_progress, sizeof(heard.last_progress), "%s", text);
	free(text);
}

static void
on_shutdown(struct command_call *call)
{
	heard.shutdowns++;
}

static struct command_call call;

static void
open_place(void)
{
	memset(&heard, 0, sizeof(heard));
	fake_open(yaml, ev_loop_new(0));
	call = (struct command_call){.gateway = &fake.gateway,
		.role = ROLE_ADMIN,
		.door = "test",
		.on_progress = on_progress,
		.on_done = on_done,
		.on_shutdown = on_shutdown};
}

static void
close_place(void)
{
	struct ev_loop *loop = fake.gateway.loop;

	json_decref(heard.result);
	fake_close();
	ev_loop_destroy(loop);
}

TestSuite(commands, .init = open_place, .fini = close_place);

static void
run(const char *verb, const char *args_text)
{
	json_t *args = json_loads(args_text, JSON_ALLOW_NUL, NULL);

	cr_assert(args, "%s", args_text);
	command_run(&call, verb, args);
	json_decref(args);
}

static void
expect(const char *verb, const char *args, enum outcome outcome)
{
	unsigned before = heard.done;

	run(verb, args);
	cr_expect_eq(heard.done, before + 1, "%s %s", verb, args);
	cr_expect_eq(heard.outcome, outcome, "%s %s: %s", verb, args,
		outcome_rows[heard.outcome].text);
}

static void
expect_error(const char *text)
{
	const char *error =
		json_string_value(json_object_get(heard.result, "error"));

	cr_assert(error);
	cr_expect(strstr(error, text), "'%s' does not say '%s'", error, text);
}

Test(commands, each_verb_needs_its_role)
{
	for (int verb = 0; verb < VERB_COUNT; verb++)
		for (int role = ROLE_VIEWER; role <= ROLE_ADMIN; role++) {
			call.role = (enum role)role;
			run(verb_rows[verb].name, "{\"x\":1}");
			cr_expect_eq(heard.outcome,
				role < (int)verb_rows[verb].role
					? OUTCOME_DENIED
					: OUTCOME_BAD_CALL,
				"%s as %d", verb_rows[verb].name, role);
		}
	cr_expect_eq(fake.begun_count, 0);
}

Test(commands, who_has_no_role_is_denied_everything_alike)
{
	call.nobody = true;
	expect("status", "{}", OUTCOME_DENIED);
	expect("no such verb", "{}", OUTCOME_DENIED);
	expect("reload", "{\"pluginId\":\"hello\"}", OUTCOME_DENIED);
	cr_expect_eq(fake.begun_count, 0);
}

static char *
args_of_ids(int count)
{
	struct buffer text = {0};

	buffer_append_text(&text, "{\"ids\":[");
	for (int i = 0; i < count; i++)
		buffer_append_text(&text, i ? ",\"hello\"" : "\"hello\"");
	buffer_append(&text, "]}", 3);
	return (char *)text.memory;
}

Test(commands, one_call_names_a_bounded_number_of_plugins)
{
	static const struct {
		const char *verb;
		int most;
	} rows[] = {{"status", 64}, {"stop", 2048}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *args = args_of_ids(rows[i].most + 1);

		expect(rows[i].verb, args, OUTCOME_BAD_CALL);
		expect_error("at most");
		free(args);
	}
	cr_expect_eq(fake.begun_count, 0);
}

Test(commands, wrong_arguments_are_refused_before_anything_happens)
{
	static const struct {
		const char *verb, *args, *text;
	} rows[] = {
		{"frob", "{}", "unknown command"},
		{"enable", "{}", "'id' is missing"},
		{"emit", "{}", "'name' is missing"},
		{"emit", "{\"name\":\"gateway.x\"}", "supd's own"},
		{"emit", "{\"name\":\"a b\"}", "the name of an event"},
		{"events", "{\"lines\":\"1\"}", "0 or more"},
		{"events", "{\"after\":-1}", "0 or more"},
		{"history", "{\"lines\":true}", "0 or more"},
		{"metrics", "{\"format\":\"xml\"}", "text or json"},
		{"status", "[]", "must be a map"},
		{"status", "{\"id\":5}", "must be a string"},
		{"status", "{\"id\":\"a\\u0000b\"}", "must be a string"},
		{"list", "{\"id\":\"hello\"}", "unknown argument 'id'"},
		{"show", "{}", "'id' is missing"},
		{"show", "{\"id\":null}", "'id' is missing"},
		{"routes", "{\"kind\":\"nothing\"}", "unknown kind"},
		{"reload", "{}", "give one of"},
		{"reload", "{\"pluginId\":\"hello\",\"all\":true}",
			"give one of"},
		{"reload", "{\"pluginIds\":[]}", "list of strings"},
		{"reload", "{\"pluginIds\":[1]}", "list of strings"},
		{"reload", "{\"pluginId\":\"hello\",\"force\":1}",
			"true or false"},
		{"reload", "{\"pluginId\":\"hello\",\"wait\":\"x\"}", "wait"},
		{"reload", "{\"all\":true,\"atomic\":1}", "true or false"},
		{"reload", "{\"changed\":true,\"all\":true}", "give one of"},
		{"apply", "{\"id\":\"hello\"}", "unknown argument 'id'"},
		{"logs", "{\"id\":\"hello\",\"lines\":-1}", "0 or more"},
		{"call", "{\"kind\":\"http\",\"name\":\"x\"}", "kind"},
		{"call", "{\"kind\":\"command\",\"name\":\"x\",\"args\":[1]}",
			"a string"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		expect(rows[i].verb, rows[i].args, OUTCOME_BAD_CALL);
		expect_error(rows[i].text);
	}
	cr_expect_eq(fake.begun_count, 0);
}

Test(commands, an_id_is_a_plugin_or_a_package_that_one_plugin_uses)
{
	expect("status", "{\"id\":\"hello\"}", OUTCOME_DONE);
	expect("status", "{\"id\":\"single\"}", OUTCOME_DONE);
	expect("status", "{\"id\":\"nosuch\"}", OUTCOME_NOT_FOUND);
	expect_error("no such plugin: 'nosuch'");
	expect("status", "{\"id\":\"twin\"}", OUTCOME_NOT_FOUND);
	expect_error("its package is used by a, b");
	expect("status", "{\"id\":\"../etc\"}", OUTCOME_NOT_FOUND);
	expect_error("not a plugin id");
	fake_plugin("lone")->removed = true;
	expect("status", "{\"id\":\"lone\"}", OUTCOME_NOT_FOUND);
}

Test(commands, status_has_a_row_for_each_plugin)
{
	static const char *const keys[] = {"id", "package", "version", "state",
		"enabled", "enabledBy", "generation", "pid", "uptimeSeconds",
		"restarts", "inFlight", "held", "digest", "lastReload"};
	const json_t *rows, *row;

	expect("status", "{}", OUTCOME_DONE);
	rows = json_object_get(heard.result, "plugins");
	cr_assert_eq(json_array_size(rows), 5);
	row = json_array_get(rows, 3);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		cr_expect(json_object_get(row, keys[i]), "%s", keys[i]);
	cr_expect_str_eq(
		json_string_value(json_object_get(row, "state")), "disabled");
	cr_expect(json_is_true(json_object_get(heard.result, "ready")));
}

Test(commands, status_has_one_row_for_a_plugin_that_is_named_twice)
{
	const json_t *rows;

	expect("status", "{\"ids\":[\"b\",\"lone\",\"b\",\"single\"]}",
		OUTCOME_DONE);
	rows = json_object_get(heard.result, "plugins");
	cr_assert_eq(json_array_size(rows), 2);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(rows, 0), "id")),
		"b");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(rows, 1), "id")),
		"lone");
}

Test(commands, list_and_show_add_to_the_row)
{
	const json_t *row;

	fake.unsafe = "disabled";
	expect("list", "{}", OUTCOME_DONE);
	row = json_array_get(json_object_get(heard.result, "plugins"), 0);
	cr_expect_str_eq(
		json_string_value(json_object_get(row, "pluginId")), "hello");
	cr_expect(json_is_false(json_object_get(row, "canReload")));
	cr_expect_str_eq(
		json_string_value(json_object_get(row, "reason")), "disabled");
	expect("show", "{\"id\":\"hello\"}", OUTCOME_DONE);
	cr_expect(json_object_get(heard.result, "limits"));
	cr_expect(json_object_get(heard.result, "workers"));
}

Test(commands, can_reload_answers_also_where_the_answer_is_no)
{
	expect("can-reload", "{\"id\":\"hello\"}", OUTCOME_DONE);
	cr_expect(json_is_true(json_object_get(heard.result, "safe")));
	cr_expect(json_is_null(json_object_get(heard.result, "reason")));
	fake.unsafe = "disabled";
	expect("can-reload", "{\"id\":\"hello\"}", OUTCOME_DONE);
	cr_expect(json_is_false(json_object_get(heard.result, "safe")));
}

Test(commands, a_reload_answers_with_its_receipt)
{
	run("reload",
		"{\"pluginId\":\"hello\",\"force\":true,\"noDrop\":true}");
	cr_assert_eq(fake.begun_count, 1);
	cr_expect(fake.begun[0].options.force);
	cr_expect(fake.begun[0].options.no_drop);
	cr_expect_str_eq(fake.begun[0].options.trigger, "test");
	cr_expect_eq(heard.done, 0);
	fake_phase(0, "staging");
	cr_expect_str_eq(heard.last_progress,
		"{\"pluginId\":\"hello\",\"phase\":\"staging\",\"ms\":1.5}");
	fake_verdict(0, RECEIPT_DONE);
	cr_expect_eq(heard.done, 1);
	cr_expect_eq(heard.outcome, OUTCOME_DONE);
	cr_expect_null(call.job);
	cr_expect_null(fake.begun[0].watcher);
}

/* A query has strings only. */
Test(commands, wait_is_true_or_false_in_a_query_as_well)
{
	expect("reload", "{\"pluginId\":\"hello\",\"wait\":\"false\"}",
		OUTCOME_ACCEPTED);
	run("reload", "{\"pluginId\":\"lone\",\"wait\":\"true\"}");
	fake_verdict(1, RECEIPT_DONE);
	cr_expect_eq(heard.outcome, OUTCOME_DONE);
}

Test(commands, how_one_reload_ends_is_its_outcome)
{
	run("reload", "{\"pluginId\":\"hello\"}");
	fake_verdict(0, RECEIPT_ROLLED_BACK);
	cr_expect_eq(heard.outcome, OUTCOME_FAILED);
	fake.refuse = "reload already in progress";
	expect("reload", "{\"pluginId\":\"hello\"}", OUTCOME_REFUSED);
	expect_error("already in progress");
	cr_expect(json_object_get(heard.result, "pluginId"));
	fake.refuse = NULL;
	fake.unsafe = "disabled";
	expect("reload", "{\"pluginId\":\"hello\",\"ifSafe\":true}",
		OUTCOME_REFUSED);
	expect_error("not safe now: disabled");
	cr_expect_eq(fake.begun_count, 1);
}

Test(commands, waiting_for_settled_hears_the_verdict_before)
{
	run("reload", "{\"pluginId\":\"hello\",\"wait\":\"settled\"}");
	fake_verdict(0, RECEIPT_DONE);
	cr_expect_eq(heard.done, 0);
	cr_expect(strstr(heard.last_progress, "\"verdict\""));
	fake_settled(0, RECEIPT_REVERTED);
	cr_expect_eq(heard.done, 1);
	cr_expect_eq(heard.outcome, OUTCOME_FAILED);
}

Test(commands, not_waiting_answers_with_the_id)
{
	expect("reload", "{\"pluginId\":\"hello\",\"wait\":false}",
		OUTCOME_ACCEPTED);
	cr_expect_str_eq(
		json_string_value(json_object_get(heard.result, "id")), "r-1");
	cr_expect_null(fake.begun[0].watcher);
}

static void
several(enum receipt_state state_a, enum receipt_state state_b,
	enum outcome outcome)
{
	unsigned at = fake.begun_count;

	run("reload", "{\"pluginIds\":[\"a\",\"b\",\"a\"]}");
	cr_assert_eq(fake.begun_count, at + 2);
	fake_verdict(at + 1, state_b);
	fake_verdict(at, state_a);
	cr_expect_eq(heard.outcome, outcome, "%d %d", state_a, state_b);
	cr_expect_eq(
		json_array_size(json_object_get(heard.result, "results")), 2);
	cr_expect_str_eq(
		json_string_value(json_object_get(
			json_array_get(
				json_object_get(heard.result, "results"), 0),
			"pluginId")),
		"a");
}

Test(commands, several_tell_whether_all_or_some_failed)
{
	several(RECEIPT_DONE, RECEIPT_DONE, OUTCOME_DONE);
	cr_expect(json_is_true(json_object_get(heard.result, "success")));
	several(RECEIPT_DONE, RECEIPT_ROLLED_BACK, OUTCOME_SOME_FAILED);
	cr_expect(json_is_false(json_object_get(heard.result, "success")));
	several(RECEIPT_ROLLED_BACK, RECEIPT_ROLLED_BACK, OUTCOME_FAILED);
}

Test(commands, an_atomic_one_is_a_set_and_fails_as_a_whole)
{
	const char *args = "{\"pluginIds\":[\"a\",\"b\"],\"atomic\":true}";

	run("reload", args);
	cr_expect(fake.begun[0].in_set && fake.begun[1].in_set);
	cr_expect(fake.sets == 1 && fake.sequences == 0);
	fake_verdict(0, RECEIPT_ROLLED_BACK);
	fake_verdict(1, RECEIPT_ROLLED_BACK);
	cr_expect_eq(heard.outcome, OUTCOME_FAILED);
	fake.refuse = "busy";
	run("reload", args);
	cr_expect_eq(fake.begun_count, 2);
	cr_expect_eq(heard.outcome, OUTCOME_FAILED);
	fake.refuse = NULL;
	run("reload", "{\"pluginIds\":[\"a\",\"b\"]}");
	cr_expect(fake.sets == 1 && fake.sequences == 1);
	fake_verdict(2, RECEIPT_DONE);
	fake_verdict(3, RECEIPT_DONE);
}

Test(commands, one_id_in_a_list_is_answered_as_a_list)
{
	run("reload", "{\"pluginIds\":[\"a\"]}");
	fake_verdict(0, RECEIPT_DONE);
	cr_expect(json_object_get(heard.result, "results"));
}

Test(commands, an_unknown_id_among_several_begins_nothing)
{
	expect("reload", "{\"pluginIds\":[\"a\",\"nosuch\"]}",
		OUTCOME_NOT_FOUND);
	cr_expect_eq(fake.begun_count, 0);
}

Test(commands, all_and_package_leave_out_what_should_not_run)
{
	fake_plugin("b")->stopped = true;
	run("reload", "{\"all\":true}");
	cr_expect_eq(fake.begun_count, 3); /* hello, a, lone */
	command_abandon(&call);
	run("reload", "{\"package\":\"twin\"}");
	cr_expect_eq(fake.begun_count, 4);
	cr_expect_eq(fake.begun[3].plugin, fake_plugin("a"));
	command_abandon(&call);
	expect("reload", "{\"package\":\"off\"}", OUTCOME_REFUSED);
	expect("reload", "{\"package\":\"nosuch\"}", OUTCOME_NOT_FOUND);
}

Test(commands, a_caller_that_leaves_hears_nothing_more)
{
	run("reload", "{\"pluginIds\":[\"a\",\"b\"]}");
	fake_verdict(0, RECEIPT_DONE);
	command_abandon(&call);
	cr_expect_null(fake.begun[1].watcher);
	fake_verdict(1, RECEIPT_DONE);
	cr_expect_eq(heard.done, 0);
	cr_expect_eq(fake.begun_count, 2); /* they go on */
}

Test(commands, start_stop_and_restart_give_receipts)
{
	static const char *const verbs[] = {"start", "stop", "restart"};

	for (unsigned i = 0; i < 3; i++) {
		run(verbs[i], "{\"id\":\"hello\"}");
		cr_expect_str_eq(fake.begun[i].what, verbs[i]);
		fake_verdict(i, RECEIPT_DONE);
		cr_expect_eq(heard.outcome, OUTCOME_DONE);
	}
	cr_expect_eq(heard.done, 3);
}

/* A slow machine may need more turns than this one. */
static void
await_progress(unsigned count)
{
	for (int i = 0; i < 1000 && heard.progress < count; i++)
		ev_run(fake.gateway.loop, EVRUN_NOWAIT);
	cr_expect_eq(heard.progress, count);
}

Test(commands, logs_end_or_follow)
{
	struct output *o = fake_plugin("hello")->output;

	output_add(o, 1, 10, "stderr", BYTES("one"));
	output_add(o, 1, 10, "stderr", BYTES("two"));
	expect("logs", "{\"id\":\"hello\",\"lines\":1}", OUTCOME_DONE);
	cr_expect_eq(
		json_array_size(json_object_get(heard.result, "lines")), 1);
	expect("logs", "{\"id\":\"hello\",\"lines\":0}", OUTCOME_DONE);
	cr_expect_eq(
		json_array_size(json_object_get(heard.result, "lines")), 0);
	run("logs", "{\"id\":\"hello\",\"follow\":true}");
	await_progress(2);
	output_add(o, 1, 10, "stderr", BYTES("three"));
	await_progress(3);
	cr_expect(strstr(heard.last_progress, "three"));
	command_abandon(&call);
	output_add(o, 1, 10, "stderr", BYTES("four"));
	cr_expect_eq(heard.progress, 3);
	cr_expect_eq(heard.done, 2);
}

static size_t
lines_heard(const char *args)
{
	expect("logs", args, OUTCOME_DONE);
	return json_array_size(json_object_get(heard.result, "lines"));
}

Test(commands, logs_of_all_come_in_the_order_in_which_they_were_written)
{
	struct output *a = fake_plugin("hello")->output;
	struct output *b = fake_plugin("lone")->output;
	const json_t *lines;

	output_add(a, 1, 10, "stderr", BYTES("one"));
	output_add(b, 1, 11, "stderr", BYTES("two"));
	output_add(a, 1, 10, "stderr", BYTES("three"));
	cr_expect_eq(lines_heard("{}"), 3);
	cr_expect_eq(lines_heard("{\"lines\":2}"), 2);
	lines = json_object_get(heard.result, "lines");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(lines, 0), "pluginId")),
		"lone");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(lines, 1), "text")),
		"three");
	cr_expect_eq(lines_heard("{\"lines\":9,\"since\":9999999999999}"), 0);
	cr_expect_eq(lines_heard("{\"lines\":9,\"since\":1}"), 3);
	run("logs", "{\"follow\":true,\"lines\":1}");
	await_progress(1);
	output_add(b, 1, 10, "stderr", BYTES("four"));
	await_progress(2);
	cr_expect(strstr(heard.last_progress, "\"pluginId\""));
	command_abandon(&call);
	expect("logs", "{\"id\":\"none\"}", OUTCOME_NOT_FOUND);
}

Test(commands, what_logs_search_for_is_short)
{
	char text[300], args[400];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	snprintf(args, sizeof(args), "{\"grep\":\"%s\"}", text);
	expect("logs", args, OUTCOME_BAD_CALL);
	expect_error("longer than 256");
}

Test(commands, shutdown_is_asked_for_where_the_door_has_it)
{
	expect("shutdown", "{}", OUTCOME_ACCEPTED);
	cr_expect_eq(heard.shutdowns, 1);
	call.on_shutdown = NULL;
	expect("shutdown", "{}", OUTCOME_REFUSED);
	cr_expect_eq(heard.shutdowns, 1);
}

Test(commands, outcomes_have_the_promised_codes)
{
	static const struct {
		enum outcome outcome;
		int exit_code, http_status;
	} rows[] = {
		{OUTCOME_DONE, 0, 200},
		{OUTCOME_ACCEPTED, 0, 202},
		{OUTCOME_FAILED, 1, 422},
		{OUTCOME_BAD_CALL, 2, 400},
		{OUTCOME_DENIED, 4, 403},
		{OUTCOME_NOT_FOUND, 5, 404},
		{OUTCOME_REFUSED, 6, 409},
		{OUTCOME_TIMED_OUT, 7, 504},
		{OUTCOME_SOME_FAILED, 8, 422},
	};

	cr_assert_eq(sizeof(rows) / sizeof(*rows), OUTCOME_COUNT);
	for (size_t i = 0; i < OUTCOME_COUNT; i++) {
		const struct outcome_row *row = &outcome_rows[rows[i].outcome];

		cr_expect_eq(row->exit_code, rows[i].exit_code);
		cr_expect_eq(row->http_status, rows[i].http_status);
	}
}

Test(commands, verbs_are_found_by_name)
{
	for (int verb = 0; verb < VERB_COUNT; verb++)
		cr_expect_eq((int)verb_by_name(verb_rows[verb].name), verb);
	cr_expect_eq(verb_by_name(""), VERB_UNKNOWN);
	cr_expect_str_eq(command_by_method("plugins.reload", 14), "reload");
	cr_expect_null(command_by_method("plugins.reloads", 15));
	cr_expect_null(command_by_method("plugins.reloa", 13));
}

/* ---- events, history, metrics ---- */

static json_t *
result(const char *key)
{
	return json_object_get(heard.result, key);
}

Test(commands, what_is_emitted_is_among_the_events)
{
	expect("emit", "{\"name\":\"a.b\",\"data\":{\"x\":1}}", OUTCOME_DONE);
	cr_expect_gt(json_integer_value(result("seq")), 0);
	expect("emit", "{\"name\":\"a.c\"}", OUTCOME_DONE);
	expect("events", "{}", OUTCOME_DONE);
	cr_expect_eq(json_array_size(result("events")), 2);
	expect("events", "{\"lines\":1}", OUTCOME_DONE);
	cr_expect_eq(json_array_size(result("events")), 1);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(result("events"), 0), "event")),
		"a.c");
	expect("events", "{\"after\":0}", OUTCOME_DONE);
	cr_expect_eq(json_array_size(result("events")), 2);
	cr_expect_eq(json_integer_value(result("missed")), 1);
}

Test(commands, following_events_ends_when_the_caller_leaves)
{
	call.role = ROLE_ADMIN;
	run("emit", "{\"name\":\"a\"}");
	heard.done = 0;
	run("events", "{\"follow\":true}");
	cr_expect_eq(heard.done, 0);
	cr_assert(call.job);
	cr_expect_eq(journal_followers(fake.gateway.journal), 1);
	journal_note(fake.gateway.journal, "b", NULL, NULL);
	command_abandon(&call);
	cr_expect_null(call.job);
	cr_expect_eq(journal_followers(fake.gateway.journal), 0);
	run("events", "{\"follow\":true}");
	command_end(&call);
	cr_expect_eq(heard.done, 1);
	cr_expect_eq(heard.outcome, OUTCOME_DONE);
	cr_expect_eq(journal_followers(fake.gateway.journal), 0);
}

Test(commands, who_reads_the_journal_is_told_where_to_begin)
{
	char expected[80];

	call.role = ROLE_ADMIN;
	for (int i = 0; i < 5; i++)
		journal_note(fake.gateway.journal, "a", NULL, NULL);
	call.reads_journal = true;
	heard.progress = 0;
	run("events", "{\"follow\":true,\"lines\":3}");
	snprintf(expected, sizeof(expected), "{\"after\":%llu,\"dropped\":0}",
		(unsigned long long)journal_seq(fake.gateway.journal) - 3);
	cr_expect_eq(heard.progress, 1);
	cr_expect_str_eq(heard.last_progress, expected);
	command_abandon(&call);
}

Test(commands, the_history_of_nobody_is_no_history)
{
	expect("history", "{}", OUTCOME_DONE);
	cr_expect(json_is_array(result("receipts")));
	expect("history", "{\"id\":\"other\"}", OUTCOME_NOT_FOUND);
	expect("history", "{\"id\":\"../x\"}", OUTCOME_NOT_FOUND);
	expect("history", "{\"id\":\"hello\"}", OUTCOME_DONE);
}

Test(commands, texts_of_a_query_become_what_the_verb_takes)
{
	static const struct {
		const char *verb, *before, *after;
	} rows[] = {
		{"events", "{\"lines\":\"7\",\"follow\":\"true\"}",
			"{\"lines\":7,\"follow\":true}"},
		{"events", "{\"lines\":\"x7\",\"follow\":\"yes\"}",
			"{\"lines\":\"x7\",\"follow\":\"yes\"}"},
		{"events", "{\"lines\":\"-7\",\"follow\":\"false\"}",
			"{\"lines\":\"-7\",\"follow\":false}"},
		{"show", "{\"id\":\"7\"}", "{\"id\":\"7\"}"},
		{"frob", "{\"id\":\"7\"}", "{\"id\":\"7\"}"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *args = json_loads(rows[i].before, 0, NULL);
		char *text;

		command_read_texts(rows[i].verb, args);
		text = json_dumps(args, JSON_COMPACT);
		cr_expect_str_eq(text, rows[i].after);
		free(text);
		json_decref(args);
	}
}

/* ---- applies ---- */

static void
end_apply_with(struct apply_report report, const char *text)
{
	struct apply_request *r = fake.apply;
	json_t *document = json_loads(text, 0, NULL);

	cr_assert(r && document);
	report.document = document;
	fake.apply = NULL;
	r->on_done(r, &report);
	json_decref(document);
}

static void
end_apply(enum outcome outcome, const char *text)
{
	end_apply_with((struct apply_report){.outcome = outcome}, text);
}

Test(commands, plan_apply_and_scan_hand_on_what_the_pass_says)
{
	static const struct {
		const char *verb;
		enum apply_kind kind;
	} rows[] = {{"plan", APPLY_PLAN}, {"apply", APPLY_ALL},
		{"scan", APPLY_SCAN}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned before = heard.done;

		run(rows[i].verb, "{}");
		cr_assert(fake.apply, "%s", rows[i].verb);
		cr_expect_eq(fake.apply->kind, rows[i].kind);
		cr_expect_str_eq(fake.apply->trigger, "test");
		cr_expect_eq(heard.done, before);
		end_apply(OUTCOME_SOME_FAILED, "{\"plugins\":[]}");
		cr_expect_eq(heard.done, before + 1);
		cr_expect_eq(heard.outcome, OUTCOME_SOME_FAILED);
		cr_expect(json_object_get(heard.result, "plugins"));
	}
}

Test(commands, who_leaves_an_apply_hears_nothing_of_it)
{
	run("apply", "{}");
	command_abandon(&call);
	cr_expect_null(fake.apply);
	cr_expect_eq(heard.done, 0);
}

Test(commands, reload_of_what_changed_reloads_what_the_plan_names)
{
	const char *ids[] = {"lone"};

	run("reload", "{\"changed\":true,\"force\":true}");
	cr_assert_eq(fake.apply->kind, APPLY_COMPARE);
	cr_expect_eq(fake.begun_count, 0);
	end_apply_with((struct apply_report){.outcome = OUTCOME_DONE,
			       .plugin_ids = ids,
			       .plugin_count = 1},
		"{}");
	cr_assert_eq(fake.begun_count, 1);
	cr_expect_str_eq(fake.begun[0].plugin->id, "lone");
	cr_expect(fake.begun[0].options.force);
	fake_verdict(0, RECEIPT_DONE);
	cr_expect_eq(
		json_array_size(json_object_get(heard.result, "results")), 1);
	run("reload", "{\"changed\":true}");
	end_apply(OUTCOME_DONE, "{\"plugins\":[]}");
	cr_expect_eq(heard.outcome, OUTCOME_DONE);
	cr_expect_eq(
		json_array_size(json_object_get(heard.result, "results")), 0);
	cr_expect(json_is_true(json_object_get(heard.result, "success")));
	cr_expect_eq(fake.begun_count, 1);
}

Test(commands, reload_that_is_only_planned_begins_nothing)
{
	json_t *rows;

	run("reload", "{\"pluginIds\":[\"hello\",\"lone\"],\"plan\":true}");
	cr_assert_eq(fake.apply->kind, APPLY_COMPARE);
	end_apply(OUTCOME_DONE,
		"{\"plugins\":[{\"pluginId\":\"a\",\"action\":\"reload\"},"
		"{\"pluginId\":\"lone\",\"action\":\"reload\"}]}");
	rows = json_object_get(heard.result, "plugins");
	cr_assert_eq(json_array_size(rows), 2);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(rows, 0), "action")),
		"none");
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(rows, 1), "action")),
		"reload");
	cr_expect_eq(fake.begun_count, 0);
	expect("reload", "{\"pluginId\":\"nobody\",\"plan\":true}",
		OUTCOME_NOT_FOUND);
}

Test(commands, enable_and_disable_are_transactions)
{
	run("enable", "{\"id\":\"off\"}");
	run("disable", "{\"id\":\"hello\"}");
	cr_assert_eq(fake.begun_count, 2);
	cr_expect_str_eq(fake.begun[0].what, "enable");
	cr_expect_str_eq(fake.begun[1].what, "disable");
	fake_verdict(0, RECEIPT_DONE);
	fake_verdict(1, RECEIPT_DONE);
	cr_expect_eq(heard.outcome, OUTCOME_DONE);
}
