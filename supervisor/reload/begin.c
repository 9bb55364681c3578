/* begin: admits, creates and begins transactions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/channel/channel.h"
#include "supervisor/event/services.h"
#include "supervisor/reload/build.h"
#include "supervisor/reload/transaction.h"

/* Whether r gives way to a transaction of kind `to`. A stop or restart does
 * not, because it stops the plugin anyway. */
static bool
gives_way(const struct reload *r, enum reload_kind to)
{
	return reload_programs[to].stops && reload_program(r)->gives_way;
}

void
reload_give_way(struct plugin *p)
{
	if (!p->reload)
		return;
	error_set(&p->reload->error, "ended, because the plugin is stopped");
	reload_abandon(p->reload);
}

enum reload_refusal
reload_admit(struct gateway *g, const struct plugin *p, enum reload_kind kind,
	bool needs_enabled, struct error *err)
{
	if (g->stopping) {
		error_set(err, "supd is stopping");
		return RELOAD_GATEWAY_STOPPING;
	}
	if (p->removed) {
		error_set(err, "plugin '%s' is being removed", p->id);
		return RELOAD_DISABLED;
	}
	if (needs_enabled && !p->enabled) {
		error_set(err, "plugin '%s' is disabled", p->id);
		return RELOAD_DISABLED;
	}
	if (p->reload && !gives_way(p->reload, kind)) {
		error_set(err, "reload already in progress (%s, %s)",
			p->reload->id, p->reload->trigger);
		return RELOAD_BUSY;
	}
	return RELOAD_ACCEPTED;
}

static void begin_next(struct ev_loop *loop, ev_timer *timer, int events);

void
reload_turn_soon(struct gateway *g, const struct list *queue, ev_timer *next,
	void (*begin)(struct ev_loop *loop, ev_timer *timer, int events))
{
	if (list_is_empty(queue) || ev_is_active(next))
		return;
	ev_timer_init(next, begin, 0, 0);
	ev_timer_start(g->loop, next);
}

static void
begin(struct reload *r)
{
	const struct reload_program *program = reload_program(r);

	if (r->set && r->set->has_failed) {
		r->error = r->set->error;
		reload_fail(r);
	} else if (program->is_done && program->is_done(r)) {
		reload_end(r);
	} else {
		if (program->is_possible && !program->is_possible(r))
			r->kind = program->otherwise;
		reload_advance(r);
	}
}

/* Begins queued transactions in the order of their ids, one per turn of the
 * loop. With a timer each, they would all begin in one turn and in any order.
 */
static void
begin_next(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gateway *g = container_of(timer, struct gateway, begin_next);
	struct reload *r;

	(void)loop, (void)events;
	if (list_is_empty(&g->begun))
		return;
	r = container_of(g->begun.next, struct reload, turn);
	list_remove(&r->turn);
	if (required_must_wait(r))
		list_append(&g->begin_later, &r->turn);
	else
		begin(r);
	reload_turn_soon(g, &g->begun, &g->begin_next, begin_next);
}

void
reload_begin_later(struct gateway *g)
{
	list_for_each_safe (node, &g->begin_later) {
		if (required_still_waits(
			    container_of(node, struct reload, turn)))
			continue;
		list_remove(node);
		list_append(&g->begun, node);
	}
	reload_turn_soon(g, &g->begun, &g->begin_next, begin_next);
}

struct reload *
reload_create(struct gateway *g, struct plugin *p, enum reload_kind kind,
	const char *trigger, struct reload_watcher *watcher, char *id_out)
{
	struct reload *r = memory_alloc(sizeof(*r));

	r->gateway = g;
	r->plugin = p;
	r->asked = r->kind = kind;
	r->handover.bytes = -1;
	figures_init(&r->figures);
	tracer_begin_always(&g->workers.tracer, &g->asking_trace, &r->span);
	snprintf(r->id, sizeof(r->id), "r-%llu",
		(unsigned long long)++g->next_reload);
	snprintf(r->trigger, sizeof(r->trigger), "%s", trigger);
	text_format(r->by, sizeof(r->by), "%s", g->asking ? g->asking : "");
	if (id_out)
		memcpy(id_out, r->id, sizeof(r->id));
	list_init(&r->node);
	list_init(&r->turn);
	list_init(&r->member);
	list_init(&r->watchers);
	wheel_timer_init(&r->deadline, NULL);
	if (watcher)
		list_append(&r->watchers, &watcher->node);
	p->reload = r;
	if (kind != KIND_PROVE && kind != KIND_CONFIGURE)
		required_forget(p);
	wheel_clear(&g->wheel, &p->restart);
	ev_init(&r->soon, NULL);
	list_append(&g->begun, &r->turn);
	reload_turn_soon(g, &g->begun, &g->begin_next, begin_next);
	return r;
}

void
reload_destroy(struct reload *r)
{
	ev_timer_stop(r->gateway->loop, &r->soon);
	wheel_clear(&r->gateway->wheel, &r->deadline);
	list_for_each_safe (node, &r->watchers)
		list_remove(node);
	list_remove(&r->node);
	list_remove(&r->turn);
	list_remove(&r->member);
	announce_undo(r);
	plugin_config_unref(r->config);
	manifest_unref(r->manifest);
	json_decref(r->settings);
	json_decref(r->cause);
	figures_finish(&r->figures);
	state_blob_finish(&r->handover.blob);
	free(r->stage_dir);
	free(r->digest);
	free(r);
}

enum reload_refusal
reload_check(struct gateway *g, const struct plugin *p, struct error *err)
{
	enum reload_refusal refusal =
		reload_admit(g, p, KIND_RELOAD, true, err);

	if (refusal == RELOAD_ACCEPTED && p->stopped) {
		error_set(err, "plugin '%s' is stopped; start it first", p->id);
		return RELOAD_DISABLED;
	}
	return refusal;
}

enum reload_refusal
reload_begin(struct gateway *g, struct plugin *p,
	const struct reload_options *options, struct reload_watcher *watcher,
	char *id_out, struct error *err)
{
	struct error why;
	enum reload_refusal refusal = reload_check(g, p, &why);
	struct reload *r;

	if (refusal != RELOAD_ACCEPTED) {
		if (options->set)
			set_refuse(options->set, p, &why);
		if (err)
			*err = why;
		return refusal;
	}
	r = reload_create(g, p, options->prove ? KIND_PROVE : KIND_RELOAD,
		options->trigger, watcher, id_out);
	r->force = options->force;
	r->no_drop = options->no_drop;
	r->source = options->source;
	r->if_changed = options->if_changed;
	r->asked_by = options->asked_by;
	if (options->set)
		set_join(options->set, r);
	return RELOAD_ACCEPTED;
}

bool
reload_package_is_there(const struct plugin *p)
{
	return build_package_is_there(p->gateway, p);
}

bool
reload_is_safe(const struct gateway *g, const struct plugin *p,
	const char **reason_out)
{
	const char *reason = NULL;

	if (g->stopping)
		reason = "supd is stopping";
	else if (!p->enabled)
		reason = "disabled";
	else if (p->stopped)
		reason = "stopped";
	else if (p->reload)
		reason = "reload already in progress";
	else if (!build_package_is_there(g, p))
		reason = "package missing";
	else if (services_are_exclusive(p->active) &&
		 channels_are_busy(p->active))
		reason = "messages in flight";
	if (reason_out)
		*reason_out = reason;
	return !reason;
}

void
reload_unwatch(struct reload_watcher *w)
{
	list_remove(&w->node);
}
