/* wheel: never early, at most a tick late, whatever the distance. */
#include <criterion/criterion.h>

#include "proto/util/wheel.h"

static struct wheel wheel;
static uint64_t now_ms;

struct probe {
	struct wheel_timer timer;
	uint64_t fired_ms;
	unsigned fired;
	struct probe *clears, *sets; /* what firing does to others */
};

static void
probe_fire(struct wheel_timer *t)
{
	struct probe *p = container_of(t, struct probe, timer);

	p->fired++;
	p->fired_ms = now_ms;
	cr_expect_not(wheel_timer_is_set(t));
	if (p->clears)
		wheel_clear(&wheel, &p->clears->timer);
	if (p->sets)
		wheel_set(&wheel, &p->sets->timer, now_ms + 5);
}

static void
turn_until(uint64_t until_ms, uint64_t step_ms)
{
	for (; now_ms < until_ms; now_ms += step_ms)
		wheel_turn(&wheel, now_ms);
}

static void
start(void)
{
	now_ms = 123457;
	wheel_init(&wheel, now_ms);
}

Test(wheel, fires_once_and_on_time, .init = start)
{
	static const uint64_t away_ms[] = {0, 1, 19, 20, 21, 999, 81919, 81920,
		81921, 163839, 163840, 1000003};
	enum { N = sizeof(away_ms) / sizeof(*away_ms) };
	struct probe p[N] = {0};
	uint64_t begin_ms = now_ms;

	for (int i = 0; i < N; i++) {
		wheel_timer_init(&p[i].timer, probe_fire);
		wheel_set(&wheel, &p[i].timer, begin_ms + away_ms[i]);
	}
	cr_expect_eq(wheel.armed, N);
	turn_until(begin_ms + 1001000, 7);
	for (int i = 0; i < N; i++) {
		cr_expect_eq(p[i].fired, 1, "%d fired %u", i, p[i].fired);
		cr_expect_geq(p[i].fired_ms, begin_ms + away_ms[i]);
		cr_expect_leq(p[i].fired_ms,
			begin_ms + away_ms[i] + WHEEL_TICK_MS + 7);
	}
	cr_expect_eq(wheel.armed, 0);
}

Test(wheel, a_cleared_or_moved_timer_does_not_fire_at_its_old_time,
	.init = start)
{
	struct probe cleared = {0}, moved = {0};

	wheel_timer_init(&cleared.timer, probe_fire);
	wheel_timer_init(&moved.timer, probe_fire);
	wheel_set(&wheel, &cleared.timer, now_ms + 100);
	wheel_set(&wheel, &moved.timer, now_ms + 100);
	wheel_set(&wheel, &moved.timer, now_ms + 500);
	wheel_clear(&wheel, &cleared.timer);
	wheel_clear(&wheel, &cleared.timer);
	cr_expect_eq(wheel.armed, 1);
	turn_until(now_ms + 400, 10);
	cr_expect_eq(cleared.fired + moved.fired, 0);
	turn_until(now_ms + 400, 10);
	cr_expect_eq(cleared.fired, 0);
	cr_expect_eq(moved.fired, 1);
}

Test(wheel, firing_may_clear_a_neighbour_and_set_itself, .init = start)
{
	struct probe first = {0}, second = {0}, third = {0};

	wheel_timer_init(&first.timer, probe_fire);
	wheel_timer_init(&second.timer, probe_fire);
	wheel_timer_init(&third.timer, probe_fire);
	first.clears = &second;
	third.sets = &third;
	wheel_set(&wheel, &first.timer, now_ms + 50);
	wheel_set(&wheel, &second.timer, now_ms + 50);
	wheel_set(&wheel, &third.timer, now_ms + 50);
	turn_until(now_ms + 200, 10);
	cr_expect_eq(first.fired, 1);
	cr_expect_eq(second.fired, 0);
	cr_expect_geq(third.fired, 3);
	cr_expect_eq(wheel.armed, 1);
}

Test(wheel, a_long_pause_fires_all_that_came_due, .init = start)
{
	struct probe p[100] = {0};

	for (int i = 0; i < 100; i++) {
		wheel_timer_init(&p[i].timer, probe_fire);
		wheel_set(&wheel, &p[i].timer, now_ms + (uint64_t)i * 3000);
	}
	now_ms += 10 * 60 * 1000;
	wheel_turn(&wheel, now_ms);
	for (int i = 0; i < 100; i++)
		cr_expect_eq(p[i].fired, 1);
}

static unsigned earlier;

static void
note_earlier(struct wheel *w)
{
	earlier++;
	cr_expect_eq(w, &wheel);
}

/* An owner that sleeps as planned: the same times with a fraction of the
 * turns. */
Test(wheel, who_sleeps_as_planned_is_never_late, .init = start)
{
	static const uint64_t away_ms[] = {5, 300, 90000, 200000, 40};
	enum { N = sizeof(away_ms) / sizeof(*away_ms) };
	struct probe p[N] = {0};
	uint64_t due_ms[N];
	unsigned turns = 0;

	wheel.on_earlier = note_earlier;
	cr_expect_eq(wheel_plan(&wheel), WHEEL_NEVER);
	for (int i = 0; i < N; i++) {
		wheel_timer_init(&p[i].timer, probe_fire);
		due_ms[i] = now_ms + away_ms[i];
		wheel_set(&wheel, &p[i].timer, due_ms[i]);
	}
	cr_expect_eq(earlier, 1, "only the first is before what was planned");
	while (wheel.armed) {
		uint64_t next = wheel.planned * WHEEL_TICK_MS;

		cr_assert_neq(wheel.planned, WHEEL_NEVER);
		now_ms = next > now_ms ? next : now_ms;
		wheel_turn(&wheel, now_ms);
		wheel_plan(&wheel);
		turns++;
	}
	for (int i = 0; i < N; i++) {
		cr_expect_geq(p[i].fired_ms, due_ms[i]);
		cr_expect_leq(p[i].fired_ms, due_ms[i] + WHEEL_TICK_MS);
	}
	cr_expect_leq(turns, 2 * N, "%u turns", turns);
	cr_expect_eq(wheel.planned, WHEEL_NEVER);
}

Test(wheel, an_earlier_deadline_after_a_long_sleep_wakes, .init = start)
{
	struct probe late = {0}, soon = {0};

	wheel.on_earlier = note_earlier;
	wheel_plan(&wheel);
	wheel_timer_init(&late.timer, probe_fire);
	wheel_timer_init(&soon.timer, probe_fire);
	wheel_set(&wheel, &late.timer, now_ms + 70000);
	earlier = 0;
	now_ms += 50000; /* nothing turned meanwhile */
	wheel_set(&wheel, &soon.timer, now_ms + 100);
	cr_expect_eq(earlier, 1);
	now_ms += 100 + WHEEL_TICK_MS;
	wheel_turn(&wheel, now_ms);
	cr_expect_eq(soon.fired, 1);
	cr_expect_eq(late.fired, 0);
	wheel_plan(&wheel);
	now_ms += 20000;
	wheel_turn(&wheel, now_ms);
	cr_expect_eq(late.fired, 1);
}
