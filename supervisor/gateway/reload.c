/* reload: the transaction from its begin to its proof: stage, spawn, check, or
 * roll back with nothing changed. The swap is commit.c, the end verdict.c, what
 * follows it settle.c; stopping is halt.c. */
#include "supervisor/gateway/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/build.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"

/* How long a verdict waits for the exit of a candidate that is going down, so
 * that it can tell its status and last lines. */
#define EXIT_WAIT_S 0.04

/* ---- from the package to the candidate ---- */

static void
leave_staging_turn(struct reload *r)
{
	struct gateway *g = r->gateway;

	if (!r->has_turn)
		return;
	r->has_turn = false;
	g->staging_count--;
	if (!list_is_empty(&g->staging_queue)) {
		struct list *next = g->staging_queue.next;

		list_remove(next);
		reload_run(container_of(next, struct reload, turn));
	}
}

void
reload_spawn(struct reload *r)
{
	reload_step(r, RELOAD_EVENT_STAGED);
	reload_enter_phase(r, PHASE_SPAWNING);
	if (build_spawn(r) < 0)
		reload_fail(r);
	else if (r->set)
		set_on_spawned(r);
}

static void
spawn_in_turn(struct reload *r)
{
	bool may = true;

	if (r->set && set_may_spawn(r, &may) < 0)
		reload_fail(r);
	else if (may)
		reload_spawn(r);
}

/* if_changed, and nothing has: it ends as if it had not been. */
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

static void
staged(void *user, const struct stage_result *result)
{
	struct reload *r = user;

	r->stage = NULL;
	reload_leave_phase(r, PHASE_STAGING);
	leave_staging_turn(r);
	if (build_take_stage(r, result) < 0) {
		reload_fail(r);
	} else if (is_unchanged(r)) {
		r->unchanged = true;
		stage_remove(&r->gateway->room, r->stage_dir);
		reload_step(r, RELOAD_EVENT_DONE);
		reload_give_verdict(r);
	} else {
		spawn_in_turn(r);
	}
}

void
reload_run(struct reload *r)
{
	struct gateway *g = r->gateway;

	if (r->set && r->set->has_failed) {
		error_set(&r->error, "%s", r->set->error.text);
		reload_fail(r);
		return;
	}
	if (r->if_serving_done && plugin_serving(r->plugin)) {
		reload_step(r, RELOAD_EVENT_DONE);
		reload_give_verdict(r);
		return;
	}
	if (r->state != RELOAD_STAGING) {
		reload_step(r, RELOAD_EVENT_BEGIN);
		reload_enter_phase(r, PHASE_STAGING);
	}
	if (r->from_stage) {
		if (build_from_proven(r) < 0) {
			reload_fail(r);
			return;
		}
		reload_leave_phase(r, PHASE_STAGING);
		spawn_in_turn(r);
	} else if (g->staging_count >= g->staging_max) {
		list_append(&g->staging_queue, &r->turn);
	} else {
		g->staging_count++;
		r->has_turn = true;
		if (build_stage(r, staged) < 0)
			reload_fail(r);
	}
}

/* ---- news of the candidate ---- */

void
reload_on_hello(struct reload *r)
{
	reload_leave_phase(r, PHASE_SPAWNING);
	reload_step(r, RELOAD_EVENT_HELLO);
	reload_enter_phase(r, PHASE_CHECKING);
}

/* What the manifest wants kept, or with no_drop all that serves. */
static int
check_kept(struct reload *r, struct error *err)
{
	struct worker *old = plugin_serving(r->plugin);
	const struct registration_set *now = &r->fresh->registrations;
	int result = 0;

	for (uint32_t i = 0; i < r->manifest->keep.count && !result; i++) {
		const char *label = r->manifest->keep.items[i];
		bool found = false;

		for (uint32_t k = 0; k < now->count && !found; k++) {
			char *have = registration_label(&now->items[k]);

			found = !strcmp(have, label);
			free(have);
		}
		if (!found)
			result = error_set(err,
				"%s is gone, and the manifest keeps it", label);
	}
	if (!result && r->no_drop && old) {
		json_t *dropped = receipt_dropped(&old->registrations, now);

		if (json_array_size(dropped))
			result = error_set(err, "%s would be dropped",
				json_string_value(json_array_get(dropped, 0)));
		json_decref(dropped);
	}
	return result;
}

int
reload_on_declared(struct reload *r, struct error *err)
{
	return commit_check(r, err) < 0 ? -1 : check_kept(r, err);
}

void
reload_on_proven(struct reload *r)
{
	reload_leave_phase(r, PHASE_CHECKING);
	r->proven = true;
	if (r->set)
		set_on_proven(r);
	else if (!handover_begin(r))
		commit_all(&r, 1);
}

static void
fail_after_wait(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop, (void)events;
	reload_fail(container_of(timer, struct reload, kick));
}

void
reload_on_candidate_down(struct reload *r)
{
	error_set(&r->error, "%s", r->fresh->error.text);
	r->proven = false;
	ev_timer_stop(r->gateway->loop, &r->kick);
	ev_timer_init(&r->kick, fail_after_wait, EXIT_WAIT_S, 0);
	ev_timer_start(r->gateway->loop, &r->kick);
}

void
reload_on_candidate_exit(struct reload *r)
{
	reload_fail(r);
}

void
reload_on_active_down(struct reload *r, bool reverted)
{
	struct error err;

	error_set(&err, "the worker went down");
	if (r->state == RELOAD_CONFIGURING)
		configure_on_answer(r, &err);
	else if (r->state == RELOAD_QUIESCING)
		handover_on_old_down(r, reverted);
}

/* ---- the end ---- */

static const char *
failed_phase(const struct reload *r)
{
	switch (r->state) {
	case RELOAD_QUEUED:
	case RELOAD_STAGING:
		return "staging";
	case RELOAD_SPAWNING:
		return "spawning";
	case RELOAD_STOPPING:
		return "stopping";
	case RELOAD_CONFIGURING:
		return "configuring";
	case RELOAD_QUIESCING:
	case RELOAD_TAKING:
		return "state";
	default:
		return "checking";
	}
}

void
reload_fail(struct reload *r)
{
	struct plugin *p = r->plugin;

	error_prefix(&r->error, "%s: ", failed_phase(r));
	if (!r->prove)
		snprintf(p->failure, sizeof(p->failure), "%s", r->error.text);
	if (r->set)
		set_note_failure(r);
	ev_timer_stop(r->gateway->loop, &r->kick);
	if (r->stage)
		stage_cancel(r->stage);
	r->stage = NULL;
	leave_staging_turn(r);
	list_remove(&r->turn);
	if (p->candidate) {
		struct worker *w = p->candidate;

		p->candidate = NULL;
		list_append(&p->others, &w->node);
		worker_stop(w);
	} else if (r->stage_dir && !r->from_stage) {
		stage_remove(&r->gateway->room, r->stage_dir);
	}
	if (r->state == RELOAD_CONFIGURING && p->active)
		worker_ask_end(p->active);
	handover_end(r);
	dispatch_release(r->gateway, p);
	p->counters.reloads_failed += !r->prove;
	reload_step(r, RELOAD_EVENT_FAIL);
	reload_give_verdict(r);
}
