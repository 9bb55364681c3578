/* apply: the passes. One pass that applies and one that only plans may be in
 * progress; further requests wait for the next pass of their kind. A pass works
 * in slices, so that the loop goes on however many plugins there are. A child
 * compares the packages; the rest is done by apply_read, apply_plan and
 * apply_do. */
#include "supervisor/apply/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/apply/parts.h"

#define SURVEY_MS 60000

struct apply_lane {
	struct gateway *gateway;
	struct apply_pass *running;
	struct list waiting; /* struct apply_request.node */
	ev_timer kick;	     /* the next pass begins from the loop */
};

struct apply_lanes {
	struct apply_lane doing, planning;
};

static void
pass_destroy(struct apply_pass *pass)
{
	list_for_each_safe (node, &pass->requests)
		list_remove(node);
	ev_timer_stop(pass->gateway->loop, &pass->slice);
	apply_read_abandon(pass);
	survey_destroy(pass->survey);
	apply_plan_finish(&pass->plan);
	config_changes_finish(&pass->changes);
	map_finish(&pass->first_change);
	problems_finish(&pass->problems);
	config_unref(pass->config);
	for (uint32_t i = 0; i < pass->receipt_count; i++)
		receipt_unref(pass->receipts[i]);
	free(pass->receipts);
	json_decref(pass->document);
	free(pass->plugin_ids);
	free(pass);
}

/* Reports the finished document to all requests of the pass. */
static void
report_all(struct apply_pass *pass)
{
	struct apply_lane *lane = pass->lane;
	struct apply_report report;

	apply_document_finish(pass);
	apply_log(pass);
	report = apply_report_of(pass);
	lane->running = NULL;
	while (!list_is_empty(&pass->requests)) {
		struct apply_request *r = container_of(
			pass->requests.next, struct apply_request, node);

		list_remove(&r->node);
		if (r->is_logged)
			apply_log_plan(pass);
		r->on_done(r, &report);
	}
	pass_destroy(pass);
	if (!list_is_empty(&lane->waiting))
		ev_timer_start(lane->gateway->loop, &lane->kick);
}

void
apply_pass_end(struct apply_pass *pass)
{
	pass->is_in_force = true; /* nothing is left to do but to report */
	apply_work(pass, apply_document_step, report_all);
}

/* ---- its steps ---- */

void
apply_work(struct apply_pass *pass, bool (*step)(struct apply_pass *pass),
	void (*then)(struct apply_pass *pass))
{
	pass->at = 0;
	pass->most = 0;
	pass->step = step;
	pass->then = then;
	ev_timer_set(&pass->slice, 0, 0);
	ev_timer_start(pass->gateway->loop, &pass->slice);
}

static void
on_slice(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct apply_pass *pass = container_of(timer, struct apply_pass, slice);
	uint64_t from = clock_us();

	(void)events;
	if (pass->gateway->stopping && !pass->is_in_force) {
		error_set(&pass->error, "supd is stopping");
		apply_pass_end(pass);
		return;
	}
	for (unsigned i = 1; !pass->step(pass); i++)
		if (i == pass->most || clock_us() - from >= APPLY_SLICE_US) {
			ev_timer_set(
				timer, pass->most ? APPLY_BEGUN_PAUSE_S : 0, 0);
			ev_timer_start(loop, timer);
			return;
		}
	pass->then(pass);
}

void
apply_planned(struct apply_pass *pass)
{
	if (pass->kind != APPLY_ALL && pass->kind != APPLY_SCAN)
		apply_pass_end(pass);
	else if (pass->atomic)
		apply_atomic(pass);
	else
		apply_do(pass);
}

static void
surveyed(void *user, struct error *err)
{
	struct apply_pass *pass = user;

	if (err) {
		/* the digests stay unknown, so a stager will find out */
		log_warn("%s", err->text);
		problems_warn(&pass->problems, "", 0, 0, "%s", err->text);
		survey_destroy(pass->survey);
		pass->survey = NULL;
	}
	apply_plan_decide(pass);
}

void
apply_compare_packages(struct apply_pass *pass)
{
	struct error err;

	if (!survey_count(pass->survey))
		surveyed(pass, NULL);
	else if (survey_begin(pass->survey, clock_ms() + SURVEY_MS, surveyed,
			 pass, &err) < 0)
		surveyed(pass, &err);
}

/* Everything that can fail in supd's own part (listeners, log, tokens). */
static int
prepare(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;

	for (uint32_t i = 0; pass->atomic && i < pass->changes.count; i++)
		if (pass->changes.items[i].class == CLASS_RESTART)
			return error_set(&pass->error,
				"%s takes effect only when supd is restarted",
				pass->changes.items[i].path);
	if (!g->on_config_prepare)
		return 0;
	return g->on_config_prepare(g, pass->config, &pass->error);
}

/* Sends the new limits to the running workers, which got the old ones in the
 * answer to hello. */
static void
send_limits(struct gateway *g)
{
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p)
			continue;
		if (p->active)
			worker_send_limits(p->active);
		if (p->candidate)
			worker_send_limits(p->candidate);
		list_for_each (node, &p->others)
			worker_send_limits(
				container_of(node, struct worker, node));
	}
}

void
apply_keep(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	struct config *old = g->config;

	apply_log_changes(pass);
	config_keep_unchangeable(pass->config, old);
	g->config = config_ref(pass->config);
	if (g->workers.body_limit != pass->config->limits.body_bytes) {
		g->workers.body_limit = pass->config->limits.body_bytes;
		send_limits(g);
	}
	if (g->on_config_keep)
		g->on_config_keep(g, pass->config);
	config_unref(old);
}

void
apply_put_in_force(struct apply_pass *pass)
{
	if (pass->kind == APPLY_ALL && prepare(pass) < 0) {
		apply_pass_end(pass);
		return;
	}
	if (pass->kind == APPLY_SCAN)
		apply_log_changes(pass);
	else if (pass->kind == APPLY_ALL && !pass->atomic)
		apply_keep(pass);
	pass->is_in_force = true;
	pass->survey = survey_create(&pass->gateway->workers);
	apply_plan_collect(pass);
}

static void
pass_run(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;

	if (g->stopping) {
		error_set(&pass->error, "supd is stopping");
		apply_pass_end(pass);
	} else if (pass->kind == APPLY_COMPARE) {
		pass->config = config_ref(g->config);
		apply_put_in_force(pass);
	} else {
		apply_read(pass);
	}
}

/* ---- requests ---- */

static bool
is_served_by(const struct apply_request *r, const struct apply_pass *pass)
{
	return r->kind == pass->kind && r->atomic == pass->atomic;
}

static void
kicked(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct apply_lane *lane = container_of(timer, struct apply_lane, kick);
	struct apply_request *first;
	struct apply_pass *pass;

	(void)loop, (void)events;
	if (lane->running || list_is_empty(&lane->waiting))
		return;
	first = container_of(lane->waiting.next, struct apply_request, node);
	pass = memory_alloc(sizeof(*pass));
	pass->gateway = lane->gateway;
	pass->lane = lane;
	pass->kind = first->kind;
	pass->atomic = first->atomic;
	snprintf(pass->trigger, sizeof(pass->trigger), "%s", first->trigger);
	memcpy(pass->by, first->by, sizeof(pass->by));
	pass->begun_us = clock_us();
	list_init(&pass->requests);
	ev_timer_init(&pass->slice, on_slice, 0, 0);
	list_init(&pass->items);
	list_init(&pass->fresh);
	list_init(&pass->members);
	list_for_each_safe (node, &lane->waiting) {
		struct apply_request *r =
			container_of(node, struct apply_request, node);

		if (!is_served_by(r, pass))
			continue;
		list_remove(node);
		list_append(&pass->requests, node);
		r->begun = true;
	}
	lane->running = pass;
	pass_run(pass);
}

void
apply_begin(struct gateway *g, struct apply_request *r)
{
	bool plans = r->kind == APPLY_PLAN || r->kind == APPLY_COMPARE;
	struct apply_lane *lane =
		plans ? &g->applies->planning : &g->applies->doing;

	r->begun = false;
	text_format(r->by, sizeof(r->by), "%s", g->asking ? g->asking : "");
	list_append(&lane->waiting, &r->node);
	ev_timer_start(g->loop, &lane->kick);
}

void
apply_leave(struct apply_request *r)
{
	list_remove(&r->node);
}

/* ---- for the gateway ---- */

static void
lane_init(struct apply_lane *lane, struct gateway *g)
{
	lane->gateway = g;
	list_init(&lane->waiting);
	ev_timer_init(&lane->kick, kicked, 0, 0);
}

void
apply_init(struct gateway *g)
{
	g->applies = memory_alloc(sizeof(*g->applies));
	lane_init(&g->applies->doing, g);
	lane_init(&g->applies->planning, g);
}

static void
lane_finish(struct apply_lane *lane)
{
	ev_timer_stop(lane->gateway->loop, &lane->kick);
	list_for_each_safe (node, &lane->waiting)
		list_remove(node);
	if (!lane->running)
		return;
	apply_do_abandon(lane->running);
	apply_atomic_abandon(lane->running);
	pass_destroy(lane->running);
	lane->running = NULL;
}

void
apply_finish(struct gateway *g)
{
	lane_finish(&g->applies->doing);
	lane_finish(&g->applies->planning);
	free(g->applies);
	g->applies = NULL;
}

void
apply_continue(struct gateway *g)
{
	if (g->applies && g->applies->doing.running)
		apply_do_continue(g->applies->doing.running);
}
