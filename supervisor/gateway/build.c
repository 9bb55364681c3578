/* build: the parts of a reload that touch files. The stage that proved itself
 * last is noted in the store and kept; every other goes with its worker. */
#include "supervisor/gateway/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"

/* The first error of a list, and how many more there are. */
static int
fail_with(struct error *err, const struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++) {
		char *text;

		if (problems->items[i].warning)
			continue;
		text = problem_text(&problems->items[i]);
		if (problems->errors > 1)
			error_set(err, "%s (and %u more)", text,
				problems->errors - 1);
		else
			error_set(err, "%s", text);
		free(text);
		return -1;
	}
	return error_set(err, "unreadable");
}

static void
log_warnings(const struct plugin *p, const struct problems *problems)
{
	struct log_subject subject = {.plugin = p->id};

	for (uint32_t i = 0; i < problems->count; i++)
		if (problems->items[i].warning)
			log_write(LOG_WARN, &subject, "%s",
				problems->items[i].text);
}

static int
find_package(struct reload *r)
{
	const struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	struct problems problems = {0};
	char *dir = NULL;
	int result = 0;

	if (package_find(g->config_to_come ? g->config_to_come : g->config,
		    r->config, &dir, &problems) < 0) {
		result = fail_with(&r->error, &problems);
	} else {
		log_warnings(p, &problems);
		free(p->source);
		p->source = dir;
	}
	problems_finish(&problems);
	return result;
}

bool
build_package_is_there(const struct gateway *g, const struct plugin *p)
{
	struct problems problems = {0};
	char *dir = NULL;
	bool found = package_find(g->config, p->wanted, &dir, &problems) == 0;

	free(dir);
	problems_finish(&problems);
	return found;
}

static int
read_manifest(struct reload *r, const char *dir)
{
	struct problems problems = {0};
	int result = 0;

	manifest_unref(r->manifest);
	r->manifest = manifest_load(dir, &problems);
	if (!r->manifest)
		result = fail_with(&r->error, &problems);
	problems_finish(&problems);
	return result;
}

int
build_stage(struct reload *r,
	void (*done)(void *user, const struct stage_result *result))
{
	struct plugin *p = r->plugin;
	uint64_t deadline =
		clock_ms() + p->wanted->limits.start_timeout_ms + 60000;

	r->config = plugin_config_ref(p->wanted);
	r->generation = p->store.generation + 1;
	if (find_package(r) < 0 || read_manifest(r, p->source) < 0)
		return -1;
	r->stage = stage_begin(&r->gateway->room, r->gateway->state_dir, p->id,
		r->generation, r->manifest, deadline, done, r, &r->error);
	return r->stage ? 0 : -1;
}

int
build_take_stage(struct reload *r, const struct stage_result *result)
{
	if (result->err)
		return error_set(&r->error, "%s", result->err->text);
	r->stage_dir = memory_copy_text(result->dir);
	r->digest = memory_copy_text(result->digest);
	plugin_note_seen(r->plugin, r->plugin->source, result->fingerprint,
		result->digest);
	if (read_manifest(r, r->stage_dir) < 0)
		return -1;
	r->settings = plugin_settings(r->config, r->manifest);
	return 0;
}

int
build_from_proven(struct reload *r)
{
	struct plugin *p = r->plugin;

	r->config = plugin_config_ref(p->config);
	r->generation = p->store.generation + 1;
	r->stage_dir = memory_format("%s/run/%s/%u", r->gateway->state_dir,
		p->id, p->store.proven_generation);
	r->digest = memory_copy_text(p->store.proven_digest);
	if (read_manifest(r, r->stage_dir) < 0)
		return -1;
	r->settings = plugin_settings(r->config, r->manifest);
	return 0;
}

static int
make_data_dir(const struct reload *r, char **dir_out, struct error *err)
{
	char *parent = memory_format("%s/data", r->gateway->state_dir);
	char *dir = memory_format("%s/%s", parent, r->plugin->id);
	int result = 0;

	if ((mkdir(parent, 0711) < 0 && errno != EEXIST) ||
		(mkdir(dir, 0700) < 0 && errno != EEXIST))
		result = error_set(
			err, "cannot make %s: %s", dir, strerror(errno));
	free(parent);
	*dir_out = dir;
	return result;
}

int
build_spawn(struct reload *r)
{
	struct gateway *g = r->gateway;
	struct plugin *p = r->plugin;
	uint32_t before = p->store.generation;
	char *data_dir = NULL;
	struct worker_start start = {
		.plugin_id = p->id,
		.plugin = p->number,
		.generation = r->generation,
		.stage_dir = r->stage_dir,
		.digest = r->digest,
		.manifest = r->manifest,
		.config = r->config,
		.settings = r->settings,
		.output = p->output,
	};

	p->store.generation = r->generation;
	if (store_save(&p->store, g->state_dir, p->id, &r->error) < 0) {
		/* To serve again comes before counting. */
		if (!r->from_stage) {
			p->store.generation = before;
			return -1;
		}
		log_error("%s", r->error.text);
		r->error = (struct error){""};
	}
	if (make_data_dir(r, &data_dir, &r->error) == 0) {
		start.data_dir = data_dir;
		r->fresh = worker_create(
			&g->room, &start, &gateway_worker_ops, p, &r->error);
	}
	free(data_dir);
	p->candidate = r->fresh;
	return r->fresh ? 0 : -1;
}

/* The generation whose stage a directory is: its last component. */
static uint32_t
stage_number(const char *stage_dir)
{
	const char *slash = strrchr(stage_dir, '/');

	return (uint32_t)strtoul(slash ? slash + 1 : stage_dir, NULL, 10);
}

static bool
is_run_from(const struct plugin *p, uint32_t stage)
{
	if (p->active && stage_number(p->active->stage_dir) == stage)
		return true;
	list_for_each (node, &p->others)
		if (stage_number(container_of(node, struct worker, node)
					 ->stage_dir) == stage)
			return true;
	return false;
}

/* The stage that was the proven one goes with the last worker that runs from
 * it; if none does, now. */
static void
drop_stage(struct plugin *p, uint32_t stage)
{
	struct gateway *g = p->gateway;
	char *dir;

	if (!stage || stage == p->store.proven_generation ||
		is_run_from(p, stage))
		return;
	dir = memory_format("%s/run/%s/%u", g->state_dir, p->id, stage);
	stage_remove(&g->room, dir);
	free(dir);
}

static void
note(struct plugin *p, const struct worker *w)
{
	struct gateway *g = p->gateway;
	uint32_t before = p->store.proven_generation;
	struct error err;

	p->store.proven_generation = stage_number(w->stage_dir);
	free(p->store.proven_digest);
	p->store.proven_digest = memory_copy_text(w->digest);
	free(p->store.proven_version);
	p->store.proven_version = memory_copy_text(w->version);
	if (store_save(&p->store, g->state_dir, p->id, &err) < 0)
		log_error("%s", err.text);
	drop_stage(p, before);
}

void
build_note_proven(struct reload *r)
{
	struct plugin *p = r->plugin;

	p->failure[0] = '\0';
	p->given_up = false;
	note(p, r->fresh);
}

void
build_note_reverted(struct plugin *p, const struct worker *w)
{
	note(p, w);
}

static bool
runs_from(const struct worker *w, const struct worker *gone)
{
	return w && w != gone && !strcmp(w->stage_dir, gone->stage_dir);
}

void
build_clean_stage(struct plugin *p, const struct worker *w)
{
	struct gateway *g = p->gateway;

	if (stage_number(w->stage_dir) == p->store.proven_generation)
		return;
	if (runs_from(p->active, w) || runs_from(p->candidate, w))
		return;
	list_for_each (node, &p->others)
		if (runs_from(container_of(node, struct worker, node), w))
			return;
	stage_remove(&g->room, w->stage_dir);
}

/* The other of package and proven stage, if what was tried first is no good;
 * NULL: both were tried, or there is no other. */
static const char *
find_fallback(const struct reload *r)
{
	bool unreadable = r->phase_ms[PHASE_STAGING] < 0;

	if (r->fallback || r->kind == KIND_STOP)
		return NULL;
	if (r->from_stage)
		return unreadable ? "package" : NULL;
	return r->plugin->store.proven_generation ? "last proven stage" : NULL;
}

void
build_after_failure(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct reload_options options = {
		.trigger = r->trigger, .from_stage = !r->from_stage};
	const char *fallback = find_fallback(r);

	if (p->reload || r->gateway->stopping || p->removed)
		return;
	if (p->reload_wanted || plugin_serving(p))
		return;
	if (!fallback)
		crash_restart(p, false);
	else if (reload_begin(r->gateway, p, &options, NULL, NULL, NULL) ==
		 RELOAD_ACCEPTED)
		p->reload->fallback = fallback;
}
