/* older: decides when the older stage is started, and reports it. */
#include "supervisor/reload/older.h"

#include <stdlib.h>

#include "proto/util/memory.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/stage_check.h"

bool
older_is_next(const struct reload *r)
{
	const struct store *s = &r->plugin->store;

	return !reload_program(r)->stops && r->source == PLUGIN_FROM_PACKAGE &&
	       !s->proven_generation && s->older_generation;
}

/* Notes why the older stage runs. If an earlier supd found the damage, only
 * that fact is known. */
static void
give_reason(struct plugin *p, const char *package_error)
{
	free(p->older_reason);
	p->older_reason = memory_format(
		"%s, and the package does not start (%s)",
		p->stage_damaged ? p->stage_damaged
				 : "the staged copy of a later generation was "
				   "damaged",
		package_error);
}

/* Reads the manifest first, because it names the shared files, which the digest
 * leaves out. */
static void
check(struct plugin *p)
{
	const struct gateway *g = p->gateway;
	char *dir = memory_format(
		"%s/run/%s/%u", g->state_dir, p->id, p->store.older_generation);
	struct problems problems = {0};
	struct manifest *manifest = manifest_load(dir, &problems);

	stage_check_begin(p, PLUGIN_FROM_OLDER_STAGE, manifest);
	manifest_unref(manifest);
	problems_finish(&problems);
	free(dir);
}

void
older_begin(const struct reload *r)
{
	give_reason(r->plugin, r->error.text);
	check(r->plugin);
}

void
older_begin_again(struct plugin *p)
{
	check(p);
}

void
older_start(struct plugin *p)
{
	struct reload_options options = {
		.trigger = "crash", .source = PLUGIN_FROM_OLDER_STAGE};

	if (reload_begin(p->gateway, p, &options, NULL, NULL, NULL) !=
		RELOAD_ACCEPTED)
		return;
	p->reload->fallback = "older proven stage";
	p->reload->is_retry = p->crash.starved != 0;
	p->counters.restarts += !p->reload->is_retry;
}

void
older_note(struct reload *r)
{
	struct plugin *p = r->plugin;
	struct log_subject subject = {.plugin = p->id};
	char *why;

	if (r->source == PLUGIN_FROM_STAGE && p->older_reason)
		return;
	if (!p->older_reason)
		give_reason(p, p->failure);
	why = p->older_reason;
	p->older_reason =
		memory_format("version %s of generation %u, because %s",
			p->store.proven_version ? p->store.proven_version : "?",
			p->store.proven_generation, why);
	free(why);
	log_write(LOG_ERROR, &subject,
		"an older version runs: %s; reload the plugin once its package "
		"is repaired",
		p->older_reason);
	news_runs_older(p);
}
