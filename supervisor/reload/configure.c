/* configure: sends new settings to the running worker. If the worker refuses
 * them, the transaction goes on as a reload. */
#include <stdio.h>

#include "proto/util/clock.h"
#include "proto/util/text.h"
#include "supervisor/gateway/dispatch.h"
#include "supervisor/reload/transaction.h"

/* Forgets the figures of the attempt, which are not those of the reload that
 * follows. */
static void
forget(struct reload *r)
{
	struct figures *f = &r->figures;

	plugin_config_unref(r->config);
	json_decref(r->settings);
	json_decref(f->removed);
	json_decref(f->registered);
	r->config = NULL;
	r->settings = f->removed = f->registered = NULL;
	f->previous_generation = 0;
	f->previous_pid = 0;
	f->phase_ms[PHASE_CHECKING] = -1;
}

static void
fall_back(struct reload *r, const char *why)
{
	struct log_subject subject = {.plugin = r->plugin->id, .reload = r->id};

	text_format(r->fallback_text, sizeof(r->fallback_text),
		"reload, because the running worker did not accept its "
		"settings: %s",
		why);
	r->fallback = r->fallback_text;
	log_write(LOG_WARN, &subject, "%s: %s", r->id, r->fallback_text);
	forget(r);
	reload_go_otherwise(r);
}

bool
configure_is_possible(const struct reload *r)
{
	const struct worker *w = plugin_serving(r->plugin);

	return w && w->manifest->configure;
}

uint64_t
configure_deadline(const struct reload *r)
{
	return clock_ms() + r->plugin->wanted->limits.health_timeout_ms;
}

void
configure_on_due(struct reload *r)
{
	configure_undo(r);
	fall_back(r, "no answer in time");
}

void
configure_undo(struct reload *r)
{
	if (r->plugin->active)
		worker_ask_end(r->plugin->active);
}

void
configure_on_old_down(struct reload *r, bool reverted)
{
	(void)reverted;
	fall_back(r, "the worker ended");
}

static void
note_worker(struct reload *r, const struct worker *w)
{
	r->generation = w->generation;
	r->figures.previous_generation = w->generation;
	r->figures.previous_pid = w->pid;
	r->figures.removed = account_counts(&w->registrations);
	r->figures.registered = account_counts(&w->registrations);
}

void
configure_enter(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct worker *w = plugin_serving(p);
	struct error err;

	r->config = plugin_config_ref(p->wanted);
	r->settings = plugin_settings(r->config, w->manifest);
	note_worker(r, w);
	if (worker_ask_configure(w, r->settings, &err) < 0)
		fall_back(r, err.text);
}

void
configure_on_answer(
	struct reload *r, struct state_blob *state, const struct error *err)
{
	struct plugin *p = r->plugin;

	(void)state;
	if (err) {
		fall_back(r, err->text);
		return;
	}
	plugin_configure(p, r->config);
	settle_end_reverts(p);
	dispatch_release(r->gateway, p);
	reload_advance(r);
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
