/* Lanes: order within one, turns between them, and the bound. */
#include <criterion/criterion.h>

#include "supervisor/channel/lanes.h"

static struct lanes lanes;
static struct lane_item items[8];

static void
close_lanes(void)
{
	for (size_t i = 0; i < 8; i++)
		lanes_remove(&items[i]);
	cr_expect_eq(lanes.count, 0);
	cr_expect_eq(lanes.busy, 0);
	cr_expect_eq(lanes.by_key.count, 0);
	lanes_finish(&lanes);
}

static void
open_lanes(void)
{
	lanes_init(&lanes, 2);
}

TestSuite(lanes, .init = open_lanes, .fini = close_lanes);

static void
push(const char *keys)
{
	for (int i = 0; keys[i]; i++)
		lanes_push(&lanes, (struct bytes){&keys[i], 1}, &items[i]);
}

static void
expect(int index)
{
	struct lane_item *item = lanes_begin(&lanes);

	if (index < 0)
		cr_expect_null(item);
	else
		cr_expect_eq(item, &items[index], "%ld", item - items);
}

Test(lanes, have_one_item_in_progress_each)
{
	push("aab");
	expect(0);
	expect(2);
	expect(-1);
	lanes_remove(&items[0]);
	expect(1);
	expect(-1);
	lanes_remove(&items[1]);
	lanes_remove(&items[2]);
	expect(-1);
}

Test(lanes, are_bounded_side_by_side_and_take_turns)
{
	push("aabbcc");
	expect(0);
	expect(2);
	expect(-1);
	lanes_remove(&items[0]);
	expect(4); /* c has not had a turn */
	lanes_remove(&items[2]);
	expect(1);
	lanes_remove(&items[4]);
	expect(3);
}

Test(lanes, keep_their_order_when_an_item_goes_back)
{
	push("aab");
	expect(0);
	lanes_return(&items[0]);
	expect(2);
	expect(0);
	lanes_remove(&items[0]);
	expect(1);
}

Test(lanes, that_pause_let_others_begin)
{
	push("aabcd");
	expect(0);
	expect(2);
	expect(-1);
	lanes_pause(&items[0]);
	expect(3);
	expect(-1);
	lanes_return(&items[0]); /* its turn is after d */
	lanes_remove(&items[2]);
	expect(4);
	lanes_remove(&items[3]);
	expect(0);
	lanes_pause(&items[0]);
	lanes_remove(&items[0]);
	expect(1);
}

Test(lanes, with_urgent_items_go_first)
{
	push("abcac");
	lanes_set_urgent(&items[4], true);
	lanes_set_urgent(&items[3], true);
	cr_expect_eq(lanes_begin_urgent(&lanes), &items[2]); /* before it */
	lanes_remove(&items[2]);
	cr_expect_eq(lanes_begin_urgent(&lanes), &items[0]);
	lanes_set_urgent(&items[3], false);
	lanes_remove(&items[0]);
	cr_expect_eq(lanes_begin_urgent(&lanes), &items[4]);
	cr_expect_null(lanes_begin_urgent(&lanes));
	lanes_remove(&items[4]);
	cr_expect_null(lanes_begin_urgent(&lanes));
	expect(1);
	expect(3);
}

Test(lanes, go_on_when_one_that_waits_is_taken_out)
{
	push("aaa");
	expect(0);
	lanes_remove(&items[1]);
	lanes_remove(&items[0]);
	expect(2);
}
