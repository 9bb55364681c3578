/* crash: restarts what died by itself: at once if it had served, with growing
 * pauses if not, and gives up after too many early deaths. */
#include "supervisor/gateway/crash.h"

#include <stdlib.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"

int64_t
crash_note_early(struct crash_history *h, uint64_t now_ms, unsigned early_max,
	uint64_t within_ms, double jitter)
{
	int64_t delay = CRASH_FIRST_DELAY_MS;

	if (h->early_deaths && now_ms - h->first_ms > within_ms)
		h->early_deaths = 0;
	if (!h->early_deaths)
		h->first_ms = now_ms;
	if (++h->early_deaths >= early_max)
		return -1;
	for (unsigned i = 1; i < h->early_deaths; i++)
		if ((delay *= 2) >= CRASH_LAST_DELAY_MS)
			break;
	if (delay > CRASH_LAST_DELAY_MS)
		delay = CRASH_LAST_DELAY_MS;
	return delay - (int64_t)((double)delay * jitter / 4);
}

static void
give_up(struct plugin *p)
{
	struct log_subject subject = {.plugin = p->id};

	p->given_up = true;
	log_write(LOG_ERROR, &subject,
		"plugin failed: %u early deaths, not tried again until a "
		"person or a new package wakes it: %s",
		p->crash.early_deaths, p->failure);
	news_failed(p);
	dispatch_fail_held(p->gateway, p, REQUEST_UNAVAILABLE);
}

static void
begin_restart(struct plugin *p)
{
	struct reload_options options = {
		.trigger = "crash",
		.from_stage = p->store.proven_generation != 0,
	};

	if (reload_begin(p->gateway, p, &options, NULL, NULL, NULL) ==
		RELOAD_ACCEPTED)
		p->counters.restarts++;
}

static void
restart_due(struct wheel_timer *t)
{
	begin_restart(container_of(t, struct plugin, restart));
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
crash_forget(struct plugin *p)
{
	struct gateway *g = p->gateway;

	p->given_up = false;
	p->crash.early_deaths = 0;
	wheel_clear(&g->wheel, &p->restart);
}
