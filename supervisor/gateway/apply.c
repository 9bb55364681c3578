/* apply: the passes: one that does and one that only plans may be under way,
 * and what is asked for meanwhile waits for the next of its kind. A pass reads
 * the file, has the packages compared by a child, and leaves the rest to
 * apply_plan and apply_do. */
#include "supervisor/gateway/apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/apply_parts.h"

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
	survey_destroy(pass->survey);
	apply_plan_finish(&pass->plan);
	config_changes_finish(&pass->changes);
	problems_finish(&pass->problems);
	config_unref(pass->config);
	json_decref(pass->receipts);
	free(pass);
}

void
apply_pass_end(struct apply_pass *pass)
{
	struct apply_lane *lane = pass->lane;
	json_t *document = apply_document(pass);
	enum outcome outcome = apply_outcome(pass);

	apply_log(pass);
	lane->running = NULL;
	while (!list_is_empty(&pass->requests)) {
		struct apply_request *r = container_of(
			pass->requests.next, struct apply_request, node);

		list_remove(&r->node);
		r->on_done(r, outcome, document);
	}
	json_decref(document);
	pass_destroy(pass);
	if (!list_is_empty(&lane->waiting))
		ev_timer_start(lane->gateway->loop, &lane->kick);
}

/* ---- its steps ---- */

static void
surveyed(void *user, struct error *err)
{
	struct apply_pass *pass = user;

	if (err) {
		/* Not known: then a stager is to find out. */
		log_warn("%s", err->text);
		problems_warn(&pass->problems, "", 0, 0, "%s", err->text);
		survey_destroy(pass->survey);
		pass->survey = NULL;
	}
	apply_plan_decide(pass);
	if (pass->kind != APPLY_ALL && pass->kind != APPLY_SCAN)
		apply_pass_end(pass);
	else if (pass->atomic)
		apply_atomic(pass);
	else
		apply_do(pass);
}

static void
compare_packages(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	struct error err;

	pass->survey = survey_create(&g->room);
	apply_plan_collect(pass);
	if (!survey_count(pass->survey))
		surveyed(pass, NULL);
	else if (survey_begin(pass->survey, clock_ms() + SURVEY_MS, surveyed,
			 pass, &err) < 0)
		surveyed(pass, &err);
}

static bool
plugin_configures(void *user, const char *plugin_id)
{
	const struct plugin *p = gateway_plugin(user, plugin_id);

	return p && apply_plugin_configures(p);
}

/* What the file adds may run already: a scan found it. A scan looks for
 * nothing else. */
static bool
is_change(const struct apply_pass *pass, const struct config_change *change)
{
	const struct plugin *p =
		change->plugin ? gateway_plugin(pass->gateway, change->plugin)
			       : NULL;
	bool adds = change->kind == CHANGE_ADDED && change->plugin &&
		    !strchr(change->path + strlen("plugins."), '.');

	if (adds)
		return !p || p->removed;
	return pass->kind != APPLY_SCAN;
}

static void
find_changes(struct apply_pass *pass)
{
	struct config_running running = {plugin_configures, pass->gateway};
	struct config_changes *all = &pass->changes;
	uint32_t count = 0;

	config_compare(pass->gateway->config, pass->config, &running, all);
	for (uint32_t i = 0; i < all->count; i++) {
		struct config_change *change = &all->items[i];

		if (!is_change(pass, change)) {
			free(change->path);
			free(change->plugin);
			continue;
		}
		pass->not_applied += change->class == CLASS_RESTART;
		all->items[count++] = *change;
	}
	all->count = count;
}

/* All that can fail of what is not the plugins'. */
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

void
apply_keep(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	struct config *old = g->config;

	apply_log_changes(pass);
	config_keep_unchangeable(pass->config, old);
	g->config = config_ref(pass->config);
	g->room.body_limit = pass->config->limits.body_bytes;
	if (g->on_config_keep)
		g->on_config_keep(g, pass->config);
	config_unref(old);
}

static int
read_config(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;

	if (pass->kind == APPLY_COMPARE) {
		pass->config = config_ref(g->config);
		return 0;
	}
	pass->config = config_load(g->config_file, &pass->problems);
	if (!pass->config)
		return error_set(&pass->error,
			"the configuration has %u error%s",
			pass->problems.errors,
			pass->problems.errors == 1 ? "" : "s");
	find_changes(pass);
	return 0;
}

static void
pass_run(struct apply_pass *pass)
{
	if (pass->gateway->stopping)
		error_set(&pass->error, "supd is stopping");
	else if (read_config(pass) == 0 &&
		 (pass->kind != APPLY_ALL || prepare(pass) == 0)) {
		if (pass->kind == APPLY_SCAN)
			apply_log_changes(pass);
		else if (pass->kind == APPLY_ALL && !pass->atomic)
			apply_keep(pass);
		compare_packages(pass);
		return;
	}
	apply_pass_end(pass);
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
	pass->begun_us = clock_us();
	pass->receipts = json_array();
	list_init(&pass->requests);
	list_init(&pass->items);
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
