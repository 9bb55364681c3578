/* loop: stops reload loops: a plugin that writes into its own package when it
 * starts, two that write into each other's, a build that changes its sources.
 * A change counts as caused by a reload if the file's times lie within that
 * reload, and possibly if it comes right after it. After several reloads that
 * caused each other, further ones are delayed, and finally not made. A change
 * at any other time is the user's and is acted on at once. */
#include <time.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "proto/value.h"
#include "supervisor/gateway/news.h"
#include "supervisor/watch/parts.h"

#define LATE_MS 1000 /* and two debounces: right after a reload */

enum cause { CAUSE_NONE, CAUSE_LATE, CAUSE_BUILD, CAUSE_RELOAD };

/* The clock of file times, which is up to a tick behind clock_wall_ms(). */
static uint64_t
file_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t
debounce_of(const struct watched *d)
{
	return d->watch->gateway->config->reload.debounce_ms;
}

static bool
is_within(const struct watch_loop *l, uint64_t at_ms)
{
	return l->from_ms && at_ms >= l->from_ms &&
	       (!l->until_ms || at_ms < l->until_ms);
}

/* The one that was being reloaded; itself if there are several. */
static const struct watched *
reloaded_at(const struct watched *d, uint64_t at_ms)
{
	if (is_within(&d->loop, at_ms))
		return d;
	list_for_each (node, &d->watch->all) {
		const struct watched *other =
			container_of(node, struct watched, node);

		if (is_within(&other->loop, at_ms))
			return other;
	}
	return NULL;
}

static enum cause
cause_of(const struct watched *d, const struct watch_change *c,
	const struct watched **by_out)
{
	*by_out = c->at_ms ? reloaded_at(d, c->at_ms) : NULL;
	if (c->is_of_build)
		return CAUSE_BUILD;
	if (*by_out)
		return CAUSE_RELOAD;
	return d->loop.ended_ms && d->pending_ms <= d->loop.ended_ms + LATE_MS +
							    2 * debounce_of(d)
		       ? CAUSE_LATE
		       : CAUSE_NONE;
}

/* ---- what follows ---- */

static void
resume(struct wheel_timer *timer)
{
	round_begin(container_of(timer, struct watched, loop.resume));
}

static char *
sentence(const struct watched *d, enum cause cause, const struct watched *by)
{
	const char *file = d->file[0] ? d->file : "a file";

	if (cause == CAUSE_BUILD)
		return memory_format("each build changes %s, which it is built "
				     "from",
			file);
	if (cause == CAUSE_LATE)
		return memory_format(
			"%s changes again right after each reload", file);
	return memory_format("%s changes whenever %s is reloaded", file,
		by == d ? "it" : by->key);
}

static void
tell(struct watched *d, enum cause cause, const struct watched *by,
	uint64_t wait_ms)
{
	struct plugin *p = watched_plugin(d);
	char *what = sentence(d, cause, by), *text;

	if (wait_ms)
		text = memory_format("%s; reloads for that reason wait, this "
				     "one for %.0f s. Unless users save the "
				     "file, add it to watch.ignore",
			what, (double)wait_ms / 1e3);
	else
		text = memory_format("%s; no more reloads for that reason. A "
				     "plugin should write to $SUPD_DATA_DIR; "
				     "add other files to watch.ignore",
			what);
	log_warn("%s: %s", d->key, text);
	if (p)
		news_plugin(p, "watch.looping",
			json_pack("{s:o, s:b}", "text", value_text(text),
				"stopped", wait_ms == 0));
	free(text);
	free(what);
}

static unsigned
beyond(unsigned count, unsigned most)
{
	return count > most ? count - most : 0;
}

/* number: how many reloads beyond those that need not wait. */
static void
put_off(struct watched *d, enum cause cause, const struct watched *by,
	unsigned number)
{
	struct watch_loop *l = &d->loop;
	uint64_t wait_ms =
		debounce_of(d) * WATCH_SLOW_DEBOUNCES
		<< (number < WATCH_SLOWED_MAX ? number - 1
					      : WATCH_SLOWED_MAX - 1);
	bool stops = cause == CAUSE_RELOAD && number > WATCH_SLOWED_MAX &&
		     !round_builds(d);

	if (stops) {
		if (!l->is_looping)
			tell(d, cause, by, 0);
		l->is_stopped = l->is_looping = true;
		return;
	}
	if (wheel_timer_is_set(&l->resume))
		return;
	wheel_set(d->watch->gateway->workers.wheel, &l->resume,
		clock_ms() + wait_ms);
	if (!l->is_told)
		tell(d, cause, by, wait_ms);
	l->is_told = true;
}

static bool
allows_other(struct watched *d)
{
	struct watch_loop *l = &d->loop;

	l->depth = 0;
	if (!l->is_followed) {
		l->late = 0;
		l->is_told = l->is_looping = false;
	}
	if (wheel_timer_is_set(&l->resume) && l->late > WATCH_LATE_MAX)
		return false; /* the reload that waits has the change */
	l->is_stopped = false;
	wheel_clear(d->watch->gateway->workers.wheel, &l->resume);
	return true;
}

bool
loop_allows(struct watched *d, const struct watch_change *c)
{
	struct watch_loop *l = &d->loop;
	const struct watched *by;
	enum cause cause = cause_of(d, c, &by);
	unsigned number;

	if (cause == CAUSE_NONE)
		return allows_other(d);
	l->is_followed = true;
	l->depth = cause == CAUSE_LATE ? 0 : (by ? by : d)->loop.depth + 1;
	if (cause == CAUSE_LATE)
		number = beyond(++l->late, WATCH_LATE_MAX);
	else if (l->is_looping)
		number = WATCH_SLOWED_MAX + 1;
	else
		number = beyond(l->depth, WATCH_CAUSED_MAX);
	if (number)
		put_off(d, cause, by, number);
	return !number;
}

/* ---- reloads ---- */

void
loop_init(struct watched *d)
{
	wheel_timer_init(&d->loop.resume, resume);
}

void
loop_finish(struct watched *d)
{
	wheel_clear(d->watch->gateway->workers.wheel, &d->loop.resume);
}

void
loop_reload_begins(struct watched *d)
{
	d->loop.from_ms = file_clock_ms();
	d->loop.until_ms = 0;
}

void
loop_reload_ends(struct watched *d)
{
	d->loop.until_ms = file_clock_ms();
	d->loop.ended_ms = clock_ms();
}
