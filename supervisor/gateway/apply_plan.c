/* apply_plan: what differs between the plugins that run and those that are
 * wanted, a step each. It reads, and changes nothing but what it knows of the
 * packages; no plugin code runs. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/gateway/apply_parts.h"

/* They are read on the loop. */
#define MANIFESTS_CHECKED_MAX 64

const char *const apply_action_texts[ACTION_COUNT] = {
#define X(name, text) [ACTION_##name] = text,
	APPLY_ACTIONS(X)
#undef X
};

void
apply_plan_finish(struct apply_plan *plan)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		struct apply_step *step = &plan->steps[i];

		json_decref(step->reasons);
		plugin_config_unref(step->entry);
		free(step->folder);
		free(step->id);
	}
	free(plan->steps);
	*plan = (struct apply_plan){0};
}

bool
apply_plugin_configures(const struct plugin *p)
{
	const struct worker *w = plugin_serving(p);

	return w && w->manifest->configure;
}

static struct plugin *
find_plugin(const struct apply_pass *pass, const char *id)
{
	struct plugin *p = gateway_plugin(pass->gateway, id);

	return p && !p->removed ? p : NULL;
}

/* ---- which there are ---- */

static struct apply_step *
add_step(struct apply_plan *plan, const char *id,
	const struct plugin_config *entry)
{
	struct apply_step *step = &plan->steps[plan->count++];

	*step = (struct apply_step){
		.id = memory_copy_text(id),
		.reasons = json_array(),
		.entry = entry ? plugin_config_ref(entry) : NULL,
		.place = NOT_SURVEYED,
	};
	return step;
}

/* Asks about the package of what serves; what does not is started anyhow. */
static void
ask(struct apply_pass *pass, struct apply_step *step, const struct plugin *p)
{
	const struct worker *w = plugin_serving(p);
	bool is_known;

	if (package_find(pass->config, step->entry, &step->folder,
		    &pass->problems) < 0) {
		step->missing = true;
		return;
	}
	if (!w)
		return;
	is_known = p->seen.folder && !strcmp(p->seen.folder, step->folder);
	step->place = survey_add(pass->survey, step->folder,
		&w->manifest->share, is_known ? p->seen.fingerprint : NULL);
}

static void
collect_entry(struct apply_pass *pass, const struct plugin_config *entry)
{
	struct apply_step *step = add_step(&pass->plan, entry->id, entry);
	const struct plugin *p = find_plugin(pass, entry->id);
	bool runs =
		p && store_is_enabled(&p->store, entry->enabled) && !p->stopped;

	if (!p)
		ask(pass, step, &(struct plugin){0});
	else if (runs && (pass->kind != APPLY_SCAN || !p->source))
		ask(pass, step, p);
}

static void
collect_gone(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		const struct plugin *p = g->plugins[i];

		if (p && !p->removed && !config_plugin(pass->config, p->id))
			add_step(&pass->plan, p->id, NULL);
	}
}

/* What is wanted of those that there are, whatever the file says by now. */
static void
collect_wanted(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;

	for (uint32_t i = 0; i < g->plugin_count; i++) {
		const struct plugin *p = g->plugins[i];

		if (p && !p->removed)
			collect_entry(pass, p->wanted);
	}
}

void
apply_plan_collect(struct apply_pass *pass)
{
	const struct config *config = pass->config;
	size_t most =
		(size_t)config->plugin_count + pass->gateway->plugin_count + 1;

	pass->plan.steps = memory_alloc(most * sizeof(*pass->plan.steps));
	if (pass->kind == APPLY_COMPARE) {
		collect_wanted(pass);
		return;
	}
	if (pass->kind != APPLY_SCAN)
		collect_gone(pass);
	for (uint32_t i = 0; i < config->plugin_count; i++)
		collect_entry(pass, config->plugins[config->start_order[i]]);
}

/* ---- what becomes of them ---- */

static void
set_step(struct apply_step *step, enum apply_action action, const char *reason)
{
	step->action = action;
	step->class = action == ACTION_LIVE	   ? CLASS_LIVE
		      : action == ACTION_CONFIGURE ? CLASS_CONFIGURE
						   : CLASS_RELOAD;
	if (reason)
		json_array_append_new(step->reasons, json_string(reason));
}

/* Not there yet; a person may have said something of an earlier one. */
static void
decide_added(struct apply_pass *pass, struct apply_step *step)
{
	struct store store;
	struct error err;

	if (store_load(&store, pass->gateway->state_dir, step->id, &err) < 0)
		problems_add(&pass->problems, step->entry->file,
			step->entry->line, step->entry->column, "%s", err.text);
	else if (store_is_enabled(&store, step->entry->enabled) &&
		 !store.stopped)
		set_step(step, ACTION_START, "added");
	store_finish(&store);
}

/* Whether the package's content is not that of the worker. The survey may know
 * more than the last staging: it is kept. */
static bool
digest_differs(struct apply_pass *pass, struct apply_step *step,
	struct plugin *p, const struct worker *w)
{
	struct survey_answer answer;

	if (!pass->survey || step->place == NOT_SURVEYED) {
		json_array_append_new(step->reasons,
			json_string(step->missing ? "package missing"
						  : "not compared"));
		return true;
	}
	answer = survey_answer_at(pass->survey, step->place);
	if (answer.error) {
		problems_add(&pass->problems, step->entry->file,
			step->entry->line, step->entry->column, "'%s': %s",
			step->id, answer.error);
		json_array_append_new(
			step->reasons, json_string("package unreadable"));
		return true;
	}
	if (answer.digest)
		plugin_note_seen(
			p, step->folder, answer.fingerprint, answer.digest);
	if (p->seen.digest && !strcmp(p->seen.digest, w->digest))
		return false;
	json_array_append_new(step->reasons, json_string("digest"));
	return true;
}

static void
decide_serving(struct apply_pass *pass, struct apply_step *step,
	struct plugin *p, const struct worker *w)
{
	enum config_class class = CLASS_LIVE;
	bool differs;

	differs = config_plugin_differs(
		p->config, step->entry, apply_plugin_configures(p), &class);
	if (differs) {
		json_decref(step->reasons);
		step->reasons = config_plugin_reasons(p->config, step->entry);
	}
	if (digest_differs(pass, step, p, w) || class > CLASS_CONFIGURE)
		set_step(step, ACTION_RELOAD, NULL);
	else if (class == CLASS_CONFIGURE)
		set_step(step, ACTION_CONFIGURE, NULL);
	else if (differs)
		set_step(step, ACTION_LIVE, NULL);
}

/* A scan starts what could not be before, for want of its package. */
static void
decide_scanned(struct apply_step *step, const struct plugin *p)
{
	if (p->enabled && !p->stopped && !p->source && !p->reload &&
		!plugin_serving(p) && step->folder)
		set_step(step, ACTION_START, "package found");
}

static void
decide(struct apply_pass *pass, struct apply_step *step)
{
	struct plugin *p = find_plugin(pass, step->id);
	const struct worker *w = p ? plugin_serving(p) : NULL;

	if (!step->entry) {
		if (p)
			set_step(step, ACTION_STOP, "removed");
	} else if (!p) {
		decide_added(pass, step);
	} else if (pass->kind == APPLY_SCAN) {
		decide_scanned(step, p);
	} else if (!store_is_enabled(&p->store, step->entry->enabled)) {
		if (p->enabled)
			set_step(step, ACTION_STOP, "disabled");
	} else if (p->stopped) {
		return; /* by a person, and it stays so */
	} else if (!p->enabled) {
		set_step(step, ACTION_START, "enabled");
	} else if (p->reload) {
		set_step(step, ACTION_RELOAD, "busy");
	} else if (!w) {
		set_step(step, ACTION_START, "not serving");
	} else {
		decide_serving(pass, step, p, w);
	}
}

/* A plan tells beforehand what the doing would stumble over. */
static void
check_manifests(struct apply_pass *pass)
{
	unsigned left = MANIFESTS_CHECKED_MAX;

	for (uint32_t i = 0; i < pass->plan.count && left; i++) {
		const struct apply_step *step = &pass->plan.steps[i];

		if ((step->action != ACTION_START &&
			    step->action != ACTION_RELOAD) ||
			!step->folder)
			continue;
		left--;
		manifest_unref(manifest_load(step->folder, &pass->problems));
	}
}

void
apply_plan_decide(struct apply_pass *pass)
{
	for (uint32_t i = 0; i < pass->plan.count; i++)
		decide(pass, &pass->plan.steps[i]);
	if (pass->kind == APPLY_PLAN || pass->kind == APPLY_COMPARE)
		check_manifests(pass);
	problems_sort(&pass->problems);
}
