/* halt: stop and restart by a user: the active worker drains within
 * stop_timeout and then ends. The verdict of a stop comes when the worker is
 * gone; a restart goes on from there like a reload, while requests are held. */
#include "proto/util/clock.h"
#include "supervisor/event/services.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/ws_move.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/schedule/schedule.h"

/* Old workers of earlier reloads must end in the same time. */
static void
hurry_old_workers(struct plugin *p)
{
	list_for_each_safe (node, &p->others)
		worker_drain_within(container_of(node, struct worker, node),
			p->config->limits.stop_timeout_ms);
}

/* Removes the routes of a plugin that is disabled or no longer configured. A
 * stopped plugin keeps its routes, which answer 503. */
static void
take_routes(struct gateway *g, struct plugin *p)
{
	if (!p->enabled || p->removed)
		gateway_remove_routes(g, p);
	else
		route_table_point(g->routes, p->number, 0);
}

static void
retire(struct reload *r, struct worker *w)
{
	struct plugin *p = r->plugin;

	r->old = w;
	account_keep_old(r, w);
	p->active = NULL;
	list_append(&p->others, &w->node);
	w->ends_pinned = true;
	worker_retire(w);
	services_retire(w, SERVICES_ALL);
	ws_move_pump(p);
	if (w->state == WORKER_STANDBY)
		services_end(w);
}

void
halt_enter(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct worker *w = plugin_serving(p);

	settle_end_all(p);
	if (reload_program(r)->stops) {
		hurry_old_workers(p);
		dispatch_fail_held(g, p, REQUEST_UNAVAILABLE);
	}
	take_routes(g, p);
	if (reload_program(r)->stops)
		schedule_follow(p);
	if (w) {
		retire(r, w);
	} else {
		reload_advance(r);
		g->on_worker_gone(g, p);
	}
}

uint64_t
halt_deadline(const struct reload *r)
{
	return clock_ms() + r->plugin->config->limits.stop_timeout_ms;
}

void
halt_on_due(struct reload *r)
{
	worker_end_requests(r->old, "ended: the plugin is stopped");
	worker_stop(r->old);
}

void
halt_on_drained(struct reload *r)
{
	services_end(r->old);
}

void
halt_on_exit(struct reload *r)
{
	r->old = NULL;
	reload_advance(r);
}

static enum reload_refusal
begin_halt(struct gateway *g, struct plugin *p, enum reload_kind kind,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err)
{
	enum reload_refusal refusal =
		reload_admit(g, p, kind, kind == KIND_RESTART, err);
	bool was_stopped = p->stopped;

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	p->stopped = p->store.stopped = kind == KIND_STOP;
	if (p->stopped != was_stopped && keep_decision(p, err) < 0) {
		p->stopped = p->store.stopped = was_stopped;
		return RELOAD_NOT_SAVED;
	}
	p->state_lost[0] = '\0';
	reload_give_way(p);
	crash_forget(p);
	reload_create(g, p, kind, trigger, watcher, id_out);
	return RELOAD_ACCEPTED;
}

enum reload_refusal
reload_begin_stop(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin_halt(g, p, KIND_STOP, trigger, watcher, id_out, err);
}

enum reload_refusal
reload_begin_restart(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	return begin_halt(g, p, KIND_RESTART, trigger, watcher, id_out, err);
}

enum reload_refusal
reload_begin_start(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	enum reload_refusal refusal = reload_admit(g, p, KIND_START, true, err);
	bool was_stopped = p->stopped;

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	p->stopped = p->store.stopped = false;
	if (was_stopped && keep_decision(p, err) < 0) {
		p->stopped = p->store.stopped = was_stopped;
		return RELOAD_NOT_SAVED;
	}
	p->state_lost[0] = '\0';
	crash_forget(p);
	reload_create(g, p, KIND_START, trigger, watcher, id_out);
	return RELOAD_ACCEPTED;
}
