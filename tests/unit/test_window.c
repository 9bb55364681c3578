/* The window of a channel: the cursor of the longest acknowledged prefix. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/channel/window.h"

static struct window window;

static void
open_window(void)
{
	window_init(&window);
}

static void
close_window(void)
{
	window_finish(&window);
}

TestSuite(window, .init = open_window, .fini = close_window);

static struct window_entry *
arrive(const char *id, const char *cursor)
{
	return window_arrive(&window, bytes_of(id),
		cursor ? bytes_of(cursor) : (struct bytes){0});
}

/* NULL: it has not moved. */
static void
expect(const char *cursor)
{
	struct bytes now;
	bool moved = window_moved(&window, &now);

	cr_expect_eq(moved, cursor != NULL, "%.*s", (int)now.length, now.at);
	if (cursor)
		cr_expect(bytes_equal(now, bytes_of(cursor)), "%.*s",
			(int)now.length, now.at);
}

Test(window, follows_what_is_acknowledged_in_order)
{
	struct window_entry *a = arrive("a", "1"), *b = arrive("b", "2");

	window_acknowledge(&window, a);
	expect("1");
	window_acknowledge(&window, b);
	expect("2");
	expect(NULL);
	cr_expect(window_is_clear(&window));
}

Test(window, waits_for_the_first_that_is_open)
{
	struct window_entry *a = arrive("a", "1"), *b = arrive("b", "2"),
			    *c = arrive("c", "3");

	window_acknowledge(&window, c);
	window_acknowledge(&window, b);
	expect(NULL);
	cr_expect(!window_is_clear(&window));
	window_acknowledge(&window, a);
	expect("3");
}

Test(window, keeps_the_cursor_over_messages_without_one)
{
	struct window_entry *a = arrive("a", "1"), *b = arrive("b", NULL);

	window_acknowledge(&window, b);
	window_acknowledge(&window, a);
	expect("1");
	window_acknowledge(&window, arrive("c", NULL));
	expect(NULL);
	cr_expect(window_is_clear(&window));
}

Test(window, ends_at_what_was_refused_until_it_comes_again)
{
	struct window_entry *a = arrive("a", "1"), *b = arrive("b", "2"),
			    *c = arrive("c", "3");

	window_refuse(&window, b);
	window_acknowledge(&window, a);
	expect("1");
	window_acknowledge(&window, c);
	window_acknowledge(&window, arrive("d", "4"));
	expect(NULL);
	cr_expect(!window_is_clear(&window));
	cr_expect_eq(arrive("b", "2"), b, "it has its old place");
	window_acknowledge(&window, b);
	expect("4");
	cr_expect(window_is_clear(&window));
}

Test(window, does_not_grow_with_what_is_acknowledged)
{
	struct window_entry *first = arrive("first", "0");

	for (int i = 0; i < 1000; i++)
		window_acknowledge(&window, arrive("x", "1"));
	cr_expect_leq(window.count, 2);
	window_acknowledge(&window, first);
	expect("1");
	cr_expect_eq(window.count, 0);
}

Test(window, stays_where_it_is_after_too_many_gaps)
{
	char id[16];

	for (int i = 0; i <= WINDOW_GAPS_MAX; i++) {
		snprintf(id, sizeof(id), "%d", i);
		window_refuse(&window, arrive(id, "1"));
	}
	cr_expect_null(arrive("0", "1"));
	window_acknowledge(&window, NULL);
	expect(NULL);
	cr_expect(!window_is_clear(&window));
}

/* It was given twice at a time, so one answer is enough for both. */
Test(window, has_one_gap_for_a_message_that_was_refused_twice)
{
	struct window_entry *a = arrive("a", "1"), *b = arrive("b", "2"),
			    *again = arrive("a", "3");

	window_refuse(&window, again);
	window_refuse(&window, a);
	window_acknowledge(&window, b);
	expect(NULL);
	cr_expect_eq(arrive("a", "1"), a, "the earlier place");
	window_acknowledge(&window, a);
	expect("3");
	cr_expect(window_is_clear(&window));
}

Test(window, does_not_count_a_gap_twice)
{
	for (int i = 0; i < 2 * WINDOW_GAPS_MAX; i++) {
		struct window_entry *first = arrive("a", "1");

		window_refuse(&window, arrive("a", "2"));
		window_refuse(&window, first);
	}
	cr_expect_eq(window.count, 2);
	window_acknowledge(&window, arrive("a", "1"));
	expect("2");
}

Test(window, finds_each_of_many_gaps_among_what_is_open)
{
	struct window_entry *open[1000], *gaps[1000];
	char id[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "open%d", i);
		open[i] = arrive(id, NULL);
		snprintf(id, sizeof(id), "gap%d", i);
		gaps[i] = arrive(id, "1");
		window_refuse(&window, gaps[i]);
	}
	for (int i = 999; i >= 0; i--) {
		snprintf(id, sizeof(id), "gap%d", i);
		cr_expect_eq(arrive(id, "1"), gaps[i]);
		window_acknowledge(&window, gaps[i]);
		window_acknowledge(&window, open[i]);
	}
	expect("1");
	cr_expect(window_is_clear(&window));
}
