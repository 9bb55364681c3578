/* gateway: creates and frees the state that all parts share, and finds plugins
 * by id or number. */
#include "supervisor/gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/log.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/news.h"
#include "supervisor/ops/cpus.h"
#include "supervisor/ops/journal.h"
#include "supervisor/plugin/output_hub.h"
#include "supervisor/plugin/stage.h"
#include "supervisor/plugin/store_sync.h"

/* Sets the tick timer, so that the loop sleeps until the next deadline. */
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

/* A worker that starts is busy: more of them at a time only take longer. */
#define STARTING_PER_CPU 2

/* The usual default; supd raises the limit for itself only. */
#define WORKER_NOFILE 1024

/* The time per loop turn for messages from all workers together. Clients and
 * operators wait no longer than this, however many workers flood supd. */
#define WORKERS_TURN_US 8000

void
gateway_init(struct gateway *g, struct ev_loop *loop, struct config *config,
	const char *runtime_dir, const char *state_dir,
	const char *worker_program)
{
	struct cpus cpus = cpus_find("/sys/fs/cgroup", "/proc/self/cgroup");

	memset(g, 0, sizeof(*g));
	g->loop = loop;
	g->config = config_ref(config);
	g->journal = journal_create();
	g->lines = output_hub_create();
	g->runtime_dir = memory_copy_text(runtime_dir);
	g->state_dir = memory_copy_text(state_dir);
	g->worker_program = memory_copy_text(worker_program);
	g->started_ms = clock_ms();
	g->staging_max = 2 * cpus.usable;
	list_init(&g->begun);
	list_init(&g->begin_later);
	list_init(&g->ws_congested);
	list_init(&g->staging_queue);
	wheel_init(&g->wheel, clock_ms());
	peer_group_init(&g->peers, loop);
	g->peers.turn_us = WORKERS_TURN_US;
	codec_bound_values(g->peers.codec, WIRE_VALUES_MAX);
	g->requests = request_table_create();
	g->routes = route_table_create();
	g->wheel.on_earlier = wake_earlier;
	ev_timer_init(&g->tick, tick, 0, 0);
	wake_at(g, wheel_plan(&g->wheel));
	g->workers = (struct workers){
		.loop = loop,
		.peers = &g->peers,
		.wheel = &g->wheel,
		.requests = g->requests,
		.runtime_dir = g->runtime_dir,
		.worker_program = g->worker_program,
		.body_limit = config->limits.body_bytes,
		.nofile = WORKER_NOFILE,
		.starting_max = STARTING_PER_CPU * cpus.usable,
	};
	children_init(&g->workers.children, loop);
	sweeper_init(&g->workers.sweeper, &g->workers.children,
		g->worker_program, state_dir, true);
	g->sync = store_sync_create(&g->workers, g->state_dir);
	keep_init(g);
	if (cpus.usable < cpus.online)
		log_info("limited to %u of %u CPUs: at most %u workers start "
			 "at a time",
			cpus.usable, cpus.online, g->workers.starting_max);
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

/* ---- the set of plugins ---- */

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

void
gateway_remove_routes(struct gateway *g, struct plugin *p)
{
	struct route_changes changes;

	route_changes_of_removal(&changes, g->routes, p->number);
	route_table_remove(g->routes, p->number);
	news_routes_changed(p, &changes);
	route_changes_finish(&changes);
}

void
gateway_finish(struct gateway *g)
{
	free(g->plugins);
	map_finish(&g->by_id);
	output_hub_destroy(g->lines);
	stage_finish(&g->workers);
	sweeper_finish(&g->workers.sweeper);
	store_sync_destroy(g->sync);
	wheel_clear(&g->wheel, &g->keep_timer);
	children_finish(&g->workers.children);
	ev_timer_stop(g->loop, &g->tick);
	ev_timer_stop(g->loop, &g->begin_next);
	ev_timer_stop(g->loop, &g->staging_next);
	peer_group_finish(&g->peers);
	route_table_destroy(g->routes);
	request_table_destroy(g->requests);
	config_unref(g->config);
	free(g->config_news.refusal);
	journal_destroy(g->journal);
	free(g->worker_program);
	free(g->runtime_dir);
	free(g->state_dir);
}
