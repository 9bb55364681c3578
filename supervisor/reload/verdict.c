/* verdict: reports the outcome of a transaction to its watchers, and begins
 * what waited for its plugin. */
#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/reload/fallback.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/transaction.h"

/* ---- the log ---- */

/* The worker that serves goes on, unless supd is stopping. */
static const char *
what_follows(const struct reload *r)
{
	if (r->gateway->stopping)
		return "";
	return plugin_serving(r->plugin) ? "; the old generation still serves"
					 : "; nothing serves it";
}

static void
log_failure(const struct reload *r, enum receipt_state state, double ms)
{
	struct log_subject subject = {.plugin = r->plugin->id, .reload = r->id};

	log_write(LOG_WARN, &subject, "%s %s (%s) in %.1f ms: %s%s", r->id,
		state == RECEIPT_FAILED ? "failed" : "rolled back", r->trigger,
		ms, r->error.text, what_follows(r));
}

void
verdict_log_proven(const struct reload *r, double ms)
{
	struct log_subject subject = {.plugin = r->plugin->id, .reload = r->id};

	log_write(LOG_INFO, &subject,
		"%s proven (%s) in %.1f ms: generation %u is good and "
		"discarded",
		r->id, r->trigger, ms, r->generation);
}

void
verdict_log_configured(const struct reload *r, double ms)
{
	struct log_subject subject = {.plugin = r->plugin->id, .reload = r->id};

	log_write(LOG_INFO, &subject,
		"%s configured (%s) in %.1f ms: generation %u goes on", r->id,
		r->trigger, ms, r->generation);
}

void
verdict_log_stopped(const struct reload *r, double ms)
{
	struct log_subject subject = {.plugin = r->plugin->id, .reload = r->id};

	log_write(LOG_INFO, &subject, "%s stopped (%s) in %.1f ms", r->id,
		r->trigger, ms);
}

void
verdict_log_swapped(const struct reload *r, double ms)
{
	struct log_subject subject = {.plugin = r->plugin->id, .reload = r->id};

	if (!r->fresh)
		return; /* there was nothing to do */
	log_write(LOG_INFO, &subject,
		"%s done (%s) in %.1f ms: generation %u -> %u, pid %d -> %d, "
		"version %s, %s",
		r->id, r->trigger, ms, r->figures.previous_generation,
		r->generation, r->figures.previous_pid, r->fresh->pid,
		r->fresh->version, r->digest);
}

static void
log_verdict(const struct reload *r, enum receipt_state state)
{
	double ms = (double)(clock_us() - r->figures.begun_us) / 1000;

	if (reload_row(r)->has_failed)
		log_failure(r, state, ms);
	else
		reload_program(r)->log_done(r, ms);
}

/* ---- what waited ---- */

/* Restarts a worker that crashed during a proof, which had to end first. */
static void
restart_after_proof(struct plugin *p)
{
	if (p->settled_once && !p->reload && !plugin_serving(p) && !p->given_up)
		crash_restart(p, true);
}

static void
remember(struct plugin *p, const struct receipt *receipt)
{
	receipt_unref(p->last_reload);
	p->last_reload = receipt_ref(receipt);
}

static void
report_to_watchers(struct reload *r, struct receipt *receipt)
{
	list_for_each_safe (node, &r->watchers) {
		struct reload_watcher *w =
			container_of(node, struct reload_watcher, node);

		if (!receipt_has_succeeded(receipt) || !w->on_settled)
			list_remove(&w->node);
		w->on_verdict(w, receipt);
	}
}

/* Whether it is a retry, of which only the first was reported. */
static bool
is_repetition(const struct reload *r)
{
	return r->is_retry && reload_row(r)->has_failed && r->error.shortage;
}

static void
trace_verdict(const struct reload *r, const struct receipt *receipt)
{
	static const char *const words[RECEIPT_STATE_COUNT] = {
#define X(name, text, outcome) [RECEIPT_##name] = text,
		RECEIPT_STATES(X)
#undef X
	};
	bool failed = !receipt_has_succeeded(receipt);
	char name[RECORD_TEXT_MAX + 1];

	text_format(name, sizeof(name), "%s %s", receipt->kind, r->plugin->id);
	tracer_end_step(&r->gateway->workers.tracer,
		&(const struct tracer_step){
			.span = &r->span,
			.kind = SPAN_INTERNAL,
			.name = name,
			.plugin_id = r->plugin->id,
			.generation = r->generation,
			.id = r->id,
			.error = failed ? words[receipt->state] : NULL,
			.text = failed ? r->error.text : NULL,
		});
}

void
reload_give_verdict(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct reload_set *set = r->set;
	struct receipt *receipt = account_receipt(r);
	bool failed = !receipt_has_succeeded(receipt);
	bool was_settled = p->settled_once;
	bool proof = reload_program(r)->is_proof;

	if (trace_is_sampled(&r->span))
		trace_verdict(r, receipt);
	r->is_unreported = !news_takes(r);
	if (!is_repetition(r) && !r->is_unreported)
		log_verdict(r, receipt->state);
	p->reload = NULL;
	if (!proof)
		remember(p, receipt);
	if (r->figures.committed_us)
		list_append(&p->settling, &r->node);
	if (!is_repetition(r)) {
		receipt_worker_copy(&r->figures.judged, &receipt->worker);
		r->figures.is_judged = true;
	}
	news_verdict(r, receipt);
	report_to_watchers(r, receipt);
	receipt_unref(receipt);
	peer_group_flush(
		&g->peers); /* send the messages before old workers end */
	if (failed && !proof)
		fallback_begin(r);
	/* a plugin whose start falls back to another try is not settled */
	if (!proof && (!p->reload || !p->reload->fallback))
		p->settled_once = true;
	if (!failed && !proof)
		required_note(r);
	if (set)
		set_leave(set, r);
	reload_row(r)->after_verdict(r);
	if (proof)
		restart_after_proof(p);
	required_begin(g);
	/* the plugin's own start may have waited for a proof */
	g->on_verdict(g, !was_settled && (proof || p->settled_once));
	if (g->on_settled && (!was_settled || !failed))
		g->on_settled(g, g->user);
}
