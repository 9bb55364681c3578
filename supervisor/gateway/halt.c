/* halt: stop and restart by a person: the active worker drains within
 * stop_timeout, then goes; the verdict of a stop comes when it is gone. A
 * restart goes on from there like a reload, while requests are held. */
#include "proto/util/clock.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/transaction.h"

static void
after_exit(struct reload *r)
{
	if (r->kind == KIND_RESTART) {
		r->plugin->stopped = false;
		reload_run(r);
		return;
	}
	reload_step(r, RELOAD_EVENT_DONE);
	reload_give_verdict(r);
}

static void
drain_due(struct wheel_timer *t)
{
	struct reload *r = container_of(t, struct reload, probation);

	worker_end_requests(r->old, "ended: the plugin is stopped");
	worker_stop(r->old);
}

/* Those that older reloads have left behind go in the same time. */
static void
hurry_old_workers(struct plugin *p)
{
	list_for_each_safe (node, &p->others)
		worker_drain_within(container_of(node, struct worker, node),
			p->config->limits.stop_timeout_ms);
}

void
halt_begin(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct worker *w = plugin_serving(p);

	reload_step(r, RELOAD_EVENT_HALT);
	settle_end_all(p);
	if (r->kind == KIND_STOP) {
		hurry_old_workers(p);
		dispatch_fail_held(g, p, REQUEST_UNAVAILABLE);
	}
	/* The routes of a plugin that is disabled or no longer configured are
	 * not there; a stopped one's are, and refuse. */
	if (!p->enabled || p->removed)
		route_table_remove(g->routes, p->number);
	else
		route_table_point(g->routes, p->number, 0);
	if (!w) {
		after_exit(r);
		gateway_on_worker_gone(g, p);
		return;
	}
	r->old = w;
	r->previous_generation = w->generation;
	r->previous_pid = w->pid;
	r->removed = receipt_counts(&w->registrations);
	p->active = NULL;
	list_append(&p->others, &w->node);
	r->probation.fire = drain_due;
	wheel_set(&g->wheel, &r->probation,
		clock_ms() + p->config->limits.stop_timeout_ms);
	worker_retire(w);
	if (w->state == WORKER_STANDBY)
		worker_stop(w);
}

void
halt_on_drained(struct reload *r)
{
	worker_stop(r->old);
}

void
halt_on_exit(struct reload *r)
{
	r->old = NULL;
	wheel_clear(&r->gateway->wheel, &r->probation);
	after_exit(r);
}

static enum reload_refusal
begin_halt(struct gateway *g, struct plugin *p, enum reload_kind kind,
	const char *trigger, struct reload_watcher *watcher, char *id_out,
	struct error *err)
{
	enum reload_refusal refusal =
		reload_admit(g, p, kind == KIND_RESTART, err);
	bool was_stopped = p->stopped;

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	p->stopped = p->store.stopped = kind == KIND_STOP;
	if (p->stopped != was_stopped &&
		store_save(&p->store, g->state_dir, p->id, err) < 0) {
		p->stopped = p->store.stopped = was_stopped;
		return RELOAD_BUSY;
	}
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
	enum reload_refusal refusal = reload_admit(g, p, true, err);
	bool was_stopped = p->stopped;
	struct reload *r;

	if (refusal != RELOAD_ACCEPTED)
		return refusal;
	p->stopped = p->store.stopped = false;
	if (was_stopped &&
		store_save(&p->store, g->state_dir, p->id, err) < 0) {
		p->stopped = p->store.stopped = was_stopped;
		return RELOAD_BUSY;
	}
	crash_forget(p);
	r = reload_create(g, p, KIND_RELOAD, trigger, watcher, id_out);
	r->if_serving_done = plugin_serving(p) != NULL;
	return RELOAD_ACCEPTED;
}
