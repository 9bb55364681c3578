/* settle: after the commit, the old worker finishes its requests and stands by
 * for the probation. If the new worker goes down meanwhile, the routes revert
 * to the old one at once. */
#include <stdio.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/reload/build.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/ws_move.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/schedule/schedule.h"

static void
report_settled(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct receipt *receipt = account_receipt(r);

	/* do not replace the receipt of a later reload */
	if (p->last_reload && !strcmp(r->id, p->last_reload->id)) {
		receipt_unref(p->last_reload);
		p->last_reload = receipt_ref(receipt);
	}
	news_settled(r, receipt);
	list_for_each_safe (node, &r->watchers) {
		struct reload_watcher *w =
			container_of(node, struct reload_watcher, node);

		list_remove(&w->node);
		if (w->on_settled)
			w->on_settled(w, receipt);
	}
	receipt_unref(receipt);
}

static int64_t
at_most(uint64_t count, int64_t most)
{
	return count < (uint64_t)most ? (int64_t)count : most;
}

/* Counts drained and aborted requests. Those whose client left are neither. */
static void
count_drained(struct reload *r)
{
	struct figures *f = &r->figures;
	int64_t rest = f->in_flight_at_swap;

	if (f->drained >= 0)
		return;
	f->drained =
		at_most(r->old->finished_total - f->finished_at_swap, rest);
	rest -= f->drained;
	rest -= at_most(r->old->left_total - f->left_at_swap, rest);
	f->aborted = rest;
	f->phase_ms[PHASE_DRAINING] =
		(double)(clock_us() - f->committed_us) / 1000;
}

/* Ends the transaction and stops the old worker, if it still exists. */
void
settle_end(struct reload *r)
{
	struct worker *old = r->old;

	r->old = NULL;
	report_settled(r);
	reload_destroy(r);
	if (old)
		services_end(old);
}

/* Ends the transaction; without a swap, its verdict is given first. */
void
settle_enter_end(struct reload *r)
{
	if (r->plugin->reload == r)
		reload_give_verdict(r);
	else
		settle_end(r);
}

static void
finish(struct reload *r)
{
	if (r->old)
		count_drained(r);
	reload_end(r);
}

static void
end_probation(struct reload *r)
{
	if (reload_row(r)->on_due)
		reload_row(r)->on_due(r);
}

static unsigned
count_retiring(const struct plugin *p)
{
	unsigned count = 0;

	list_for_each (node, &p->settling)
		if (container_of(node, struct reload, node)->old)
			count++;
	return count;
}

static struct reload *
find_by_old(struct plugin *p, const struct worker *w)
{
	list_for_each (node, &p->settling) {
		struct reload *r = container_of(node, struct reload, node);

		if (r->old == w)
			return r;
	}
	return NULL;
}

/* Ends the old worker's requests. If that drains it, the transaction may be
 * over when they have ended. */
static void
end_now(struct plugin *p, struct reload *r)
{
	struct worker *old = r->old;

	worker_end_requests(old, "ended: too many old workers are retiring");
	old->ends_pinned = true;
	ws_move_pump(p);
	if (find_by_old(p, old) == r)
		finish(r);
}

/* A new commit ends the probation of earlier ones. If there are too many old
 * workers, the oldest end now. */
static void
end_older(struct plugin *p, const struct reload *newest)
{
	unsigned count;

	list_for_each_safe (node, &p->settling) {
		struct reload *r = container_of(node, struct reload, node);

		if (r != newest)
			end_probation(r);
	}
	count = count_retiring(p);
	list_for_each_safe (node, &p->settling) {
		struct reload *r = container_of(node, struct reload, node);

		if (r == newest || count <= p->config->limits.max_retiring)
			break;
		if (r->old) {
			end_now(p, r);
			count--;
		}
	}
}

void
settle_begin(struct reload *r)
{
	end_older(r->plugin, r);
	reload_advance(r);
}

bool
settle_has_old(const struct reload *r)
{
	return r->old != NULL;
}

bool
settle_drains(const struct reload *r)
{
	return r->old && r->old->state != WORKER_STANDBY;
}

uint64_t
settle_deadline(const struct reload *r)
{
	return clock_ms() + r->plugin->config->limits.probation_ms;
}

void
settle_enter(struct reload *r)
{
	if (!settle_drains(r))
		count_drained(r);
}

void
settle_on_drained(struct reload *r)
{
	count_drained(r);
}

void
settle_on_retired(struct reload *r)
{
	finish(r);
}

void
settle_on_old_down(struct reload *r, bool reverted)
{
	(void)reverted;
	count_drained(r);
	r->old = NULL;
	reload_end(r);
}

struct reload *
reload_find_by_old(struct plugin *p, const struct worker *w)
{
	return p->reload && p->reload->old == w ? p->reload : find_by_old(p, w);
}

void
settle_forget(struct plugin *p, struct worker *w)
{
	struct reload *r = find_by_old(p, w);

	list_for_each (node, &p->settling) {
		struct reload *other = container_of(node, struct reload, node);

		if (other->fresh == w)
			other->fresh = NULL;
	}
	if (r && reload_row(r)->on_old_down)
		reload_row(r)->on_old_down(r, false);
}

/* The commit of a revert: a reload's commit in the other direction. */
static void
swap_back(struct reload *r, struct route_edit *edit)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct worker *old = r->old;
	struct route_changes changes;

	route_changes_of_edit(&changes, edit);
	route_edit_commit(edit, old->id);
	list_remove(&old->node);
	p->active = old;
	worker_resume(old);
	plugin_configure(p, old->config);
	services_serve(old);
	schedule_follow(p);
	dispatch_release(g, p);
	ws_move_pump(p);
	build_note_reverted(p, old);
	news_routes_changed(p, &changes);
	route_changes_finish(&changes);
}

bool
settle_revert(struct plugin *p, struct worker *w)
{
	struct route_edit *edit;
	struct reload *r = NULL;
	struct log_subject subject = {.plugin = p->id};
	struct error err;

	list_for_each (node, &p->settling)
		if (container_of(node, struct reload, node)->fresh == w)
			r = container_of(node, struct reload, node);
	/* after the probation the old worker only finishes its requests */
	if (!r || r->state != RELOAD_SETTLING || !r->old || p->active)
		return false;
	edit = reload_prepare_rows(
		p, &r->old->registrations, r->old->config, &err);
	if (!edit) {
		log_write(LOG_WARN, &subject, "cannot revert: %s", err.text);
		return false;
	}
	error_set(&r->error, "the new worker ended during its probation: %s",
		w->error.text);
	text_format(p->failure, sizeof(p->failure), "%s", r->error.text);
	log_write(LOG_WARN, &subject,
		"%s reverted: generation %u (pid %d) serves again: %s", r->id,
		r->old->generation, r->old->pid, r->error.text);
	swap_back(r, edit);
	r->fresh = r->old = NULL;
	reload_revert(r);
	return true;
}

void
settle_end_reverts(struct plugin *p)
{
	list_for_each_safe (node, &p->settling) {
		struct reload *r = container_of(node, struct reload, node);

		r->fresh = NULL;
		end_probation(r);
	}
}

void
settle_end_all(struct plugin *p)
{
	list_for_each_safe (node, &p->settling)
		end_probation(container_of(node, struct reload, node));
}
