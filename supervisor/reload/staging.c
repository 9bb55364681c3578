/* staging: stages the package, or takes a proven stage, and spawns the
 * candidate. A limited number are staged at a time; the others queue. */
#include <string.h>

#include "supervisor/event/services.h"
#include "supervisor/reload/build.h"
#include "supervisor/reload/transaction.h"

/* ---- the queue ---- */

static bool
may_stage(const struct reload *r)
{
	const struct gateway *g = r->gateway;

	return g->staging_count <
	       g->staging_max + (reload_is_urgent(r) ? 1 : 0);
}

static bool
must_queue(const struct reload *r)
{
	bool others_wait = !list_is_empty(&r->gateway->staging_queue) &&
			   !reload_is_urgent(r);

	return others_wait || !may_stage(r);
}

static void
queue(struct reload *r)
{
	struct gateway *g = r->gateway;

	if (reload_is_urgent(r))
		list_prepend(&g->staging_queue, &r->turn);
	else
		list_append(&g->staging_queue, &r->turn);
}

static void stage(struct reload *r);
static void stage_next(struct ev_loop *loop, ev_timer *timer, int events);

static void
stage_next_soon(struct gateway *g)
{
	reload_turn_soon(g, &g->staging_queue, &g->staging_next, stage_next);
}

/* Begins one staging per turn of the loop, so that none begins within the
 * verdict of another, however many fail. */
static void
stage_next(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gateway *g = container_of(timer, struct gateway, staging_next);
	struct reload *next;

	(void)loop, (void)events;
	if (list_is_empty(&g->staging_queue))
		return;
	next = container_of(g->staging_queue.next, struct reload, turn);
	if (!may_stage(next))
		return;
	list_remove(&next->turn);
	stage(next);
	stage_next_soon(g);
}

void
staging_leave_queue(struct reload *r)
{
	list_remove(&r->turn);
}

/* ---- the stage ---- */

/* Whether nothing has changed, with if_changed: the transaction then ends
 * without effect. */
static bool
is_unchanged(const struct reload *r)
{
	const struct worker *w = plugin_serving(r->plugin);
	enum config_class class;

	if (!r->if_changed || !w || strcmp(w->digest, r->digest) != 0 ||
		!json_equal(w->settings, r->settings))
		return false;
	config_plugin_differs(w->config, r->config, false, &class);
	return class == CLASS_LIVE;
}

bool
reload_is_unchanged(const struct reload *r)
{
	return r->if_changed && reload_has_ended_early(r);
}

static void
forget_stage(struct reload *r)
{
	r->stage = NULL;
	r->gateway->staging_count--;
	stage_next_soon(r->gateway);
}

static void
staged(void *user, const struct stage_result *result)
{
	struct reload *r = user;

	reload_leave_phase(r);
	forget_stage(r);
	if (build_take_stage(r, result) < 0) {
		reload_fail(r);
	} else if (is_unchanged(r)) {
		stage_remove(&r->gateway->workers, r->stage_dir);
		reload_end(r);
	} else {
		reload_advance(r);
	}
}

static void
stage(struct reload *r)
{
	if (build_stage(r, staged) < 0)
		reload_fail(r);
	else
		r->gateway->staging_count++;
}

void
staging_enter(struct reload *r)
{
	if (r->source == PLUGIN_FROM_PACKAGE) {
		if (must_queue(r))
			queue(r);
		else
			stage(r);
	} else if (build_from_proven(r) < 0) {
		reload_fail(r);
	} else {
		reload_advance(r);
	}
}

void
staging_undo(struct reload *r)
{
	if (r->stage) {
		stage_cancel(r->stage);
		forget_stage(r);
	}
	if (!r->is_spawned && r->stage_dir && r->source == PLUGIN_FROM_PACKAGE)
		stage_remove(&r->gateway->workers, r->stage_dir);
}

/* ---- the candidate ---- */

static void
spawned(struct reload *r)
{
	r->is_spawned = true;
	if (r->set)
		set_on_spawned(r);
}

void
staging_spawn(struct reload *r)
{
	if (build_spawn(r) < 0)
		reload_fail(r);
	else
		spawned(r);
}

/* Discards the candidate; its stage is removed with it. */
void
staging_unspawn(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct worker *w = p->candidate;

	if (!w)
		return;
	p->candidate = NULL;
	list_append(&p->others, &w->node);
	services_end(w);
}
