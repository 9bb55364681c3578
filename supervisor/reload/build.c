/* build: the parts of a reload that touch files. The last two proven stages are
 * noted in the store and kept; every other stage is removed when its worker
 * exits. */
#include "supervisor/reload/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/reload/older.h"
#include "supervisor/ops/own_file.h"

/* Writes all problems to the plugin's output, so that the receipt's log has
 * them, too. */
static void
write_problems(const struct reload *r, const struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++) {
		char *text = problem_text(&problems->items[i]);

		output_add_error(r->plugin->output, LOG_WARN, r->generation, 0,
			"supd", bytes_of(text));
		free(text);
	}
}

/* Sets err to the first error of a list and the number of further ones. */
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
	if (!r->manifest) {
		write_problems(r, &problems);
		result = fail_with(&r->error, &problems);
	}
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
	r->stage = stage_begin(&r->gateway->workers, r->gateway->state_dir,
		p->id, r->generation, r->manifest, deadline, done, r,
		&r->error);
	return r->stage ? 0 : -1;
}

int
build_take_stage(struct reload *r, const struct stage_result *result)
{
	if (result->err) {
		r->error = *result->err;
		return -1;
	}
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
	bool older = r->source == PLUGIN_FROM_OLDER_STAGE;

	r->config = plugin_config_ref(p->config);
	r->generation = p->store.generation + 1;
	r->stage_dir = memory_format("%s/run/%s/%u", r->gateway->state_dir,
		p->id,
		older ? p->store.older_generation : p->store.proven_generation);
	r->digest = memory_copy_text(
		older ? p->store.older_digest : p->store.proven_digest);
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
	int result = own_folder_make_or_link(parent, 0711, err);

	if (!result)
		result = own_folder_make_or_link(dir, 0700, err);
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
		.package_dir = p->source,
		.digest = r->digest,
		.manifest = r->manifest,
		.config = r->config,
		.settings = r->settings,
		.output = p->output,
		.urgent = reload_is_urgent(r),
	};

	p->store.generation = r->generation;
	if (keep_save(p, &r->error) < 0) {
		/* If nothing serves, a start goes on although the generation
		 * cannot be saved; if the plugin serves, the reload can wait
		 * for the disk. */
		if (plugin_serving(p)) {
			p->store.generation = before;
			return -1;
		}
		keep_generation_later(p, &r->error);
		r->error = (struct error){.text = ""};
	}
	if (make_data_dir(r, &data_dir, &r->error) == 0) {
		start.data_dir = data_dir;
		r->fresh =
			worker_new(&g->workers, &start, &gateway_worker_ops, p);
		if (worker_spawn(r->fresh, &r->error) < 0) {
			worker_destroy(r->fresh);
			r->fresh = NULL;
		}
	}
	free(data_dir);
	p->candidate = r->fresh;
	return r->fresh ? 0 : -1;
}

/* The generation of a stage: the last component of its path. */
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

static bool
is_kept(const struct plugin *p, uint32_t stage)
{
	return stage == p->store.proven_generation ||
	       stage == p->store.older_generation;
}

/* Removes a stage that is no longer kept, unless a worker runs from it; then it
 * is removed when that worker exits. */
static void
drop_stage(struct plugin *p, uint32_t stage)
{
	struct gateway *g = p->gateway;
	char *dir;

	if (!stage || is_kept(p, stage) || is_run_from(p, stage))
		return;
	dir = memory_format("%s/run/%s/%u", g->state_dir, p->id, stage);
	stage_remove(&g->workers, dir);
	free(dir);
}

static void
note(struct plugin *p, const struct worker *w)
{
	uint32_t before = p->store.proven_generation;
	uint32_t older = p->store.older_generation;

	store_note_proven(
		&p->store, stage_number(w->stage_dir), w->digest, w->version);
	keep_save_sooner_or_later(p);
	drop_stage(p, before);
	drop_stage(p, older);
}

void
build_note_proven(struct reload *r)
{
	struct plugin *p = r->plugin;

	if (r->source == PLUGIN_FROM_OLDER_STAGE)
		p->store.older_run = stage_number(r->stage_dir);
	note(p, r->fresh);
	if (plugin_runs_older(p))
		older_note(r);
	p->failure[0] = '\0';
	if (!r->fallback) {
		free(p->stage_damaged);
		p->stage_damaged = NULL;
	}
	p->given_up = false;
	p->crash.starved = 0;
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

	if (is_kept(p, stage_number(w->stage_dir)))
		return;
	if (runs_from(p->active, w) || runs_from(p->candidate, w))
		return;
	list_for_each (node, &p->others)
		if (runs_from(container_of(node, struct worker, node), w))
			return;
	stage_remove(&g->workers, w->stage_dir);
}
