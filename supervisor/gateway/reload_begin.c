/* reload_begin: who may begin a transaction, and what one is made of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/build.h"
#include "supervisor/gateway/transaction.h"

enum reload_refusal
reload_admit(struct gateway *g, const struct plugin *p, bool needs_enabled,
	struct error *err)
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
	if (p->reload) {
		error_set(err, "reload already in progress (%s, %s)",
			p->reload->id, p->reload->trigger);
		return RELOAD_BUSY;
	}
	return RELOAD_ACCEPTED;
}

static void
kicked(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct reload *r = container_of(timer, struct reload, kick);

	(void)loop, (void)events;
	if (r->kind == KIND_RELOAD)
		reload_run(r);
	else if (r->kind == KIND_CONFIGURE)
		configure_begin(r);
	else
		halt_begin(r);
}

struct reload *
reload_create(struct gateway *g, struct plugin *p, enum reload_kind kind,
	const char *trigger, struct reload_watcher *watcher, char *id_out)
{
	struct reload *r = memory_alloc(sizeof(*r));

	r->gateway = g;
	r->plugin = p;
	r->kind = kind;
	r->begun_us = r->phase_us = clock_us();
	r->drained = r->aborted = r->state_bytes = -1;
	for (int i = 0; i < PHASE_COUNT; i++)
		r->phase_ms[i] = -1;
	snprintf(r->id, sizeof(r->id), "r-%llu",
		(unsigned long long)++g->next_reload);
	snprintf(r->trigger, sizeof(r->trigger), "%s", trigger);
	if (id_out)
		memcpy(id_out, r->id, sizeof(r->id));
	list_init(&r->node);
	list_init(&r->turn);
	list_init(&r->member);
	list_init(&r->watchers);
	wheel_timer_init(&r->probation, NULL);
	if (watcher)
		list_append(&r->watchers, &watcher->node);
	p->reload = r;
	wheel_clear(&g->wheel, &p->restart);
	ev_timer_init(&r->kick, kicked, 0, 0);
	ev_timer_start(g->loop, &r->kick);
	return r;
}

void
reload_destroy(struct reload *r)
{
	ev_timer_stop(r->gateway->loop, &r->kick);
	wheel_clear(&r->gateway->wheel, &r->probation);
	list_for_each_safe (node, &r->watchers)
		list_remove(node);
	list_remove(&r->node);
	list_remove(&r->turn);
	list_remove(&r->member);
	plugin_config_unref(r->config);
	manifest_unref(r->manifest);
	json_decref(r->settings);
	json_decref(r->removed);
	json_decref(r->registered);
	json_decref(r->dropped);
	json_decref(r->added);
	state_blob_finish(&r->state_blob);
	free(r->stage_dir);
	free(r->digest);
	free(r);
}

enum reload_refusal
reload_check(struct gateway *g, const struct plugin *p, struct error *err)
{
	enum reload_refusal refusal = reload_admit(g, p, true, err);

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
	r = reload_create(g, p, KIND_RELOAD, options->trigger, watcher, id_out);
	r->force = options->force;
	r->no_drop = options->no_drop;
	r->from_stage = options->from_stage;
	r->if_changed = options->if_changed;
	r->prove = options->prove;
	r->asked_by = options->asked_by;
	if (options->set)
		set_join(options->set, r);
	return RELOAD_ACCEPTED;
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
	if (reason_out)
		*reason_out = reason;
	return !reason;
}

void
reload_unwatch(struct reload_watcher *w)
{
	list_remove(&w->node);
}
