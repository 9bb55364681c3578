/* apply_plan: compares the running plugins with the wanted ones and makes a
 * step for each that differs. It changes nothing but the cached digests of
 * packages, and runs no plugin code. */
#include <stdlib.h>
#include <string.h>

#include "proto/util/memory.h"
#include "supervisor/apply/parts.h"

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

/* ---- collecting ---- */

static struct apply_step *
add_step(struct apply_plan *plan, const char *id,
	const struct plugin_config *entry)
{
	struct apply_step *step = &plan->steps[plan->count++];

	*step = (struct apply_step){
		.id = memory_copy_text(id),
		.reasons = json_array(),
		.entry = entry ? plugin_config_ref(entry) : NULL,
		.survey_index = NOT_SURVEYED,
	};
	return step;
}

/* Has the package of a serving plugin compared; others are started anyhow. */
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
	step->survey_index = survey_add(pass->survey, step->folder,
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

/* Collects the existing plugins by their wanted configuration; the file is not
 * read again. */
static bool
collect_wanted(struct apply_pass *pass)
{
	struct gateway *g = pass->gateway;
	const struct plugin *p;

	if (pass->at == g->plugin_count ||
		pass->plan.count == pass->plan.capacity)
		return true;
	p = g->plugins[pass->at++];
	if (p && !p->removed)
		collect_entry(pass, p->wanted);
	return false;
}

static bool
collect_configured(struct apply_pass *pass)
{
	const struct config *config = pass->config;

	if (pass->at == config->plugin_count)
		return true;
	collect_entry(pass, config->plugins[config->start_order[pass->at++]]);
	return false;
}

void
apply_plan_collect(struct apply_pass *pass)
{
	struct apply_plan *plan = &pass->plan;

	plan->capacity =
		pass->config->plugin_count + pass->gateway->plugin_count;
	plan->steps = memory_alloc(
		((size_t)plan->capacity + 1) * sizeof(*plan->steps));
	if (pass->kind != APPLY_COMPARE && pass->kind != APPLY_SCAN)
		collect_gone(pass);
	apply_work(pass,
		pass->kind == APPLY_COMPARE ? collect_wanted
					    : collect_configured,
		apply_compare_packages);
}

/* ---- deciding ---- */

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

/* The plugin is new, but a user may have disabled or stopped an earlier one of
 * that id. */
static void
decide_added(struct apply_pass *pass, struct apply_step *step)
{
	struct store store;
	struct error err;

	if (store_load(&store, pass->gateway->state_dir, step->id, &err) < 0)
		problems_warn(&pass->problems, step->entry->file,
			step->entry->line, step->entry->column, "%s", err.text);
	if (store_is_enabled(&store, step->entry->enabled) && !store.stopped)
		set_step(step, ACTION_START, "added");
	store_finish(&store);
}

/* Whether the package's content differs from the worker's. A digest from the
 * survey is newer than that of the last staging, so it is kept. */
static bool
digest_differs(struct apply_pass *pass, struct apply_step *step,
	struct plugin *p, const struct worker *w)
{
	struct survey_answer answer;

	if (!pass->survey || step->survey_index == NOT_SURVEYED) {
		json_array_append_new(step->reasons,
			json_string(step->missing ? "package missing"
						  : "not compared"));
		return true;
	}
	answer = survey_answer_at(pass->survey, step->survey_index);
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

/* A scan starts plugins whose package was missing before. */
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
		return; /* stopped by a user, and it stays so */
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

/* Reports manifest errors that the reloads would fail at. Plans and applies of
 * a file have been checked already. */
static bool
check_manifest(struct apply_pass *pass)
{
	const struct apply_step *step;

	if (pass->at == pass->plan.count)
		return true;
	step = &pass->plan.steps[pass->at++];
	if ((step->action == ACTION_START || step->action == ACTION_RELOAD) &&
		step->folder)
		manifest_unref(manifest_load(step->folder, &pass->problems));
	return false;
}

/* A file that was cut short looks like one that removes most plugins. */
static void
warn_of_many_stops(struct apply_pass *pass)
{
	const struct gateway *g = pass->gateway;
	const char *file =
		pass->config->files.count ? pass->config->files.items[0] : "";
	unsigned serving = 0, stops = 0;

	for (uint32_t i = 0; i < g->plugin_count; i++)
		serving += g->plugins[i] && !g->plugins[i]->removed &&
			   plugin_serving(g->plugins[i]);
	for (uint32_t i = 0; i < pass->plan.count; i++) {
		const struct apply_step *step = &pass->plan.steps[i];
		const struct plugin *p = find_plugin(pass, step->id);

		stops += step->action == ACTION_STOP && p && plugin_serving(p);
	}
	if (stops * 2 <= serving)
		return;
	problems_warn(&pass->problems, file, 0, 0,
		"this stops %u of the %u plugins that serve", stops, serving);
	if (pass->kind == APPLY_ALL)
		log_warn("configuration: %s stops %u of the %u plugins that "
			 "serve",
			file, stops, serving);
}

static void
sort_problems(struct apply_pass *pass)
{
	problems_sort(&pass->problems);
	apply_planned(pass);
}

static bool
decide_one(struct apply_pass *pass)
{
	if (pass->at == pass->plan.count)
		return true;
	decide(pass, &pass->plan.steps[pass->at++]);
	return false;
}

static void
decided(struct apply_pass *pass)
{
	warn_of_many_stops(pass);
	if (pass->kind == APPLY_COMPARE)
		apply_work(pass, check_manifest, sort_problems);
	else
		sort_problems(pass);
}

void
apply_plan_decide(struct apply_pass *pass)
{
	apply_work(pass, decide_one, decided);
}
