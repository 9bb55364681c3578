/* The clock of schedules: the heap of due times, and what becomes of them when
 * the machine's clock is set. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "proto/util/clock.h"
#include "supervisor/schedule/parts.h"

#define SECOND 1000ll
#define HOUR (3600 * SECOND)
#define NOON 1795953600000ll /* 2026-11-29 12:00:00 */

static struct gateway gateway;
static struct schedules all;
static struct schedule_set set;
static struct error err;

static void
no_earlier(struct wheel *w)
{
}

static void
setup(void)
{
	wheel_init(&gateway.wheel, clock_ms());
	gateway.wheel.on_earlier = no_earlier;
	all.gateway = &gateway;
	all.timer_fd = -1;
	ledger_init(&all);
	set.plugin = plugin_create(0, "p");
	set.schedules = &all;
	list_init(&set.pending);
	list_init(&set.dirty_node);
}

TestSuite(schedule_clock, .init = setup);

/* Registered at noon, and due as `when` says. */
static struct schedule *
add(const char *name, const char *when)
{
	struct schedule *s = schedule_add(&set, bytes_of(name));

	cr_assert_eq(when_parse(&s->when, when, &err), 0, "%s", err.text);
	s->zone = zone_open("UTC", &err);
	s->catches_up = s->is_registered = true;
	s->anchor_ms = s->settled_ms = s->seen_ms = NOON;
	s->due_ms = when_next(&s->when, s->zone, NOON, NOON);
	alarm_set(s);
	return s;
}

Test(schedule_clock, the_first_of_the_heap_is_due_first)
{
	struct schedule *items[500];
	unsigned seed = 7;
	char name[16];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		items[i] = add(name, "every 1s");
	}
	for (int turn = 0; turn < 5000; turn++) {
		struct schedule *s = items[(unsigned)rand_r(&seed) % 500];

		if (rand_r(&seed) % 5 == 0) {
			alarm_clear(s);
		} else {
			s->due_ms = NOON + rand_r(&seed) % 100000;
			alarm_set(s);
		}
		for (int i = 0; i < 500 && turn % 100 == 0; i++)
			if (items[i]->in_heap != NOT_IN_HEAP)
				cr_assert_leq(
					all.heap[0]->due_ms, items[i]->due_ms);
	}
}

/* What is left until `every` is due is the same before and after, and no due
 * time has the name of an earlier one. */
Test(schedule_clock, every_goes_on_in_time_that_passed)
{
	static const long long changes[] = {
		HOUR, -HOUR, 7 * 24 * HOUR, -365 * 24 * HOUR, 10 * SECOND, 123};

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		struct schedule *s = add("every", "every 10s");
		long long due = s->due_ms, change = changes[i];

		tick_step(s, change, NOON + change);
		cr_expect_geq(s->due_ms - change, due);
		cr_expect_leq(s->due_ms - change, due + 1);
		cr_expect_neq((s->due_ms - due) % (10 * SECOND), 0);
		cr_expect_eq((s->due_ms - s->anchor_ms) % (10 * SECOND), 0);
		cr_expect_lt(s->settled_ms, s->due_ms);
	}
}

Test(schedule_clock, a_time_of_day_comes_once_if_the_clock_is_set_back)
{
	struct schedule *s = add("cron", "30 12 * * *");
	long long due = s->due_ms;

	/* it is 12:30, the tick has come, and then it is 12:00 once more */
	s->settled_ms = s->seen_ms = due;
	s->due_ms = when_next(&s->when, s->zone, NOON, due);
	alarm_set(s);
	due = s->due_ms;
	tick_step(s, -HOUR / 2, NOON);
	cr_expect_eq(s->due_ms, due, "it is due tomorrow");
	/* a clock that was wrong by more was wrong altogether */
	tick_step(s, -5 * 24 * HOUR, NOON - 5 * 24 * HOUR);
	cr_expect_eq(s->due_ms, NOON - 5 * 24 * HOUR + HOUR / 2);
}

Test(schedule_clock, what_the_clock_jumps_over_is_due_once)
{
	struct schedule *s = add("cron", "*/10 * * * *");

	tick_step(s, HOUR, NOON + HOUR);
	tick_is_due(s, NOON + HOUR);
	cr_expect_eq(s->pending_count, 6);
	cr_expect_eq(s->pending_ms, NOON + HOUR);
	cr_expect(s->is_delayed);
	cr_expect_eq(s->due_ms, NOON + HOUR + 600 * SECOND);
	/* nobody is there to take it: it waits, and stands for what follows */
	tick_is_due(s, NOON + HOUR + 600 * SECOND);
	cr_expect_eq(s->pending_count, 7);
	cr_expect_eq(s->settled_ms, NOON, "nothing is settled yet");
}

Test(schedule_clock, without_catch_up_what_nobody_takes_is_counted)
{
	struct schedule *s = add("cron", "*/10 * * * *");

	s->catches_up = false;
	tick_is_due(s, NOON + HOUR);
	cr_expect_eq(s->pending_count, 0);
	cr_expect_eq(s->missed, 6);
	cr_expect_eq(s->settled_ms, NOON + HOUR);
}
