/* hold: order, limits, and counts that always fit the queue. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "supervisor/route/hold.h"

enum { COUNT = 8 };

static struct request all[COUNT];
static struct hold hold;

static void
fill(void)
{
	for (uint32_t i = 0; i < COUNT; i++)
		all[i] = (struct request){
			.id = i + 1, .accepted_us = 100 + i, .held_bytes = 10};
}

static void
expect_order(const char *want)
{
	struct request *r;

	for (; *want; want++) {
		cr_assert((r = hold_pop(&hold)));
		cr_expect_eq(r->id, (uint32_t)(*want - '0'));
		cr_expect_eq(r->where, REQUEST_NOWHERE);
	}
	cr_expect_null(hold_pop(&hold));
	cr_expect_eq(hold.count, 0);
	cr_expect_eq(hold.bytes, 0);
}

Test(hold, releases_in_order, .init = fill)
{
	hold_init(&hold, 100, 1000);
	cr_expect_null(hold_pop(&hold));
	for (int i = 0; i < 4; i++) {
		cr_assert(hold_push(&hold, &all[i]));
		cr_expect_eq(all[i].where, REQUEST_HELD);
	}
	cr_expect_eq(hold.count, 4);
	cr_expect_eq(hold.bytes, 40);
	hold_remove(&hold, &all[2]);
	cr_expect_eq(hold.bytes, 30);
	expect_order("124");
	cr_expect_eq(hold.held_total, 4);
}

Test(hold, refuses_and_counts_what_exceeds_the_count, .init = fill)
{
	hold_init(&hold, 2, 1000);
	cr_expect(hold_push(&hold, &all[0]));
	cr_expect(hold_push(&hold, &all[1]));
	cr_expect(!hold_push(&hold, &all[2]));
	cr_expect(!hold_return(&hold, &all[3]));
	cr_expect_eq(all[2].where, REQUEST_NOWHERE);
	cr_expect_eq(hold.overflow_total, 2);
	hold_pop(&hold);
	cr_expect(hold_push(&hold, &all[2]));
	expect_order("23");
}

Test(hold, refuses_what_exceeds_the_bytes, .init = fill)
{
	hold_init(&hold, 100, 25);
	cr_expect(hold_push(&hold, &all[0]));
	cr_expect(hold_push(&hold, &all[1]));
	cr_expect(!hold_push(&hold, &all[2]));
	all[3].held_bytes = 5;
	cr_expect(hold_push(&hold, &all[3]));
	all[4].held_bytes = SIZE_MAX;
	cr_expect(!hold_push(&hold, &all[4]));
	hold.bytes_max = 1; /* a new configuration */
	cr_expect(!hold_push(&hold, &all[5]));
	cr_expect_eq(hold.overflow_total, 3);
	expect_order("124");
}

Test(hold, replays_go_to_the_place_they_had, .init = fill)
{
	static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}};

	for (int k = 0; k < 3; k++) {
		hold_init(&hold, 100, 1000);
		cr_assert(hold_push(&hold, &all[3]));
		cr_assert(hold_push(&hold, &all[4]));
		for (int i = 0; i < 3; i++)
			cr_assert(hold_return(&hold, &all[orders[k][i]]));
		cr_assert(hold_return(&hold, &all[5]));
		expect_order("123456");
	}
}

Test(hold, requests_of_one_microsecond_keep_their_order, .init = fill)
{
	for (int i = 0; i < COUNT; i++)
		all[i].accepted_us = 5;
	hold_init(&hold, 100, 1000);
	cr_assert(hold_push(&hold, &all[2]));
	cr_assert(hold_return(&hold, &all[1]));
	cr_assert(hold_return(&hold, &all[0]));
	cr_assert(hold_return(&hold, &all[3]));
	expect_order("1234");
}

/* Each comparison of the search would be a step over what came back before. */
Test(hold, many_that_come_back_in_order_are_not_searched_for)
{
	enum { MANY = 20000 };
	struct request *many = calloc(MANY, sizeof(*many));
	uint64_t now = 100;

	hold_init(&hold, MANY, SIZE_MAX);
	for (uint32_t i = 0; i < MANY; i++) {
		many[i] = (struct request){.id = i + 1, .accepted_us = now++};
		cr_assert(hold_return(&hold, &many[i]));
		cr_expect_eq(hold.returned, &many[i]);
		cr_expect_eq(hold.queue.previous, &many[i].node);
	}
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert_eq(hold_pop(&hold), &many[i]);
	cr_expect_null(hold.returned);
	free(many);
}

Test(hold, what_came_back_last_is_no_guide_once_it_is_gone_or_later,
	.init = fill)
{
	hold_init(&hold, 100, 1000);
	cr_assert(hold_return(&hold, &all[5]));
	cr_assert(hold_return(&hold, &all[2]));
	cr_assert(hold_return(&hold, &all[3]));
	hold_remove(&hold, &all[3]);
	cr_assert(hold_return(&hold, &all[4]));
	cr_assert(hold_return(&hold, &all[0]));
	expect_order("1356");
}
