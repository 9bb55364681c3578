/* stage_check: surveys one stage and acts on the answer. */
#include "supervisor/reload/stage_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/util/clock.h"
#include "proto/util/memory.h"
#include "proto/util/text.h"
#include "supervisor/reload/crash.h"
#include "supervisor/gateway/keep.h"
#include "supervisor/gateway/news.h"
#include "supervisor/reload/older.h"
#include "supervisor/reload/transaction.h"
#include "supervisor/plugin/survey.h"

#define CHECK_MS 60000

static uint32_t
generation_of(const struct plugin *p, enum plugin_source which)
{
	return which == PLUGIN_FROM_STAGE ? p->store.proven_generation
					  : p->store.older_generation;
}

static char *
stage_path(const struct plugin *p, enum plugin_source which)
{
	const struct gateway *g = p->gateway;

	return memory_format(
		"%s/run/%s/%u", g->state_dir, p->id, generation_of(p, which));
}

/* Adds the stage to the plugin's list of damaged ones. */
static void
note_damage(struct plugin *p, uint32_t generation, const char *reason)
{
	char *before = p->stage_damaged;

	p->stage_damaged = memory_format(
		"%s%sthe staged copy of generation %u is damaged (%s)",
		before ? before : "", before ? ", and " : "", generation,
		reason);
	free(before);
}

static void
forget_damage(struct plugin *p)
{
	free(p->stage_damaged);
	p->stage_damaged = NULL;
}

/* Forgets the stage, so that later restarts do not try it again. */
static void
give_up_stage(struct plugin *p, enum plugin_source which, const char *reason)
{
	struct gateway *g = p->gateway;
	struct log_subject subject = {.plugin = p->id};
	uint32_t generation = generation_of(p, which);
	char *path = stage_path(p, which);

	if (which == PLUGIN_FROM_STAGE)
		forget_damage(p);
	note_damage(p, generation, reason);
	log_write(LOG_ERROR, &subject,
		"the staged copy of generation %u is damaged (%s); %s",
		generation, reason,
		which == PLUGIN_FROM_STAGE ? "starting from the package"
					   : "no older one is kept");
	news_stage_damaged(p, generation, reason);
	if (which == PLUGIN_FROM_STAGE)
		store_forget_proven(&p->store);
	else
		store_forget_older(&p->store);
	keep_save_sooner_or_later(p);
	stage_remove(&g->workers, path);
	free(path);
}

static void
start_from_package(struct plugin *p)
{
	struct reload_options options = {.trigger = "crash"};

	if (reload_begin(p->gateway, p, &options, NULL, NULL, NULL) !=
		RELOAD_ACCEPTED)
		return;
	p->reload->fallback = "package";
	p->counters.restarts++;
}

/* Reads the survey's answer; damage and error stay empty if the stage is
 * intact. */
static void
read_answer(const struct survey *s, const char *proven_digest,
	struct error *damage, struct error *obstacle)
{
	struct survey_answer answer = survey_answer_at(s, 0);

	if (answer.error)
		error_set(answer.shortage ? obstacle : damage, "%s",
			answer.error);
	else if (answer.digest && proven_digest &&
		 strcmp(answer.digest, proven_digest) != 0)
		error_set(damage, "its digest is %s instead of %s",
			answer.digest, proven_digest);
	obstacle->shortage = answer.shortage;
}

/* The stage could not be checked: retries after a pause. */
static void
retry_later(struct plugin *p, enum plugin_source which,
	const struct error *obstacle)
{
	text_format(p->failure, sizeof(p->failure),
		"the staged copy of generation %u cannot be checked: %s",
		generation_of(p, which), obstacle->text);
	crash_retry(p, which);
}

static void
follow(struct plugin *p, enum plugin_source which, const struct error *damage,
	const struct error *obstacle)
{
	bool is_proven_stage = which == PLUGIN_FROM_STAGE;

	if (damage->text[0])
		give_up_stage(p, which, damage->text);
	if (damage->text[0] && is_proven_stage)
		start_from_package(p);
	else if (obstacle->shortage)
		retry_later(p, which, obstacle);
	else if (is_proven_stage || damage->text[0] || obstacle->text[0])
		crash_restart(p, false);
	else
		older_start(p);
}

static void
checked(void *user, struct error *err)
{
	struct plugin *p = user;
	struct gateway *g = p->gateway;
	struct error damage = {.text = ""}, obstacle = {.text = ""};
	enum plugin_source which = p->stage_checked;

	if (err)
		obstacle = *err;
	else
		read_answer(p->stage_check,
			which == PLUGIN_FROM_STAGE ? p->store.proven_digest
						   : p->store.older_digest,
			&damage, &obstacle);
	survey_destroy(p->stage_check);
	p->stage_check = NULL;
	if (p->reload || g->stopping || p->removed || p->stopped ||
		!p->enabled || plugin_serving(p))
		return;
	follow(p, which, &damage, &obstacle);
}

void
stage_check_begin(struct plugin *p, enum plugin_source which,
	const struct manifest *manifest)
{
	struct gateway *g = p->gateway;
	char *path;
	struct error err;

	if (p->stage_check)
		return;
	path = stage_path(p, which);
	p->stage_checked = which;
	p->stage_check = survey_create(&g->workers);
	survey_add_copy(
		p->stage_check, path, manifest ? &manifest->share : NULL);
	free(path);
	if (survey_begin(p->stage_check, clock_ms() + CHECK_MS, checked, p,
		    &err) == 0)
		return;
	survey_destroy(p->stage_check);
	p->stage_check = NULL;
	if (err.shortage) {
		retry_later(p, which, &err);
		return;
	}
	log_error("%s", err.text);
	crash_restart(p, false);
}
