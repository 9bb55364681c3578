/* roster: adds, starts, stops and removes plugins. */
#include "supervisor/apply/roster.h"

#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/apply/apply.h"
#include "supervisor/apply/enable.h"
#include "supervisor/apply/start.h"
#include "supervisor/event/services.h"
#include "supervisor/event/events.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/ws_move.h"
#include "supervisor/plugin/stage.h"
#include "supervisor/reload/cause.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/schedule/schedule.h"

/* ---- the set ---- */

static void
forget_stages(struct plugin *p)
{
	store_forget_proven(&p->store);
	store_forget_older(&p->store);
}

/* Removes the stages that no worker can be started from. */
static void
sweep(struct gateway *g, struct plugin *p)
{
	uint32_t kept[] = {p->store.proven_generation,
		p->store.older_generation, p->claimed};

	/* Not while a removed plugin of that id still runs from a stage, or if
	 * the store is lost and with it the number of the proven stage. */
	if (!gateway_plugin(g, p->id) && !p->state_lost[0])
		stage_sweep(&g->workers, g->state_dir, p->id, kept, 3);
}

static struct plugin *
add(struct gateway *g, const struct plugin_config *config, bool comes_anew)
{
	struct plugin *p = plugin_create(g->plugin_count, config->id);

	p->gateway = g;
	output_join(p->output, g->lines);
	plugin_want(p, config);
	plugin_configure(p, config);
	stage_check_dir(g->state_dir, p->id);
	keep_load(p);
	if (comes_anew &&
		(p->store.proven_generation || p->store.older_generation)) {
		forget_stages(p);
		keep_save_sooner_or_later(p);
	}
	enable_follow(p);
	p->stopped = p->store.stopped;
	schedule_begin(p);
	sweep(g, p);
	g->plugins = memory_resize(
		g->plugins, (g->plugin_count + 1) * sizeof(struct plugin *));
	g->plugins[g->plugin_count++] = p;
	map_set(&g->by_id, p->id, strlen(p->id), p);
	events_add_plugin(g->events, p);
	return p;
}

struct plugin *
roster_add(struct gateway *g, const struct plugin_config *config)
{
	return add(g, config, true);
}

/* If the store cannot be written, the stages that it names stay until the id is
 * configured again or supd starts. */
static void
drop_stages(struct gateway *g, struct plugin *p)
{
	forget_stages(p);
	if (keep_save(p, NULL) == 0)
		stage_remove_all(&g->workers, g->state_dir, p->id);
}

/* Another plugin has the id, and its store and stages lie in the same index. */
static void
drop_stage(struct gateway *g, const struct plugin *p, uint32_t generation)
{
	char *path =
		memory_format("%s/run/%s/%u", g->state_dir, p->id, generation);

	if (generation)
		stage_remove(&g->workers, path);
	free(path);
}

static void
drop(struct gateway *g, struct plugin *p)
{
	crash_forget(p);
	news_forget(p);
	required_forget(p);
	schedule_forget(p);
	dispatch_fail_held(g, p, REQUEST_UNAVAILABLE);
	ws_move_finish(p);
	gateway_remove_routes(g, p);
	/* the id may already belong to a new plugin */
	if (gateway_plugin(g, p->id) == p) {
		map_remove(&g->by_id, p->id, strlen(p->id));
		/* If supd stops, its next start needs the proven stages. */
		if (p->removed)
			drop_stages(g, p);
	} else {
		drop_stage(g, p, p->store.proven_generation);
		drop_stage(g, p, p->store.older_generation);
	}
	g->plugins[p->number] = NULL;
	plugin_destroy(p);
}

static bool
has_workers(const struct plugin *p)
{
	return p->active || p->candidate || !list_is_empty(&p->others);
}

static void
on_worker_gone(struct gateway *g, struct plugin *p)
{
	if (has_workers(p))
		return;
	if (p->removed && !p->reload)
		drop(g, p);
	if (!g->stopping)
		return;
	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i] && has_workers(g->plugins[i]))
			return;
	if (g->on_stopped)
		g->on_stopped(g, g->user);
}

/* ---- start ---- */

static bool
are_settled(const struct gateway *g, const struct text_list *ids)
{
	for (uint32_t i = 0; i < ids->count; i++) {
		struct plugin *other = gateway_plugin(g, ids->items[i]);

		if (other && !plugin_is_settled(other))
			return false;
	}
	return true;
}

bool
roster_may_start(const struct gateway *g, const struct plugin *p)
{
	const struct manifest *manifest = p->before_start;

	return are_settled(g, &p->wanted->requires) &&
	       (p->settled_once || !manifest ||
		       are_settled(g, &manifest->requires));
}

static void
begin_start(struct gateway *g, struct plugin *p)
{
	struct reload_options options = {.trigger = "start"};

	if (reload_begin(g, p, &options, NULL, NULL, NULL) == RELOAD_ACCEPTED)
		cause_note(p, cause_create("supd started"));
}

/* Starts plugins whose requirements have now been met or have failed. Leaves
 * plugins to an apply that begins them itself and awaits their verdicts. */
static void
start_waiting(struct gateway *g)
{
	if (g->stopping)
		return;
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p || plugin_is_settled(p) || p->reload || has_workers(p) ||
			p->start_is_applied)
			continue;
		if (roster_may_start(g, p))
			begin_start(g, p);
	}
}

static bool
is_kept(const void *user, const char *entry)
{
	const struct gateway *g = user;

	if (gateway_plugin(g, entry))
		return true;
	return config_id_is_valid(entry) && keep_forget_stages(g, entry) < 0;
}

void
roster_start(struct gateway *g)
{
	struct start_manifests *manifests;

	for (uint32_t i = 0; i < g->config->plugin_count; i++)
		add(g, g->config->plugins[g->config->start_order[i]], false);
	stage_sweep_unknown(&g->workers, g->state_dir, is_kept, g);
	manifests = start_manifests_create(g, g->config);
	while (!start_manifests_step(manifests))
		;
	start_manifests_finish(manifests);
	start_waiting(g);
}

/* ---- stop ---- */

/* Ends a plugin's transaction and retires its worker. */
static void
stop_plugin(struct gateway *g, struct plugin *p)
{
	struct worker *w;

	crash_forget(p);
	if (p->reload) {
		error_set(&p->reload->error, "supd is stopping");
		reload_abandon(p->reload);
	}
	dispatch_fail_held(g, p, REQUEST_STOPPING);
	settle_end_all(p);
	w = plugin_serving(p);
	if (!w)
		return;
	p->active = NULL;
	list_append(&p->others, &w->node);
	worker_retire(w);
	services_retire(w, SERVICES_ALL);
}

static void
stop_due(struct wheel_timer *t)
{
	struct gateway *g = container_of(t, struct gateway, stop_timer);

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p)
			continue;
		list_for_each_safe (node, &p->others) {
			struct worker *w =
				container_of(node, struct worker, node);

			worker_end_requests(w, "ended: supd is stopping");
			worker_stop(w);
		}
	}
}

void
roster_stop(struct gateway *g, uint64_t limit_ms)
{
	bool any = false;

	if (g->stopping)
		return;
	g->stopping = true;
	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i])
			stop_plugin(g, g->plugins[i]);
	for (uint32_t i = 0; i < g->plugin_count; i++)
		any = any || (g->plugins[i] && has_workers(g->plugins[i]));
	if (!any && g->on_stopped) {
		g->on_stopped(g, g->user);
		return;
	}
	wheel_timer_init(&g->stop_timer, stop_due);
	wheel_set(&g->wheel, &g->stop_timer, clock_ms() + limit_ms);
}

/* The stop was cut short: kills and reaps the plugin's remaining workers. */
static void
abandon(struct gateway *g, struct plugin *p)
{
	struct worker *last[] = {p->active, p->candidate};

	if (p->reload) {
		error_set(&p->reload->error, "supd is stopping");
		reload_abandon(p->reload);
	}
	while (!list_is_empty(&p->settling))
		reload_destroy(
			container_of(p->settling.next, struct reload, node));
	for (unsigned i = 0; i < 2; i++)
		if (last[i] && list_is_empty(&last[i]->node))
			list_append(&p->others, &last[i]->node);
	p->active = p->candidate = NULL;
	list_for_each_safe (node, &p->others) {
		struct worker *w = container_of(node, struct worker, node);

		list_remove(node);
		worker_stop(w);
		services_destroy(w);
		worker_destroy(w);
	}
}

void
roster_finish(struct gateway *g)
{
	g->stopping = true;
	g->on_settled = g->on_stopped = NULL;
	apply_finish(g);
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		if (!g->plugins[i])
			continue;
		abandon(g, g->plugins[i]);
		drop(g, g->plugins[i]);
	}
}

/* ---- news from the transactions ---- */

static void
on_verdict(struct gateway *g, bool may_start_others)
{
	if (may_start_others)
		start_waiting(g);
	apply_continue(g);
}

void
roster_init(struct gateway *g)
{
	g->on_verdict = on_verdict;
	g->on_worker_gone = on_worker_gone;
	apply_init(g);
}
