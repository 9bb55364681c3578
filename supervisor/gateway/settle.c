/* settle: after the verdict. The old worker finishes what it has and stands
 * by for the probation; if the new one goes down meanwhile the rows swap back
 * to it at once. */
#include <stdio.h>
#include <string.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/build.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"

static void
tell_settled(struct reload *r)
{
	struct plugin *p = r->plugin;
	json_t *receipt = receipt_make(r);

	/* A later reload's receipt is not overwritten by an older one's. */
	if (p->last_reload && !strcmp(r->id, json_string_value(json_object_get(
						     p->last_reload, "id")))) {
		json_decref(p->last_reload);
		p->last_reload = json_incref(receipt);
	}
	news_settled(r, receipt);
	list_for_each_safe (node, &r->watchers) {
		struct reload_watcher *w =
			container_of(node, struct reload_watcher, node);

		list_remove(&w->node);
		if (w->on_settled)
			w->on_settled(w, receipt);
	}
	json_decref(receipt);
}

static int64_t
at_most(uint64_t count, int64_t most)
{
	return count < (uint64_t)most ? (int64_t)count : most;
}

/* Whose client left was neither drained nor aborted. */
static void
count_drained(struct reload *r)
{
	int64_t rest = r->in_flight_at_swap;

	if (r->drained >= 0)
		return;
	r->drained =
		at_most(r->old->finished_total - r->finished_at_swap, rest);
	rest -= r->drained;
	rest -= at_most(r->old->left_total - r->left_at_swap, rest);
	r->aborted = rest;
	r->phase_ms[PHASE_DRAINING] =
		(double)(clock_us() - r->committed_us) / 1000;
}

/* Ends the transaction; the old worker, if it is still there, is stopped. */
static void
finish(struct reload *r)
{
	struct worker *old = r->old;

	if (old) {
		count_drained(r);
		r->old = NULL;
	}
	reload_step(r, RELOAD_EVENT_DONE);
	tell_settled(r);
	reload_destroy(r);
	if (old)
		worker_stop(old);
}

static void
end_probation(struct reload *r)
{
	r->probation_over = true;
	wheel_clear(&r->gateway->wheel, &r->probation);
	if (!r->old || r->old->state == WORKER_STANDBY)
		finish(r);
}

static void
probation_due(struct wheel_timer *t)
{
	end_probation(container_of(t, struct reload, probation));
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

/* When its last request ends the old worker may be drained, and then the
 * transaction is over already. */
static void
end_now(struct plugin *p, struct reload *r)
{
	struct worker *old = r->old;

	worker_end_requests(old, "ended: too many old workers are retiring");
	if (find_by_old(p, old) == r)
		finish(r);
}

/* A new commit ends the probation of those before it, and the oldest workers
 * go when there are too many. */
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
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;

	if (r->state != RELOAD_COMMITTED) {
		if (r->state == RELOAD_SETTLED)
			tell_settled(r);
		reload_destroy(r);
		return;
	}
	end_older(p, r);
	if (!r->old) {
		finish(r);
	} else {
		reload_step(r, RELOAD_EVENT_SETTLE);
		reload_enter_phase(r, PHASE_DRAINING);
		r->probation.fire = probation_due;
		wheel_set(&g->wheel, &r->probation,
			clock_ms() + p->config->limits.probation_ms);
		settle_on_drained(p, r->old);
	}
}

void
settle_on_drained(struct plugin *p, struct worker *w)
{
	struct reload *r = find_by_old(p, w);

	if (w->state != WORKER_STANDBY)
		return;
	if (!r) {
		worker_stop(w);
		return;
	}
	count_drained(r);
	if (r->probation_over)
		finish(r);
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
	if (!r)
		return;
	count_drained(r);
	r->old = NULL;
	finish(r);
}

/* The commit of a revert: the mirror of reload's. */
static void
swap_back(struct reload *r, struct route_edit *edit)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct worker *old = r->old;

	dispatch_follow(g, p, &old->registrations);
	route_edit_commit(edit, old->id);
	list_remove(&old->node);
	p->active = old;
	worker_resume(old);
	plugin_configure(p, old->config);
	dispatch_release(g, p);
	build_note_reverted(p, old);
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
	if (!r || !r->old || p->active)
		return false;
	edit = reload_prepare_rows(
		p, &r->old->registrations, r->old->config, &err);
	if (!edit) {
		log_write(LOG_WARN, &subject, "cannot go back: %s", err.text);
		return false;
	}
	error_set(&r->error, "the new worker went down in its probation: %s",
		w->error.text);
	snprintf(p->failure, sizeof(p->failure), "%s", r->error.text);
	log_write(LOG_WARN, &subject,
		"%s reverted: generation %u (pid %d) serves again: %s", r->id,
		r->old->generation, r->old->pid, r->error.text);
	swap_back(r, edit);
	r->fresh = NULL;
	reload_step(r, RELOAD_EVENT_CRASH);
	tell_settled(r);
	reload_destroy(r);
	return true;
}

void
settle_end_all(struct plugin *p)
{
	list_for_each_safe (node, &p->settling) {
		struct reload *r = container_of(node, struct reload, node);

		r->probation_over = true;
		wheel_clear(&r->gateway->wheel, &r->probation);
		if (!r->old || r->old->state == WORKER_STANDBY)
			finish(r);
	}
}
