/* Long answers of commands: made over many turns, once for all who wait. */
#include <criterion/criterion.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/control/commands.h"
#include "supervisor/control/page.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"
#include "tests/unit/files.h"
#include "tests/unit/fake_gateway.h"

#define PLUGINS 1000
#define ROWS 1000
#define TURNS_MAX 1000

static struct ev_loop *loop;
static struct folder dir;

struct asker {
	struct command_call call;
	struct page *page;
	enum outcome outcome;
	json_t *document;
	unsigned done;
	bool was_refused;
};

static struct asker askers[100];

static void
on_page(struct command_call *call, enum outcome outcome, struct page *page)
{
	struct asker *a = container_of(call, struct asker, call);

	a->page = page_ref(page);
	a->outcome = outcome;
	a->document = json_loadb((const char *)buffer_bytes(&page->text),
		buffer_length(&page->text), 0, NULL);
	a->done++;
	cr_assert(a->document);
}

static void
on_done(struct command_call *call, enum outcome outcome, json_t *result)
{
	struct asker *a = container_of(call, struct asker, call);

	a->was_refused = outcome == OUTCOME_REFUSED;
	a->document = json_incref(result);
	a->done++;
}

static void
make(void)
{
	struct buffer yaml = {0};

	buffer_append_text(&yaml, "plugins:\n");
	for (int i = 0; i < PLUGINS; i++)
		buffer_format(&yaml, "  plugin-%d: {}\n", i);
	buffer_append_byte(&yaml, 0);
	loop = ev_loop_new(EVFLAG_AUTO);
	dir = folder_make();
	fake_open((const char *)buffer_bytes(&yaml), loop);
	fake.gateway.history = history_open(dir.path);
	buffer_finish(&yaml);
	for (size_t i = 0; i < sizeof(askers) / sizeof(*askers); i++)
		askers[i] = (struct asker){.call = {.gateway = &fake.gateway,
						   .role = ROLE_ADMIN,
						   .door = "test",
						   .on_page = on_page,
						   .on_done = on_done}};
}

static void
unmake(void)
{
	for (size_t i = 0; i < sizeof(askers) / sizeof(*askers); i++) {
		page_unref(askers[i].page);
		json_decref(askers[i].document);
	}
	history_close(fake.gateway.history);
	fake_close();
	folder_remove(&dir);
	ev_loop_destroy(loop);
}

TestSuite(rows, .init = make, .fini = unmake, .timeout = 60);

static void
ask(struct asker *a, const char *verb, const char *args_text)
{
	json_t *args = json_loads(args_text, 0, NULL);

	a->done = 0;
	page_unref(a->page);
	a->page = NULL;
	json_decref(a->document);
	a->document = NULL;
	command_run(&a->call, verb, args);
	json_decref(args);
}

/* How many turns of the loop it took. */
static unsigned
await(const struct asker *a)
{
	unsigned turns = 0;

	for (; !a->done && turns < TURNS_MAX; turns++)
		ev_run(loop, EVRUN_ONCE);
	cr_assert(a->done);
	return turns;
}

static void
note_receipts(void)
{
	char id[32];

	for (int i = 1; i <= ROWS; i++) {
		json_t *receipt;

		snprintf(id, sizeof(id), "r-%d", i);
		receipt = json_pack("{s:s,s:s,s:s}", "id", id, "pluginId",
			"plugin-1", "state", "done");
		history_note(fake.gateway.history, receipt);
		json_decref(receipt);
	}
}

static void
note_lines(void)
{
	for (int i = 0; i < OUTPUT_LINES; i++)
		output_add(fake_plugin("plugin-1")->output, 1, 1, "stdout",
			BYTES("a \"line\""));
}

static void
note_events(int count, const char *data)
{
	for (int i = 0; i < count; i++)
		journal_note(fake.gateway.journal, "some.event", NULL,
			json_string(data));
}

Test(rows, of_every_long_answer_are_written_a_few_a_turn)
{
	static const struct {
		const char *verb, *args, *rows;
		size_t count;
	} cases[] = {
		{"status", "{}", "plugins", PLUGINS},
		{"list", "{}", "plugins", PLUGINS},
		{"config", "{}", "plugins", PLUGINS},
		{"history", "{\"lines\":2000}", "receipts", ROWS},
		{"logs", "{\"id\":\"plugin-1\",\"lines\":500}", "lines", 500},
		{"events", "{\"lines\":2000}", "events", ROWS},
	};

	note_receipts();
	note_lines();
	note_events(ROWS, "x");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct asker *a = &askers[i];
		const json_t *rows;
		unsigned turns;

		ask(a, cases[i].verb, cases[i].args);
		cr_assert_not(a->done, "%s", cases[i].verb);
		turns = await(a);
		rows = json_object_get(a->document, cases[i].rows);
		cr_expect_eq(json_is_array(rows) ? json_array_size(rows)
						 : json_object_size(rows),
			cases[i].count, "%s", cases[i].verb);
		/* At most 50 rows each. */
		cr_expect_geq(turns, cases[i].count / 50, "%s: %u turns",
			cases[i].verb, turns);
	}
}

/* The last ones of all that are kept; a pattern is no pattern here. */
Test(rows, of_logs_are_searched_for_a_fixed_string_a_few_lines_a_turn)
{
	struct output *o = fake_plugin("plugin-1")->output;
	struct asker *a = &askers[0];

	for (int i = 0; i < OUTPUT_LINES; i++)
		output_add(o, 1, 1, "stdout",
			i == 3 ? BYTES("the (a|b)+ needle") : BYTES("ab"));
	ask(a, "logs", "{\"grep\":\"(a|b)+\",\"lines\":1}");
	cr_assert_not(a->done);
	cr_expect_geq(await(a), OUTPUT_LINES / 50);
	cr_expect_eq(json_array_size(json_object_get(a->document, "lines")), 1);
	ask(a, "logs", "{\"id\":\"plugin-1\",\"grep\":\"ab\"}");
	await(a);
	cr_expect_eq(json_array_size(json_object_get(a->document, "lines")),
		OUTPUT_LINES - 1);
}

Test(rows, of_events_may_be_of_one_plugin)
{
	struct asker *a = &askers[0];

	for (int i = 0; i < 200; i++)
		journal_note(fake.gateway.journal, "some.event",
			i % 100 ? "plugin-1" : "plugin-2", NULL);
	journal_note(fake.gateway.journal, "some.event", NULL, NULL);
	ask(a, "events", "{\"plugin\":\"plugin-2\"}");
	await(a);
	cr_expect_eq(
		json_array_size(json_object_get(a->document, "events")), 2);
	ask(a, "events", "{\"plugin\":\"plugin-1\",\"lines\":3}");
	await(a);
	cr_expect_eq(
		json_array_size(json_object_get(a->document, "events")), 3);
	ask(a, "events", "{\"plugin\":\"plugin-3\"}");
	await(a);
	cr_expect_eq(
		json_array_size(json_object_get(a->document, "events")), 0);
	ask(a, "events", "{\"plugin\":\"plugin-none\"}");
	await(a);
	cr_expect(json_object_get(a->document, "error"));
}

Test(rows, are_written_once_for_all_who_ask_before_they_begin)
{
	for (int i = 0; i < 5; i++)
		ask(&askers[i], "status", "{}");
	ask(&askers[5], "list", "{}");
	await(&askers[5]);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(askers[i].done, 1);
		cr_expect_eq(askers[i].page, askers[0].page);
	}
	cr_expect_neq(askers[5].page, askers[0].page);
}

/* Of a plugin with many tools. */
Test(rows, of_registrations_are_written_a_few_a_turn)
{
	static struct registration items[ROWS];
	static char names[ROWS][16];
	struct registration_set set = {.items = items, .count = ROWS};
	struct route_edit *edit;
	struct error err;

	for (int i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof(names[i]), "tool-%d", i);
		items[i].kind = REGISTRATION_TOOL;
		items[i].name = names[i];
	}
	edit = route_edit_prepare(fake.gateway.routes,
		fake_plugin("plugin-7")->number, &set, "", "", NULL, NULL,
		&err);
	cr_assert(edit, "%s", err.text);
	route_edit_commit(edit, 7);
	ask(&askers[0], "show", "{\"id\":\"plugin-7\"}");
	cr_assert_not(askers[0].done);
	cr_expect_geq(await(&askers[0]), ROWS / 50);
	cr_expect_eq(json_array_size(json_object_get(
			     askers[0].document, "registrations")),
		ROWS);
	cr_expect_str_eq(json_string_value(json_object_get(
				 askers[0].document, "pluginId")),
		"plugin-7");
}

static json_t *
apply_document(void)
{
	json_t *document = json_pack("{s:b,s:[],s:[],s:f}", "success", 0,
		"plugins", "results", "durationMs", 1.5);

	for (int i = 0; i < ROWS; i++) {
		json_array_append_new(json_object_get(document, "plugins"),
			json_pack("{s:i}", "row", i));
		json_array_append_new(json_object_get(document, "results"),
			json_pack("{s:i}", "receipt", i));
	}
	return document;
}

Test(rows, of_what_an_apply_did_are_written_a_few_a_turn)
{
	static const char *const verbs[] = {"apply", "plan", "scan"};

	for (size_t i = 0; i < 3; i++) {
		struct asker *a = &askers[i];
		json_t *document = apply_document(), *same = apply_document();

		ask(a, verbs[i], "{}");
		cr_assert(fake.apply);
		fake.apply->on_done(fake.apply,
			&(struct apply_report){.outcome = OUTCOME_SOME_FAILED,
				.document = document});
		json_decref(document);
		cr_assert_not(a->done);
		cr_expect_geq(await(a), 2 * ROWS / 50);
		cr_expect_eq(a->outcome, OUTCOME_SOME_FAILED);
		cr_expect(json_equal(a->document, same));
		json_decref(same);
	}
}

Test(rows, of_an_apply_are_left_out_where_there_is_no_page)
{
	json_t *document = apply_document();

	for (int i = 0; i < PAGES_MAX; i++) {
		ask(&askers[i], "status", "{}");
		await(&askers[i]);
	}
	ask(&askers[PAGES_MAX], "apply", "{}");
	fake.apply->on_done(
		fake.apply, &(struct apply_report){.outcome = OUTCOME_DONE,
				    .document = document});
	await(&askers[PAGES_MAX]);
	cr_expect_not(askers[PAGES_MAX].was_refused, "it is done");
	cr_expect(json_object_get(askers[PAGES_MAX].document, "leftOut"));
	cr_expect_null(json_object_get(askers[PAGES_MAX].document, "results"));
	json_decref(document);
}

/* A worker's call of one of supd's methods. */
static void
worker_asks(struct worker *w, const char *method)
{
	struct codec *codec = codec_create();
	struct buffer b = {0};
	struct message m;
	struct error err;
	msgpack_packer p;
	size_t offset = 0;

	codec_packer(&p, &b);
	codec_request(&p, 9, MESSAGE_CALL, 4);
	codec_text(&p, "method");
	codec_text(&p, method);
	msgpack_pack_nil(&p);
	msgpack_pack_uint32(&p, 0);
	cr_assert_eq(codec_decode(codec, buffer_bytes(&b), buffer_length(&b),
			     &offset, &m, &err),
		1, "%s", err.text);
	commands_worker_call(&fake.gateway, w, &m);
	codec_destroy(codec);
	buffer_finish(&b);
}

Test(rows, that_a_worker_asks_for_are_given_to_it_as_they_were_written)
{
	static char id[] = "plugin-7";
	struct plugin *p = fake_plugin(id);
	struct worker w = {
		.id = 7, .owner = p, .plugin = p->number, .plugin_id = id};
	unsigned turns = 0;

	list_init(&w.in_flight);
	p->active = &w;
	worker_asks(&w, "plugins.list");
	for (; !fake.answers && turns < TURNS_MAX; turns++)
		ev_run(loop, EVRUN_ONCE);
	p->active = NULL;
	cr_expect_geq(turns, PLUGINS / 50);
	cr_assert_eq(fake.answers, 1);
	cr_expect_eq(json_array_size(json_object_get(fake.answer, "plugins")),
		PLUGINS);
}

Test(rows, of_plugins_removed_meanwhile_are_left_out)
{
	ask(&askers[0], "status", "{}");
	ev_run(loop, EVRUN_NOWAIT);
	ev_run(loop, EVRUN_NOWAIT);
	cr_assert_not(askers[0].done);
	fake_plugin("plugin-999")->removed = true;
	await(&askers[0]);
	cr_expect_eq(
		json_array_size(json_object_get(askers[0].document, "plugins")),
		PLUGINS - 1);
}

Test(rows, of_events_that_went_meanwhile_are_missed)
{
	json_int_t missed;

	note_events(1000, "x");
	ask(&askers[0], "events", "{\"lines\":1000}");
	note_events(300, "x");
	await(&askers[0]);
	missed = json_integer_value(
		json_object_get(askers[0].document, "missed"));
	cr_expect_eq(missed, 300);
	cr_expect_eq(
		json_array_size(json_object_get(askers[0].document, "events")),
		700);
}

Test(rows, of_large_events_are_fewer_a_turn)
{
	char data[16 * 1024];
	unsigned turns;

	memset(data, 'x', sizeof(data) - 1);
	data[sizeof(data) - 1] = 0;
	note_events(100, data);
	ask(&askers[0], "events", "{\"lines\":100}");
	turns = await(&askers[0]);
	/* 512 KiB, 128 KiB a turn. */
	cr_expect_geq(turns, 4);
	cr_expect_leq(
		json_array_size(json_object_get(askers[0].document, "events")),
		32);
}

Test(rows, that_nobody_waits_for_any_more_are_not_written)
{
	ask(&askers[0], "status", "{}");
	ev_run(loop, EVRUN_NOWAIT);
	command_abandon(&askers[0].call);
	for (int i = 0; i < 100; i++)
		ev_run(loop, EVRUN_NOWAIT);
	cr_expect_not(askers[0].done);
}

Test(rows, of_pages_that_nobody_reads_have_a_limit_for_each_rank)
{
	for (int i = 0; i < PAGES_MAX; i++) {
		askers[i].call.role = ROLE_VIEWER;
		ask(&askers[i], "status", "{}");
		await(&askers[i]);
		cr_expect(askers[i].page);
	}
	askers[PAGES_MAX].call.role = ROLE_VIEWER;
	ask(&askers[PAGES_MAX], "status", "{}");
	await(&askers[PAGES_MAX]);
	cr_expect(askers[PAGES_MAX].was_refused);
	ask(&askers[PAGES_MAX + 1], "status", "{}");
	await(&askers[PAGES_MAX + 1]);
	cr_expect(askers[PAGES_MAX + 1].page, "an admin gets his own");
}

Test(rows, of_pages_that_are_awaited_have_a_limit)
{
	char args[32];

	note_receipts();
	for (int i = 0; i <= PAGES_AWAITED_MAX; i++) {
		snprintf(args, sizeof(args), "{\"lines\":%d}", 100 + i);
		ask(&askers[i], "history", args);
	}
	cr_expect_not(askers[PAGES_AWAITED_MAX - 1].done);
	cr_expect(askers[PAGES_AWAITED_MAX].was_refused);
	for (int i = 0; i < PAGES_AWAITED_MAX; i++)
		command_abandon(&askers[i].call);
}
