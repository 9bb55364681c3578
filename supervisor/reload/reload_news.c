/* reload_news: reports transactions to the log, the journal, the history and
 * the metrics. */
#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/value.h"
#include "supervisor/gateway/news.h"
#include "supervisor/ops/history.h"
#include "supervisor/reload/transaction.h"

#define REPEATS_REPORT_MS 1000

/* ---- repeated failures ---- */

static bool
take_one(struct plugin_repeats *repeats)
{
	uint64_t now_us = clock_us();

	repeats->left += (double)(now_us - repeats->at_us) / 1e6;
	repeats->at_us = now_us;
	if (repeats->left > NEWS_REPEATS_AT_ONCE)
		repeats->left = NEWS_REPEATS_AT_ONCE;
	if (repeats->left < 1)
		return false;
	repeats->left--;
	return true;
}

static void
repeats_due(struct wheel_timer *t)
{
	struct plugin *p = container_of(t, struct plugin, repeats.again);
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};

	if (!p->repeats.unreported)
		return; /* the burst is over */
	log_write(LOG_WARN, &subject,
		"%llu more reloads failed and are not reported one by one%s%s",
		(unsigned long long)p->repeats.unreported,
		*p->failure ? "; the last failure: " : "", p->failure);
	news_plugin(p, "reload.repeated",
		json_pack("{s:I,s:o}", "count",
			(json_int_t)p->repeats.unreported, "error",
			*p->failure ? value_text(p->failure) : json_null()));
	p->repeats.unreported = 0;
	wheel_set(&g->wheel, t, clock_ms() + REPEATS_REPORT_MS);
}

/* Whether it failed, or was a start of a plugin that serves. */
static bool
came_to_nothing(const struct reload *r)
{
	return reload_row(r)->has_failed ||
	       (reload_program(r)->is_done && reload_has_ended_early(r));
}

bool
news_takes(const struct reload *r)
{
	struct plugin *p = r->plugin;
	struct gateway *g = p->gateway;

	if (!came_to_nothing(r))
		return true;
	if (take_one(&p->repeats))
		return true;
	p->repeats.unreported++;
	if (wheel_timer_is_set(&p->repeats.again))
		return false;
	p->repeats.again.fire = repeats_due;
	wheel_set(&g->wheel, &p->repeats.again, clock_ms() + REPEATS_REPORT_MS);
	return false;
}

/* ---- one transaction ---- */

void
news_phase(const struct reload *r, enum receipt_phase phase, double since_ms)
{
	/* with if_changed, staging only finds out whether there is a reload */
	if (r->if_changed && phase == PHASE_STAGING)
		return;
	if (r->is_retry)
		return;
	if (r->plugin->repeats.unreported)
		return; /* most likely another failure that is only counted */
	news_plugin(r->plugin, "reload.phase",
		json_pack("{s:s,s:s,s:f}", "id", r->id, "phase",
			receipt_phase_texts[phase], "ms", since_ms));
}

static void
keep(struct reload *r, struct receipt *receipt)
{
	if (r->gateway->history)
		history_note(r->gateway->history, receipt_view(receipt));
}

/* Counts the outcome. Stops are left out, because these metrics are about
 * starts of workers. */
static void
note_outcome(struct reload *r, bool success)
{
	struct plugin *p = r->plugin;
	uint64_t end_us =
		r->figures.committed_us ? r->figures.committed_us : clock_us();

	if (reload_program(r)->stops)
		return;
	p->last = (struct plugin_last_reload){.known = true,
		.success = success,
		.seconds = (double)(end_us - r->figures.begun_us) / 1e6,
		.wall_ms = clock_wall_ms()};
}

void
news_verdict(struct reload *r, struct receipt *receipt)
{
	const struct reload_program *program = reload_program(r);
	bool failed = !receipt_has_succeeded(receipt);

	if (receipt->is_unchanged)
		return;
	if (receipt->state == RECEIPT_FAILED)
		r->plugin->counters.not_given_back++;
	else if (failed && !program->stops && !program->is_proof)
		r->plugin->counters.rolled_back++;
	if (!program->is_proof)
		note_outcome(r, !failed);
	if (r->is_unreported)
		return;
	news_plugin(r->plugin, "reload.verdict",
		json_incref(receipt_view(receipt)));
	/* a transaction that settles at once is kept once, not twice */
	if (failed || (r->figures.committed_us && r->old))
		keep(r, receipt);
}

void
news_settled(struct reload *r, struct receipt *receipt)
{
	bool reverted = receipt->state == RECEIPT_REVERTED;

	if (receipt->is_unchanged || r->is_unreported)
		return;
	if (reverted) {
		r->plugin->counters.reverted++;
		note_outcome(r, false);
	}
	if (!reload_program(r)->is_proof)
		news_plugin(r->plugin,
			reverted ? "reload.reverted" : "reload.settled",
			json_incref(receipt_view(receipt)));
	keep(r, receipt);
}
