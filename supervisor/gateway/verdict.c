/* verdict: how a transaction ends for those who wait for it, and what may begin
 * now that its plugin is free. */
#include "proto/util/clock.h"
#include "supervisor/gateway/apply.h"
#include "supervisor/gateway/build.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"

static void
log_verdict(const struct reload *r)
{
	struct log_subject subject = {.plugin = r->plugin->id};
	struct worker *w = plugin_serving(r->plugin);
	double ms = (double)(clock_us() - r->begun_us) / 1000;

	if (r->state == RELOAD_ROLLED_BACK)
		log_write(LOG_WARN, &subject,
			"%s rolled back (%s) in %.1f ms: %s; %s", r->id,
			r->trigger, ms, r->error.text,
			w ? "the old generation serves on"
			  : "nothing serves it");
	else if (r->prove)
		log_write(LOG_INFO, &subject,
			"%s proven (%s) in %.1f ms: generation %u is good and "
			"discarded",
			r->id, r->trigger, ms, r->generation);
	else if (r->kind == KIND_CONFIGURE)
		log_write(LOG_INFO, &subject,
			"%s configured (%s) in %.1f ms: generation %u goes on",
			r->id, r->trigger, ms, r->generation);
	else if (r->kind == KIND_STOP)
		log_write(LOG_INFO, &subject, "%s stopped (%s) in %.1f ms",
			r->id, r->trigger, ms);
	else if (r->fresh)
		log_write(LOG_INFO, &subject,
			"%s done (%s) in %.1f ms: generation %u -> %u, pid %d "
			"-> %d, version %s, %s",
			r->id, r->trigger, ms, r->previous_generation,
			r->generation, r->previous_pid, r->fresh->pid,
			r->fresh->version, r->digest);
}

/* A change came during the last one, however that ended: exactly one more. */
static void
begin_wanted(struct gateway *g, struct plugin *p)
{
	struct reload_options options = {
		.trigger = "change", .if_changed = true};

	if (!p->reload_wanted || p->reload)
		return;
	p->reload_wanted = false;
	reload_begin(g, p, &options, NULL, NULL, NULL);
}

/* A crash meanwhile, or a start that was to come, waited for the proof. */
static void
after_proof(struct plugin *p)
{
	if (p->reload || plugin_serving(p) || p->given_up)
		return;
	if (p->settled_once)
		crash_restart(p, true);
	else
		gateway_start_waiting(p->gateway);
}

static void
remember(struct plugin *p, json_t *receipt)
{
	json_decref(p->last_reload);
	p->last_reload = json_incref(receipt);
}

static void
tell_watchers(struct reload *r, json_t *receipt)
{
	list_for_each_safe (node, &r->watchers) {
		struct reload_watcher *w =
			container_of(node, struct reload_watcher, node);

		if (r->state == RELOAD_ROLLED_BACK || !w->on_settled)
			list_remove(&w->node);
		w->on_verdict(w, receipt);
	}
}

void
reload_give_verdict(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct reload_set *set = r->set;
	json_t *receipt = receipt_make(r);
	bool failed = r->state == RELOAD_ROLLED_BACK;
	bool was_settled = p->settled_once, proof = r->prove;

	log_verdict(r);
	p->reload = NULL;
	if (!proof)
		remember(p, receipt);
	if (r->state == RELOAD_COMMITTED)
		list_append(&p->settling, &r->node);
	news_verdict(r, receipt);
	tell_watchers(r, receipt);
	json_decref(receipt);
	peer_group_flush(&g->peers); /* before old workers are ended */
	if (failed && !proof)
		build_after_failure(r);
	/* What falls back to another try has neither served nor failed yet. */
	if (!proof && (!p->reload || !p->reload->fallback))
		p->settled_once = true;
	if (set)
		set_leave(set, r);
	settle_begin(r);
	begin_wanted(g, p);
	if (proof)
		after_proof(p);
	if (!was_settled && p->settled_once)
		gateway_start_waiting(g);
	apply_continue(g);
	if (g->on_settled && (!was_settled || !failed))
		g->on_settled(g, g->user);
}
