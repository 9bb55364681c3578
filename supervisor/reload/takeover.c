/* takeover: passes what cannot exist twice from the old worker to its proven
 * successor: the old one quiesces, the new one takes. New requests are held
 * meanwhile. After any failure before the commit the old worker takes it back.
 * Whatever fails, never do two workers have it: a candidate that tried to take
 * is gone before the old worker is asked. */
#include <limits.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/transaction.h"

#define TRIES 3	      /* of each start by the candidate */
#define EPOCHS 3      /* taking, giving back, and a revert later */
#define LEAST_MS 1000 /* for all of it, if nothing may be held */
/* A job's own limit gives the better message, so the state's is later. */
#define SLACK_MS 100

/* ---- time ---- */

/* The time for all of it. */
static uint64_t
whole_ms(const struct reload *r)
{
	uint64_t hold_ms = r->plugin->config->limits.hold_timeout_ms;

	return hold_ms ? hold_ms * 3 / 4 : LEAST_MS;
}

uint64_t
takeover_most_ms(const struct reload *r)
{
	return whole_ms(r) + SLACK_MS;
}

/* A point of time, in quarters of the whole, which begins now or has begun. */
static uint64_t
at_quarter(const struct reload *r, unsigned quarter)
{
	uint64_t begun_ms =
		r->takeover.begun ? r->takeover.begun_us / 1000 : clock_ms();

	return begun_ms + whole_ms(r) * quarter / 4;
}

uint64_t
takeover_half(const struct reload *r)
{
	return at_quarter(r, 2);
}

uint64_t
takeover_quiesce_deadline(const struct reload *r)
{
	return at_quarter(r, 2) + SLACK_MS;
}

uint64_t
takeover_take_deadline(const struct reload *r)
{
	return at_quarter(r, 3) + SLACK_MS;
}

uint64_t
takeover_back_deadline(const struct reload *r)
{
	return at_quarter(r, 4) + SLACK_MS;
}

static struct reload *
reload_of(struct worker *w)
{
	return ((struct plugin *)w->owner)->reload;
}

/* ---- services beside each other, as part of the proof ---- */

bool
takeover_overlaps(const struct reload *r)
{
	return plugin_serving(r->plugin) && services_overlap(r->fresh);
}

uint64_t
takeover_overlap_deadline(const struct reload *r)
{
	return clock_ms() + r->config->limits.health_timeout_ms + SLACK_MS;
}

static void
advance_or_fail(struct worker *w, const struct error *err)
{
	struct reload *r = reload_of(w);

	if (err)
		reload_fail_with(r, err->text);
	else
		reload_advance(r);
}

void
takeover_overlap(struct reload *r)
{
	services_excuse(r->fresh, plugin_serving(r->plugin));
	services_begin(
		r->fresh, &(struct services_job){.which = SERVICES_OVERLAP,
				  .tries = TRIES,
				  .due_ms = clock_ms() +
					    r->config->limits.health_timeout_ms,
				  .done = advance_or_fail});
}

void
takeover_on_overlap_due(struct reload *r)
{
	reload_fail_with(r, "a service did not start in time");
}

/* ---- the old worker quiesces ---- */

bool
takeover_applies(const struct reload *r)
{
	const struct worker *old = plugin_serving(r->plugin);

	return old && (services_are_exclusive(old) ||
			      services_are_exclusive(r->fresh));
}

void
takeover_hold(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct worker *old = plugin_serving(p);

	if (keep_reserve_epochs(p, EPOCHS, &r->error) < 0) {
		reload_fail(r);
		return;
	}
	r->takeover.begun = true;
	r->takeover.begun_us = clock_us();
	p->is_held = p->keeps_held = true;
	p->hold_passes = old->id;
	services_excuse(r->fresh, old);
	services_excuse(old, old);
}

static void
quiesce(struct reload *r)
{
	services_begin(
		plugin_serving(r->plugin), &(struct services_job){.stops = true,
						   .which = SERVICES_EXCLUSIVE,
						   .due_ms = at_quarter(r, 2),
						   .done = advance_or_fail});
}

void
takeover_begin(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);

	if (old && r->force)
		worker_end_requests(old, "ended by a forced reload");
	old = plugin_serving(r->plugin);
	if (!old)
		reload_advance(r); /* the candidate takes */
	else if (r->force || worker_await_quiet(old, reload_owed(r, old)))
		quiesce(r);
}

void
takeover_on_quiet(struct reload *r)
{
	quiesce(r);
}

void
takeover_on_quiesce_due(struct reload *r)
{
	reload_fail_late(r, "the old worker did not quiesce in time");
}

/* Nobody has it any more, so the candidate may take it. */
void
takeover_on_old_down(struct reload *r, bool reverted)
{
	(void)reverted;
	reload_advance(r);
}

/* ---- the candidate takes ---- */

bool
takeover_has_begun(const struct reload *r)
{
	return r->takeover.begun;
}

void
takeover_take(struct reload *r)
{
	struct services_job job = {.which = SERVICES_EXCLUSIVE,
		.tries = TRIES,
		.due_ms = at_quarter(r, 3),
		.done = advance_or_fail};

	r->plugin->hold_passes = 0;
	if (keep_next_epoch(r->plugin, &job.epoch, &r->error) < 0) {
		reload_fail(r);
		return;
	}
	r->takeover.tried = true;
	services_begin(r->fresh, &job);
}

void
takeover_on_take_due(struct reload *r)
{
	reload_fail_with(r, "the new worker did not take over in time");
}

void
takeover_note_end(struct reload *r)
{
	if (r->takeover.begun)
		r->takeover.ms =
			(double)(clock_us() - r->takeover.begun_us) / 1000;
}

/* ---- giving back ---- */

bool
takeover_must_give_back(const struct reload *r)
{
	return r->takeover.begun && !r->takeover.is_over;
}

/* It is given back, or cannot be: the failure takes its course. */
static void
end_giving(struct reload *r)
{
	r->takeover.is_over = true;
	reload_leave_phase(r);
	reload_fail(r);
}

static void
add_reason(struct reload *r, const char *why)
{
	size_t length = strlen(r->error.text);

	text_format(r->error.text + length, sizeof(r->error.text) - length,
		"; giving back to the old worker failed: %s", why);
}

static void
lose(struct reload *r, const char *why)
{
	add_reason(r, why);
	r->takeover.is_lost = true;
	end_giving(r);
}

/* The old worker died: a crash restart follows. */
static void
end_without_old(struct reload *r)
{
	const char *why = r->plugin->last_crash;

	add_reason(r, why ? why : "it is gone");
	end_giving(r);
}

static void
gave_back(struct worker *w, const struct error *err)
{
	struct reload *r = reload_of(w);

	if (err) {
		lose(r, err->text);
		return;
	}
	services_serve(w);
	end_giving(r);
}

/* The last step: the old worker takes. */
void
takeover_give(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);
	struct services_job job = {.which = SERVICES_EXCLUSIVE,
		.tries = UINT_MAX,
		.due_ms = at_quarter(r, 4),
		.done = gave_back};
	struct error err;

	if (!old)
		end_without_old(r);
	else if (keep_next_epoch(r->plugin, &job.epoch, &err) < 0)
		lose(r, err.text);
	else
		services_begin(old, &job);
}

/* The candidate's end makes sure that it has nothing. takeover_on_gone()
 * follows. */
static void
end_candidate(struct reload *r)
{
	if (r->fresh && r->takeover.tried)
		worker_kill(r->fresh);
	else
		reload_soon(r);
}

static void
stopped(struct worker *w, const struct error *err)
{
	(void)err;
	end_candidate(reload_of(w));
}

/* What the old worker was asked for is not awaited any more. */
void
takeover_let_go(struct reload *r)
{
	struct worker *old = plugin_serving(r->plugin);

	if (!old)
		return;
	worker_ask_end(old);
	services_rest(old);
}

void
takeover_give_back(struct reload *r)
{
	struct worker *w = r->fresh;
	uint64_t now = clock_ms(), last = at_quarter(r, 4);

	r->plugin->hold_passes = 0;
	takeover_let_go(r);
	if (!w || w->state != WORKER_READY || !r->takeover.tried)
		end_candidate(r);
	else
		services_begin(
			w, &(struct services_job){.stops = true,
				   .which = SERVICES_EXCLUSIVE,
				   .due_ms = last > now ? now + (last - now) / 3
							: now,
				   .is_tolerant = true,
				   .done = stopped});
}

void
takeover_on_gone(struct reload *r)
{
	if (r->takeover.tried)
		reload_soon(r);
}

void
takeover_on_back_due(struct reload *r)
{
	lose(r, "it did not take in time");
}

void
takeover_on_taker_down(struct reload *r, bool reverted)
{
	(void)reverted;
	if (r->takeover.tried && r->fresh)
		return; /* the candidate's end is awaited */
	end_without_old(r);
}

/* Neither worker has it: ends the plugin's worker, and all that waits. */
void
takeover_give_up(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct worker *old = plugin_serving(p);
	struct log_subject subject = {.plugin = p->id};

	p->given_up = true;
	settle_end_all(p);
	if (old) {
		p->active = NULL;
		list_append(&p->others, &old->node);
		route_table_point(r->gateway->routes, p->number, 0);
		worker_stop(old);
	}
	log_write(LOG_ERROR, &subject,
		"plugin failed: the old worker could not take back what the "
		"new one could not take; it waits to be reloaded, started or "
		"changed: %s",
		p->failure);
	news_failed(p);
	dispatch_fail_held(r->gateway, p, REQUEST_UNAVAILABLE);
}

void
takeover_undo(struct reload *r)
{
	r->figures.held = r->plugin->hold.count;
	takeover_note_end(r);
	handover_release(r);
}
