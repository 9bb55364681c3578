/* Gates: what is behind a refused message of its lane does not overtake it. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "supervisor/channel/gates.h"

#define OWNER 7

static struct gates gates;

static void
open_gates(void)
{
	gates_init(&gates);
}

static void
close_gates(void)
{
	gates_finish(&gates);
}

TestSuite(gates, .init = open_gates, .fini = close_gates);

static uint64_t
enter(const char *lane)
{
	return gates_enter(&gates, bytes_of(lane));
}

static bool
leave(const char *lane, uint64_t number)
{
	return gates_leave(&gates, bytes_of(lane), number);
}

static void
shut(const char *lane, const char *id, uint64_t number)
{
	gates_shut(&gates, bytes_of(lane), bytes_of(id), number, OWNER, 1000);
}

static bool
is_shut(const char *lane, const char *id)
{
	return gates_are_shut(&gates, bytes_of(lane), bytes_of(id), 1000);
}

Test(gates, are_shut_until_the_refused_message_comes_again)
{
	cr_expect_not(is_shut("a", "1"));
	shut("a", "1", 0);
	cr_expect(is_shut("a", "2"));
	cr_expect_not(is_shut("b", "2"));
	cr_expect(is_shut("a", "3"));
	cr_expect_not(is_shut("a", "1"));
	cr_expect_not(is_shut("a", "2"));
	cr_expect_eq(gates.by_lane.count, 0);
}

Test(gates, say_what_was_on_its_way_behind_a_refused_message)
{
	uint64_t first = enter("a"), second = enter("a"), other = enter("b");

	cr_expect_not(leave("a", first));
	shut("a", "1", first);
	cr_expect(leave("a", second));
	cr_expect_not(leave("b", other));
}

Test(gates, stay_shut_while_others_are_on_their_way)
{
	uint64_t first = enter("a"), second = enter("a");

	leave("a", first);
	shut("a", "1", first);
	cr_expect(is_shut("a", "1"));
	cr_expect(leave("a", second));
	cr_expect_not(is_shut("a", "1"));
}

/* A later one is refused at once, while the store has an earlier one. */
Test(gates, are_those_of_the_earliest_refused_message)
{
	uint64_t first = enter("a"), second = enter("a");

	shut("a", "3", 0);
	cr_expect_not(leave("a", first));
	cr_expect_not(leave("a", second));
	shut("a", "2", second);
	cr_expect(is_shut("a", "3"));
	cr_expect_not(is_shut("a", "2"));
}

Test(gates, open_when_their_owner_ends)
{
	uint64_t number;

	shut("a", "1", 0);
	number = enter("b");
	shut("b", "2", 0);
	gates_forget_owner(&gates, OWNER + 1);
	cr_expect(is_shut("a", "2"));
	gates_forget_owner(&gates, OWNER);
	cr_expect_not(is_shut("a", "2"));
	cr_expect(is_shut("b", "3"));
	leave("b", number);
	cr_expect_not(is_shut("b", "3"));
	cr_expect_eq(gates.by_lane.count, 0);
}

Test(gates, open_after_their_time)
{
	shut("a", "1", 0);
	cr_expect(gates_are_shut(
		&gates, BYTES("a"), BYTES("2"), 1000 + GATE_SHUT_MS - 1));
	cr_expect_not(gates_are_shut(
		&gates, BYTES("a"), BYTES("2"), 1000 + GATE_SHUT_MS));
}

Test(gates, are_bounded)
{
	char lane[16];

	for (int i = 0; i < GATES_MAX + 10; i++) {
		snprintf(lane, sizeof(lane), "lane%d", i);
		shut(lane, "1", 0);
	}
	cr_expect_eq(gates.shut_count, GATES_MAX);
	cr_expect_eq(gates.by_lane.count, GATES_MAX);
	cr_expect(is_shut("lane0", "2"));
	cr_expect_not(is_shut(lane, "2"));
}
