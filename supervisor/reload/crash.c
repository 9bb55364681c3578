/* crash: restarts plugins whose worker died: at once if the worker had served,
 * with growing pauses if not, and gives up after too many early deaths. A start
 * that failed because a resource ran out is retried until it succeeds. */
#include "supervisor/reload/crash.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/cause.h"
#include "supervisor/reload/older.h"
#include "supervisor/reload/transaction.h"

/* The pause doubles with each consecutive failure after the first. */
static int64_t
pause_after(unsigned failures, int64_t first_ms, int64_t last_ms, double jitter)
{
	int64_t pause = first_ms;

	while (--failures && pause < last_ms)
		pause *= 2;
	if (pause > last_ms)
		pause = last_ms;
	return pause - (int64_t)((double)pause * jitter / 4);
}

int64_t
crash_note_starved(struct crash_history *h, double jitter)
{
	return pause_after(++h->starved, CRASH_STARVED_FIRST_MS,
		CRASH_STARVED_LAST_MS, jitter);
}

int64_t
crash_note_early(struct crash_history *h, uint64_t now_ms, unsigned early_max,
	uint64_t within_ms, double jitter)
{
	if (h->early_deaths && now_ms - h->first_ms > within_ms)
		h->early_deaths = 0;
	if (!h->early_deaths)
		h->first_ms = now_ms;
	if (++h->early_deaths >= early_max)
		return -1;
	return pause_after(h->early_deaths, CRASH_FIRST_DELAY_MS,
		CRASH_LAST_DELAY_MS, jitter);
}

/* Adds why the package or other stages were not started, which the failure of
 * the last start alone does not say. */
static void
name_other_causes(struct plugin *p)
{
	size_t length = strlen(p->failure);
	const char *others =
		p->store.older_generation ? p->older_reason : p->stage_damaged;

	if (!p->store.proven_generation && others)
		text_format(p->failure + length, sizeof(p->failure) - length,
			"; %s", others);
}

static void
give_up(struct plugin *p)
{
	struct log_subject subject = {.plugin = p->id};

	p->given_up = true;
	name_other_causes(p);
	log_write(LOG_ERROR, &subject,
		"plugin failed: crashed %u time%s during start; giving up "
		"until reloaded, started or changed: %s",
		p->crash.early_deaths, p->crash.early_deaths == 1 ? "" : "s",
		p->failure);
	news_failed(p);
	dispatch_fail_held(p->gateway, p, REQUEST_UNAVAILABLE);
}

static bool
begin(struct plugin *p, enum plugin_source from)
{
	struct reload_options options = {.trigger = "crash", .source = from};

	if (from == PLUGIN_FROM_STAGE && !p->store.proven_generation)
		options.source = PLUGIN_FROM_PACKAGE;
	if (reload_begin(p->gateway, p, &options, NULL, NULL, NULL) !=
		RELOAD_ACCEPTED)
		return false;
	cause_note(
		p, cause_create("%s", p->last_crash && !p->crash.early_deaths &&
						      !p->crash.starved
					      ? p->last_crash
					      : p->failure));
	return true;
}

static void
begin_restart(struct plugin *p)
{
	p->counters.restarts += begin(p, PLUGIN_FROM_STAGE);
}

static void
restart_due(struct wheel_timer *t)
{
	begin_restart(container_of(t, struct plugin, restart));
}

/* The pause is over: retries the restart or start. */
static void
retry_due(struct wheel_timer *t)
{
	struct plugin *p = container_of(t, struct plugin, restart);

	if (p->crash.retry_from == PLUGIN_FROM_OLDER_STAGE)
		older_begin_again(p);
	else if (begin(p, p->crash.retry_from))
		p->reload->is_retry = true;
}

static void
report_starved(struct plugin *p)
{
	struct log_subject subject = {.plugin = p->id};

	log_write(LOG_WARN, &subject,
		"cannot start now, because space, memory, descriptors or "
		"processes ran out; trying again with pauses of %d s at first "
		"and of %d s at most: %s",
		CRASH_STARVED_FIRST_MS / 1000, CRASH_STARVED_LAST_MS / 1000,
		p->failure);
	news_starved(p);
}

void
crash_restart(struct plugin *p, bool served)
{
	struct gateway *g = p->gateway;
	int64_t delay;

	if (g->stopping || p->stopped || p->removed || !p->enabled)
		return;
	if (served) {
		crash_forget(p);
		begin_restart(p);
		return;
	}
	delay = crash_note_early(&p->crash, clock_ms(),
		p->config->limits.crash.early_max,
		p->config->limits.crash.within_ms, drand48());
	if (delay < 0) {
		give_up(p);
		return;
	}
	p->restart.fire = restart_due;
	wheel_set(&g->wheel, &p->restart, clock_ms() + (uint64_t)delay);
}

void
crash_retry(struct plugin *p, enum plugin_source from)
{
	struct gateway *g = p->gateway;

	int64_t pause;

	if (g->stopping || p->stopped || p->removed || !p->enabled)
		return;
	p->given_up = false;
	p->crash.retry_from = from;
	pause = crash_note_starved(&p->crash, drand48());
	if (p->crash.starved == 1)
		report_starved(p);
	p->restart.fire = retry_due;
	wheel_set(&g->wheel, &p->restart, clock_ms() + (uint64_t)pause);
}

void
crash_forget(struct plugin *p)
{
	struct gateway *g = p->gateway;

	p->given_up = false;
	p->crash.early_deaths = p->crash.starved = 0;
	wheel_clear(&g->wheel, &p->restart);
}
