/* configure: other settings for the worker that runs. If it does not take them
 * the transaction goes on as a reload. */
#include <stdio.h>

#include "proto/util/clock.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/gateway/transaction.h"

static void
reload_instead(struct reload *r)
{
	plugin_config_unref(r->config);
	json_decref(r->settings);
	json_decref(r->removed);
	json_decref(r->registered);
	r->config = NULL;
	r->settings = r->removed = r->registered = NULL;
	r->previous_generation = 0;
	r->previous_pid = 0;
	r->phase_ms[PHASE_CHECKING] = -1;
	r->kind = KIND_RELOAD;
	reload_run(r);
}

static void
fall_back(struct reload *r, const char *why)
{
	struct log_subject subject = {.plugin = r->plugin->id};

	snprintf(r->fallback_text, sizeof(r->fallback_text),
		"reload, because the running worker did not take its "
		"settings: %s",
		why);
	r->fallback = r->fallback_text;
	log_write(LOG_WARN, &subject, "%s: %s", r->id, r->fallback_text);
	reload_instead(r);
}

static void
due(struct wheel_timer *t)
{
	struct reload *r = container_of(t, struct reload, probation);

	if (r->plugin->active)
		worker_ask_end(r->plugin->active);
	fall_back(r, "no answer in time");
}

static void
note_worker(struct reload *r, const struct worker *w)
{
	r->generation = w->generation;
	r->previous_generation = w->generation;
	r->previous_pid = w->pid;
	r->removed = receipt_counts(&w->registrations);
	r->registered = receipt_counts(&w->registrations);
}

void
configure_begin(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct worker *w = plugin_serving(p);
	struct error err;

	if (!w || !w->manifest->configure) {
		reload_instead(r);
		return;
	}
	reload_step(r, RELOAD_EVENT_CONFIGURE);
	reload_enter_phase(r, PHASE_CHECKING);
	r->config = plugin_config_ref(p->wanted);
	r->settings = plugin_settings(r->config, w->manifest);
	note_worker(r, w);
	r->probation.fire = due;
	wheel_set(&g->wheel, &r->probation,
		clock_ms() + r->config->limits.health_timeout_ms);
	if (worker_ask_configure(w, r->settings, &err) < 0)
		configure_on_answer(r, &err);
}

void
configure_on_answer(struct reload *r, const struct error *err)
{
	struct plugin *p = r->plugin;

	wheel_clear(&r->gateway->wheel, &r->probation);
	if (err) {
		fall_back(r, err->text);
		return;
	}
	reload_leave_phase(r, PHASE_CHECKING);
	plugin_configure(p, r->config);
	dispatch_release(r->gateway, p);
	reload_step(r, RELOAD_EVENT_DONE);
	reload_give_verdict(r);
}

enum reload_refusal
reload_begin_configure(struct gateway *g, struct plugin *p, const char *trigger,
	struct reload_watcher *watcher, char *id_out, struct error *err)
{
	enum reload_refusal refusal = reload_check(g, p, err);

	if (refusal == RELOAD_ACCEPTED)
		reload_create(g, p, KIND_CONFIGURE, trigger, watcher, id_out);
	return refusal;
}
