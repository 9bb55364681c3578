/* gateway: the set of plugins: made from the config, started in order of what
 * they require, stopped together. Transactions are reload's, requests are
 * dispatch's. */
#include "supervisor/gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/apply.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/news.h"
#include "supervisor/gateway/transaction.h"
#include "supervisor/ops/history.h"
#include "supervisor/ops/journal.h"

/* The loop sleeps until something may be due. */
static void
wake_at(struct gateway *g, uint64_t due_ms)
{
	uint64_t now = clock_ms();

	ev_timer_stop(g->loop, &g->tick);
	if (due_ms == WHEEL_NEVER)
		return;
	ev_now_update(g->loop);
	ev_timer_set(
		&g->tick, due_ms > now ? (double)(due_ms - now) / 1e3 : 0, 0);
	ev_timer_start(g->loop, &g->tick);
}

static void
wake_earlier(struct wheel *w)
{
	wake_at(container_of(w, struct gateway, wheel),
		w->planned * WHEEL_TICK_MS);
}

static void
tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gateway *g = container_of(timer, struct gateway, tick);

	(void)loop, (void)events;
	wheel_turn(&g->wheel, clock_ms());
	wake_at(g, wheel_plan(&g->wheel));
}

/* The usual limit, which supd raises for itself alone. */
#define WORKER_NOFILE 1024

void
gateway_init(struct gateway *g, struct ev_loop *loop, struct config *config,
	const char *runtime_dir, const char *state_dir,
	const char *worker_program)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	memset(g, 0, sizeof(*g));
	g->loop = loop;
	g->config = config_ref(config);
	g->journal = journal_create();
	g->runtime_dir = memory_copy_text(runtime_dir);
	g->state_dir = memory_copy_text(state_dir);
	g->worker_program = memory_copy_text(worker_program);
	g->started_ms = clock_ms();
	g->staging_max = cpus > 0 ? 2 * (unsigned)cpus : 2;
	list_init(&g->staging_queue);
	wheel_init(&g->wheel, clock_ms());
	peer_group_init(&g->peers, loop);
	g->requests = request_table_create();
	g->routes = route_table_create();
	g->wheel.on_earlier = wake_earlier;
	ev_timer_init(&g->tick, tick, 0, 0);
	wake_at(g, wheel_plan(&g->wheel));
	g->room = (struct worker_room){
		.loop = loop,
		.peers = &g->peers,
		.wheel = &g->wheel,
		.requests = g->requests,
		.runtime_dir = g->runtime_dir,
		.worker_program = g->worker_program,
		.body_limit = config->limits.body_bytes,
		.nofile = WORKER_NOFILE,
	};
	children_init(&g->room.children, loop);
	apply_init(g);
}

uint64_t
gateway_turn_us(struct gateway *g)
{
	unsigned turn = ev_iteration(g->loop);

	if (!g->turn_us || g->turn != turn) {
		g->turn = turn;
		g->turn_us = clock_us();
	}
	return g->turn_us;
}

/* ---- the set ---- */

struct plugin *
gateway_plugin(const struct gateway *g, const char *id)
{
	return map_get(&g->by_id, id, strlen(id));
}

struct plugin *
gateway_plugin_by_number(const struct gateway *g, uint32_t n)
{
	return n < g->plugin_count ? g->plugins[n] : NULL;
}

/* Generations that failed leave no trace but in the store. */
#define LOST_GENERATIONS 100

/* The greatest that a receipt of the past or a stage tells of. */
static uint32_t
last_known_generation(const struct gateway *g, const struct plugin *p)
{
	uint32_t newest = stage_newest(g->state_dir, p->id);
	json_t *past = g->history ? history_last(g->history, p->id,
					    HISTORY_RECEIPTS_MAX)
				  : json_array();
	json_t *receipt;
	size_t i;

	json_array_foreach(past, i, receipt)
	{
		json_int_t n = json_integer_value(
			json_object_get(receipt, "generation"));

		if (n > newest && n < UINT32_MAX - LOST_GENERATIONS)
			newest = (uint32_t)n;
	}
	json_decref(past);
	return newest;
}

/* What a person said and which generations there were is not known any more:
 * nothing starts by itself, and no generation may come twice. */
static void
take_broken_store(struct gateway *g, struct plugin *p, const struct error *err)
{
	snprintf(p->failure, sizeof(p->failure), "%s", err->text);
	log_error("%s", err->text);
	p->given_up = p->settled_once = true;
	p->store.generation = last_known_generation(g, p) + LOST_GENERATIONS;
}

struct plugin *
gateway_add(struct gateway *g, const struct plugin_config *config)
{
	struct plugin *p = plugin_create(g->plugin_count, config->id);
	struct error err;

	p->gateway = g;
	plugin_want(p, config);
	plugin_configure(p, config);
	if (store_load(&p->store, g->state_dir, p->id, &err) < 0)
		take_broken_store(g, p, &err);
	enable_follow(p);
	p->stopped = p->store.stopped;
	/* Not while a removed plugin of that id still runs from some, nor if
	 * it is not known which one counts. */
	if (!gateway_plugin(g, p->id) && !p->given_up)
		stage_sweep(&g->room, g->state_dir, p->id,
			p->store.proven_generation, 0);
	g->plugins = memory_resize(
		g->plugins, (g->plugin_count + 1) * sizeof(struct plugin *));
	g->plugins[g->plugin_count++] = p;
	map_set(&g->by_id, p->id, strlen(p->id), p);
	return p;
}

static void
drop(struct gateway *g, struct plugin *p)
{
	crash_forget(p);
	news_forget(p);
	dispatch_fail_held(g, p, REQUEST_UNAVAILABLE);
	route_table_remove(g->routes, p->number);
	/* The id may be configured again already. */
	if (gateway_plugin(g, p->id) == p)
		map_remove(&g->by_id, p->id, strlen(p->id));
	g->plugins[p->number] = NULL;
	plugin_destroy(p);
}

static bool
has_workers(const struct plugin *p)
{
	return p->active || p->candidate || !list_is_empty(&p->others);
}

void
gateway_on_worker_gone(struct gateway *g, struct plugin *p)
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
is_settled(const struct plugin *p)
{
	return p->settled_once || !p->enabled || p->stopped;
}

static bool
are_settled(const struct gateway *g, const struct text_list *ids)
{
	for (uint32_t i = 0; i < ids->count; i++) {
		struct plugin *other = gateway_plugin(g, ids->items[i]);

		if (other && !is_settled(other))
			return false;
	}
	return true;
}

bool
gateway_may_start(const struct gateway *g, const struct plugin *p)
{
	const struct manifest *manifest = p->before_start;

	return are_settled(g, &p->wanted->requires) &&
	       (p->settled_once || !manifest ||
		       are_settled(g, &manifest->requires));
}

/* An apply begins some itself, and wants to hear their verdicts. */
void
gateway_start_waiting(struct gateway *g)
{
	struct reload_options options = {.trigger = "start"};

	if (g->stopping)
		return;
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		if (!p || is_settled(p) || p->reload || has_workers(p) ||
			p->start_is_applied)
			continue;
		if (gateway_may_start(g, p))
			reload_begin(g, p, &options, NULL, NULL, NULL);
	}
}

static bool
is_known(const void *user, const char *plugin_id)
{
	return gateway_plugin(user, plugin_id) != NULL;
}

void
gateway_start(struct gateway *g)
{
	for (uint32_t i = 0; i < g->config->plugin_count; i++)
		gateway_add(g, g->config->plugins[g->config->start_order[i]]);
	stage_sweep_unknown(&g->room, g->state_dir, is_known, g);
	start_read_manifests(g, g->config);
	gateway_start_waiting(g);
}

bool
gateway_is_settled(const struct gateway *g)
{
	for (uint32_t i = 0; i < g->plugin_count; i++)
		if (g->plugins[i] && !is_settled(g->plugins[i]))
			return false;
	return true;
}

bool
gateway_is_ready(const struct gateway *g)
{
	if (g->stopping || !gateway_is_settled(g))
		return false;
	for (uint32_t i = 0; i < g->plugin_count; i++) {
		struct plugin *p = g->plugins[i];

		/* What a person stopped is not waited for. */
		if (p && p->wanted->required && p->enabled && !p->stopped &&
			!plugin_serving(p))
			return false;
	}
	return true;
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
		reload_fail(p->reload);
	}
	dispatch_fail_held(g, p, REQUEST_STOPPING);
	settle_end_all(p);
	w = plugin_serving(p);
	if (!w)
		return;
	p->active = NULL;
	list_append(&p->others, &w->node);
	worker_retire(w);
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
gateway_stop(struct gateway *g)
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
	wheel_set(&g->wheel, &g->stop_timer,
		clock_ms() + g->config->defaults.stop_timeout_ms);
}

/* The stop was cut short: what is left of a plugin is killed and reaped. */
static void
abandon(struct gateway *g, struct plugin *p)
{
	struct worker *last[] = {p->active, p->candidate};

	if (p->reload) {
		error_set(&p->reload->error, "supd is stopping");
		reload_fail(p->reload);
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
		worker_destroy(w);
	}
}

void
gateway_finish(struct gateway *g)
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
	free(g->plugins);
	map_finish(&g->by_id);
	stage_finish(&g->room);
	children_finish(&g->room.children);
	ev_timer_stop(g->loop, &g->tick);
	peer_group_finish(&g->peers);
	route_table_destroy(g->routes);
	request_table_destroy(g->requests);
	config_unref(g->config);
	journal_destroy(g->journal);
	free(g->worker_program);
	free(g->runtime_dir);
	free(g->state_dir);
}
