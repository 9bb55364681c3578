/* alarm: all due times in one heap, and one timer of the kernel for the first
 * of them. It is a timerfd on the wall clock that is cancelled when that clock
 * is set (TFD_TIMER_CANCEL_ON_SET). libev's periodic timers are not used: they
 * notice a step only when the loop wakes for another reason, and not by how
 * much. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/schedule/parts.h"

/* Of a loop turn; what is due beyond it waits for the next one. */
#define TURN_US 2000
int64_t
alarm_now_ms(void)
{
	return (int64_t)clock_wall_ms();
}

static int64_t
boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Time asleep is no step, so the other clock is one that goes on meanwhile.
 * Between two readings this process may be preempted: the closest pair of a few
 * counts. */
static int64_t
wall_less_boot(void)
{
	int64_t best = INT64_MAX, result = 0;

	for (int i = 0; i < 8 && best > 0; i++) {
		int64_t before = boot_ms(), wall = alarm_now_ms();
		int64_t between = boot_ms() - before;

		if (between < best) {
			best = between;
			result = wall - before;
		}
	}
	return result;
}

/* ---- the heap ---- */

static void
put(struct schedules *all, uint32_t place, struct schedule *s)
{
	all->heap[place] = s;
	s->in_heap = place;
}

static void
rise(struct schedules *all, struct schedule *s)
{
	uint32_t place = s->in_heap;

	for (; place; place = (place - 1) / 2) {
		struct schedule *above = all->heap[(place - 1) / 2];

		if (above->due_ms <= s->due_ms)
			break;
		put(all, place, above);
	}
	put(all, place, s);
}

static void
sink(struct schedules *all, struct schedule *s)
{
	uint32_t place = s->in_heap;

	for (;;) {
		uint32_t below = 2 * place + 1;

		if (below >= all->heap_count)
			break;
		if (below + 1 < all->heap_count &&
			all->heap[below + 1]->due_ms < all->heap[below]->due_ms)
			below++;
		if (all->heap[below]->due_ms >= s->due_ms)
			break;
		put(all, place, all->heap[below]);
		place = below;
	}
	put(all, place, s);
}

void
alarm_clear(struct schedule *s)
{
	struct schedules *all = s->set->schedules;
	struct schedule *last;
	uint32_t place = s->in_heap;

	if (place == NOT_IN_HEAP)
		return;
	s->in_heap = NOT_IN_HEAP;
	last = all->heap[--all->heap_count];
	if (last == s)
		return;
	put(all, place, last);
	rise(all, last);
	sink(all, last);
}

void
alarm_set(struct schedule *s)
{
	struct schedules *all = s->set->schedules;

	if (s->due_ms == WHEN_NEVER) {
		alarm_clear(s);
		return;
	}
	if (s->in_heap == NOT_IN_HEAP) {
		if (all->heap_count == all->heap_capacity) {
			all->heap_capacity = all->heap_capacity * 2 + 16;
			all->heap = memory_resize(all->heap,
				all->heap_capacity * sizeof(*all->heap));
		}
		put(all, all->heap_count++, s);
	}
	rise(all, s);
	sink(all, s);
}

/* ---- the timer ---- */

void
alarm_arm(struct schedules *all)
{
	struct itimerspec at = {0};
	int64_t due = all->heap_count ? all->heap[0]->due_ms : 0;

	if (all->timer_fd < 0)
		return;
	if (due < 1)
		due = all->heap_count ? 1 : 0;
	if (all->gateway->stopping)
		due = 0; /* disarmed */
	at.it_value.tv_sec = due / 1000;
	at.it_value.tv_nsec = due % 1000 * 1000000;
	if (timerfd_settime(all->timer_fd,
		    TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at,
		    NULL) == 0)
		return;
	if (errno != ECANCELED) {
		log_error("cannot set the timer of schedules: %s",
			strerror(errno));
		return;
	}
	/* the clock was set just now; a read will not say so again */
	all->clock_was_set = true;
	ev_feed_event(all->gateway->loop, &all->timer, EV_READ);
}

/* The clock was set: `every` is moved along with it. */
static void
follow_clock(struct schedules *all, int64_t now_ms)
{
	int64_t now = wall_less_boot(), change = now - all->wall_less_boot_ms;

	all->clock_was_set = false;
	all->wall_less_boot_ms = now;
	if (!change)
		return;
	log_info("the clock was set by %+.3f s", (double)change / 1e3);
	for (uint32_t i = 0; i < all->heap_count; i++)
		tick_step(all->heap[i], change, now_ms);
	for (uint32_t i = all->heap_count; i; i--)
		sink(all, all->heap[i - 1]);
}

static void
is_due(struct ev_loop *loop, ev_io *io, int events)
{
	struct schedules *all = container_of(io, struct schedules, timer);
	uint64_t begin_us = clock_us(), expirations;
	int64_t now_ms = alarm_now_ms();

	(void)loop, (void)events;
	if (read(all->timer_fd, &expirations, sizeof(expirations)) < 0 &&
		errno == ECANCELED)
		all->clock_was_set = true;
	if (all->gateway->stopping)
		return;
	if (all->clock_was_set)
		follow_clock(all, now_ms);
	while (all->heap_count && all->heap[0]->due_ms <= now_ms &&
		clock_us() - begin_us < TURN_US)
		tick_is_due(all->heap[0], now_ms);
	alarm_arm(all);
}

void
alarm_init(struct schedules *all)
{
	all->wall_less_boot_ms = wall_less_boot();
	all->timer_fd =
		timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (all->timer_fd < 0) {
		log_error("cannot make the timer of schedules, which will not "
			  "run: %s",
			strerror(errno));
		return;
	}
	ev_io_init(&all->timer, is_due, all->timer_fd, EV_READ);
	ev_io_start(all->gateway->loop, &all->timer);
}

void
alarm_finish(struct schedules *all)
{
	if (all->timer_fd >= 0) {
		ev_io_stop(all->gateway->loop, &all->timer);
		close(all->timer_fd);
	}
	free(all->heap);
}
