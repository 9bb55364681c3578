/* journal: the rings, their numbers, followers, and which names are free. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proto/value.h"
#include "proto/util/memory.h"
#include "supervisor/ops/journal.h"

static struct journal *j;

static void
make(void)
{
	j = journal_create();
}

static void
unmake(void)
{
	journal_destroy(j);
}

TestSuite(journal, .init = make, .fini = unmake);

static long long
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* What came after `cursor`, as far as an answer goes: a new array. */
static json_t *
read_after(uint64_t cursor, uint64_t *missed)
{
	struct journal_text event;
	json_t *events = json_array();

	cursor = journal_cursor_fit(j, cursor, missed);
	for (; journal_next(j, cursor, &event); cursor = event.seq) {
		json_array_append_new(
			events, json_loadb(event.text.at, event.text.length,
					JSON_ALLOW_NUL, NULL));
		*missed += event.missed;
	}
	return events;
}

static json_t *
last(uint64_t count)
{
	uint64_t missed = 0;

	return read_after(journal_cursor_last(j, count, NULL), &missed);
}

static json_t *
since(uint64_t seq, uint64_t *missed_out)
{
	uint64_t cursor = journal_cursor_since(j, seq, missed_out);

	return read_after(cursor, missed_out);
}

Test(journal, keeps_the_last_thousand_in_order)
{
	json_t *events;

	for (int i = 0; i < 1500; i++)
		journal_note(j, "a.b", i % 2 ? "p" : NULL, json_integer(i));
	events = last(5000);
	cr_assert_eq(json_array_size(events), JOURNAL_EVENTS_MAX);
	for (size_t i = 0; i < JOURNAL_EVENTS_MAX; i++)
		cr_assert_eq(number(json_array_get(events, i), "data"),
			(long long)i + 500);
	cr_expect_eq(number(json_array_get(events, 999), "seq"),
		(long long)journal_seq(j));
	cr_expect_eq(journal_total(j), 1500);
	json_decref(events);
	events = last(2);
	cr_assert_eq(json_array_size(events), 2);
	cr_expect_eq(number(json_array_get(events, 0), "data"), 1498);
	json_decref(events);
	events = last(0);
	cr_expect_eq(json_array_size(events), 0);
	json_decref(events);
}

Test(journal, an_event_has_all_its_keys)
{
	json_t *events, *event;
	const char *at;

	journal_note(j, "x", NULL, NULL);
	events = last(1);
	event = json_array_get(events, 0);
	cr_expect_eq(json_object_size(event), 5);
	cr_expect(json_is_null(json_object_get(event, "pluginId")));
	cr_expect(json_is_null(json_object_get(event, "data")));
	at = json_string_value(json_object_get(event, "at"));
	cr_expect_eq(strlen(at), 24, "%s", at);
	cr_expect_eq(at[10], 'T');
	cr_expect_eq(at[23], 'Z');
	json_decref(events);
}

Test(journal, large_events_leave_room_for_themselves)
{
	char *text = memory_alloc(100 * 1024);
	struct journal_text next = {.seq = journal_seq(j)};
	unsigned kept = 0;

	memset(text, 'x', 100 * 1024 - 1);
	for (int i = 0; i < 100; i++)
		journal_note(j, "x", NULL, json_string(text));
	while (journal_next(j, next.seq, &next))
		kept++;
	cr_expect_lt(kept, JOURNAL_BYTES_MAX / (100 * 1024) + 1);
	cr_expect_gt(kept, 30);
	free(text);
}

Test(journal, what_is_read_at_once_has_a_limit)
{
	char *text = memory_alloc(JOURNAL_ANSWER_MAX + 1);
	uint64_t missed = 0;
	json_t *events;

	memset(text, 'x', JOURNAL_ANSWER_MAX);
	for (int i = 0; i < 20; i++)
		journal_note(j, "x", NULL,
			json_stringn(text, JOURNAL_ANSWER_MAX / 8));
	events = read_after(journal_cursor_last(j, 20, NULL), &missed);
	cr_expect_eq(json_array_size(events), 7);
	cr_expect_eq(missed, 13);
	cr_expect_eq(number(json_array_get(events, 6), "seq"),
		(long long)journal_seq(j));
	json_decref(events);
	/* The newest one is read, however large. */
	journal_note(j, "x", NULL, json_string(text));
	missed = 1;
	events = read_after(journal_cursor_last(j, 20, NULL), &missed);
	cr_expect_eq(json_array_size(events), 1);
	cr_expect_eq(missed, 20);
	json_decref(events);
	free(text);
}

Test(journal, tells_what_came_since_and_what_was_missed)
{
	uint64_t missed, first;
	json_t *events;

	journal_note(j, "x", NULL, NULL);
	first = journal_seq(j);
	for (int i = 0; i < 1200; i++)
		journal_note(j, "x", NULL, json_integer(i));
	events = since(journal_seq(j) - 3, &missed);
	cr_expect_eq(json_array_size(events), 3);
	cr_expect_eq(missed, 0);
	json_decref(events);
	events = since(first, &missed);
	cr_expect_eq(json_array_size(events), 1000);
	cr_expect_eq(missed, 200);
	json_decref(events);
	events = since(journal_seq(j) + 5, &missed);
	cr_expect_eq(json_array_size(events), 0);
	cr_expect_eq(missed, 0);
	json_decref(events);
	/* Of a supd that ran before. */
	events = since(first - 1000000, &missed);
	cr_expect_eq(json_array_size(events), 1000);
	cr_expect_eq(missed, 202);
	json_decref(events);
}

Test(journal, what_plugins_emit_pushes_out_nothing_of_supds_own)
{
	uint64_t first = journal_seq(j) + 1, missed = 0;
	json_t *events;

	journal_note(j, "reload.verdict", "p", NULL);
	for (int i = 0; i < 1500; i++)
		journal_note(j, "x", "p", json_integer(i));
	journal_note(j, "plugin.failed", "p", NULL);
	events = since(first - 1, &missed);
	cr_assert_eq(json_array_size(events), JOURNAL_EVENTS_MAX + 2);
	cr_expect_eq(missed, 500);
	cr_expect_eq(
		number(json_array_get(events, 0), "seq"), (long long)first);
	for (size_t i = 1; i < JOURNAL_EVENTS_MAX + 2; i++)
		cr_assert_eq(number(json_array_get(events, i), "seq"),
			(long long)(first + 500 + i));
	json_decref(events);
	/* Nor the other way round. */
	for (int i = 0; i < 1500; i++)
		journal_note(j, "reload.phase", "p", json_integer(i));
	events = last(3000);
	cr_assert_eq(json_array_size(events), 2 * JOURNAL_EVENTS_MAX);
	cr_expect_eq(number(json_array_get(events, 0), "data"), 500);
	json_decref(events);
}

Test(journal, the_next_one_is_told_as_it_is_kept)
{
	struct journal_text next;

	cr_expect_not(journal_next(j, journal_seq(j), &next));
	journal_note(j, "a.b", NULL, json_string("\"event\":\"x"));
	cr_assert(journal_next(j, journal_seq(j) - 1, &next));
	cr_expect_eq(next.seq, journal_seq(j));
	cr_expect_eq(next.missed, 0);
	cr_expect(bytes_equal(next.name, BYTES("a.b")));
	cr_expect_eq(next.text.at[next.text.length - 1], '}');
	cr_expect_not(journal_next(j, journal_seq(j), &next));
	for (int i = 0; i < JOURNAL_EVENTS_MAX + 5; i++)
		journal_note(j, "c", NULL, NULL);
	cr_assert(journal_next(j, journal_seq(j) - 1005, &next));
	cr_expect_eq(next.missed, 5);
	cr_expect_eq(next.seq, journal_seq(j) - 999);
}

Test(journal, numbers_go_on_over_restarts)
{
	struct journal *next;

	for (int i = 0; i < 1000; i++)
		journal_note(j, "x", NULL, NULL);
	next = journal_create();
	cr_expect_geq(journal_seq(next) + 1000, journal_seq(j));
	journal_destroy(next);
}

/* ---- followers ---- */

struct follower {
	struct journal_reader reader;
	unsigned heard;
	bool leaves;
};

static void
on_event(struct journal_reader *r, json_t *event)
{
	struct follower *f = container_of(r, struct follower, reader);

	f->heard++;
	if (f->leaves)
		journal_leave(r);
}

Test(journal, followers_hear_all_until_they_leave)
{
	struct follower a = {.reader.on_event = on_event};
	struct follower b = {.reader.on_event = on_event, .leaves = true};
	struct follower c = {.reader.on_event = on_event};

	journal_follow(j, &a.reader);
	journal_follow(j, &b.reader);
	journal_follow(j, &c.reader);
	cr_expect_eq(journal_followers(j), 3);
	journal_note(j, "x", NULL, NULL);
	journal_note(j, "x", NULL, NULL);
	cr_expect_eq(a.heard, 2);
	cr_expect_eq(b.heard, 1);
	cr_expect_eq(c.heard, 2);
	cr_expect_eq(journal_followers(j), 2);
	journal_leave(&b.reader);
	journal_leave(&a.reader);
	journal_leave(&c.reader);
	journal_note(j, "x", NULL, NULL);
	cr_expect_eq(a.heard, 2);
}

/* ---- names ---- */

Test(journal, names_of_supds_own_and_malformed_ones_are_not_free)
{
	static const char *const taken[] = {"gateway.x", "config.applied",
		"reload.verdict", "routes.changed", "worker.a", "plugin.x",
		"hold.overflow"};
	static const char *const malformed[] = {"", "a b", "a\nb", "a/b", "..",
		"a..b", ".a", "a.", "h\xc3\xb6", "a\"b", "a\rb", "\x7f",
		"../x"};
	static const char *const open[] = {"a", "a.b", "reloaded", "gateway",
		"hold", "plugins.x", "User:joined-1_2", "x.gateway.y"};
	char name[JOURNAL_NAME_MAX + 2];
	struct error err;

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		cr_expect_lt(journal_check(taken[i], NULL, &err), 0);
		cr_expect(strstr(err.text, "supd's own"), "%s", err.text);
	}
	for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		cr_expect_lt(
			journal_check(malformed[i], NULL, &err), 0, "%zu", i);
	}
	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		cr_expect_not(
			journal_check(open[i], NULL, &err), "%s", open[i]);
	memset(name, 'a', sizeof(name));
	name[JOURNAL_NAME_MAX] = 0;
	cr_expect_not(journal_check(name, NULL, &err));
	name[JOURNAL_NAME_MAX] = 'a';
	name[JOURNAL_NAME_MAX + 1] = 0;
	cr_expect(journal_check(name, NULL, &err));
}

Test(journal, data_has_a_limit_in_size_and_depth)
{
	char *text = memory_alloc(JOURNAL_DATA_MAX + 1);
	json_t *data, *deep = json_array();
	struct error err;

	memset(text, 'x', JOURNAL_DATA_MAX);
	text[JOURNAL_DATA_MAX - 2] = 0;
	data = json_string(text);
	cr_expect_eq(journal_check("x", data, &err), 0);
	json_decref(data);
	text[JOURNAL_DATA_MAX - 2] = 'x';
	data = json_string(text);
	cr_expect_lt(journal_check("x", data, &err), 0);
	json_decref(data);
	free(text);
	for (int i = 1; i < VALUE_DEPTH_MAX; i++)
		deep = json_pack("[o]", deep);
	cr_expect_eq(journal_check("x", deep, &err), 0);
	deep = json_pack("[o]", deep);
	cr_expect_lt(journal_check("x", deep, &err), 0);
	json_decref(deep);
}
